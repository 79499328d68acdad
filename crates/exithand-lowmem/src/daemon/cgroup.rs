//! What the files of cgroup2 say about killing.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fgetxattr, fstat, open};
use rustix::io::Errno;

use super::files::{open_below, read_below};
use crate::number::field;

/// Where cgroup2 may be mounted.
const PLACES: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// What the owner of a cgroup asks for, in the attributes that systemd-oomd reads, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Never kill what is in it.
    Omit,
    /// Kill what is in it last.
    Avoid,
}

/// The root of cgroup2.
#[derive(Debug)]
pub(super) struct Unified {
    root: OwnedFd,
}

impl Unified {
    /// Opens it; `None` where cgroup2 is not mounted.
    pub(super) fn open() -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let found = PLACES.into_iter().find_map(|place| {
            let root = open(place, flags, Mode::empty()).ok()?;
            let proof = format_args!("cgroup.controllers");
            open_below(root.as_fd(), proof, OFlags::RDONLY).ok()?;
            Some(root)
        });
        found.map(|root| Self { root })
    }

    /// Returns what the cgroup, or one it lies in, asks for. Only its root or its own user may.
    pub(super) fn wish(&self, path: &[u8], uid: u32) -> Option<Wish> {
        let path = relative(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let directory = open_below(self.root.as_fd(), format_args!("{path}"), flags).ok()?;
        let owner = fstat(&directory).ok()?.st_uid;
        if owner != 0 && owner != uid {
            return None;
        }
        let is_set = |name: &str| {
            let mut value = [0_u8; 4];
            let length: Result<usize, Errno> = fgetxattr(&directory, name, &mut value[..]);
            length == Ok(1) && value[0] == b'1'
        };
        if is_set("user.oomd_omit") || is_set("trusted.oomd_omit") {
            Some(Wish::Omit)
        } else if is_set("user.oomd_avoid") || is_set("trusted.oomd_avoid") {
            Some(Wish::Avoid)
        } else {
            None
        }
    }

    /// Says whether the cgroup has `memory.oom.group` set.
    pub(super) fn kills_as_one(&self, path: &[u8]) -> bool {
        let mut room = [0; 4];
        let text = relative(path).and_then(|path| {
            let file = format_args!("{path}/memory.oom.group");
            read_below(self.root.as_fd(), file, &mut room).ok()
        });
        text.is_some_and(|text| text.starts_with(b"1"))
    }

    /// Reads the pids of the cgroup's members, one a line.
    ///
    /// # Errors
    ///
    /// `E2BIG`: they find no room. Else as `open(2)` and `read(2)`.
    pub(super) fn pids<'a>(&self, path: &[u8], room: &'a mut [u8]) -> Result<&'a [u8], Errno> {
        let path = relative(path).ok_or(Errno::NOENT)?;
        let most = room.len();
        let text = read_below(self.root.as_fd(), format_args!("{path}/cgroup.procs"), room)?;
        if text.len() == most {
            return Err(Errno::TOOBIG);
        }
        Ok(text)
    }

    /// Has the kernel kill all members of the cgroup at once; says whether it did. It does not where
    /// there are cgroups below, whose members are not known here. Linux 5.14.
    pub(super) fn kill(&self, path: &[u8]) -> bool {
        let mut room = [0; 256];
        let stat = relative(path).and_then(|path| {
            let file = format_args!("{path}/cgroup.stat");
            read_below(self.root.as_fd(), file, &mut room).ok()
        });
        if stat.and_then(|text| field(text, b"nr_descendants ")) != Some(0) {
            return false;
        }
        let file = relative(path).and_then(|path| {
            let file = format_args!("{path}/cgroup.kill");
            open_below(self.root.as_fd(), file, OFlags::WRONLY).ok()
        });
        file.is_some_and(|file| rustix::io::write(&file, b"1").is_ok())
    }
}

/// Returns the path below the root; `None` for the root itself, which holds everybody.
fn relative(path: &[u8]) -> Option<&str> {
    let path = std::str::from_utf8(path).ok()?.trim_start_matches('/');
    let leads_out = path.split('/').any(|part| part == "..");
    (!path.is_empty() && !leads_out).then_some(path)
}

#[cfg(test)]
mod tests {
    use exithand_testkit::{Cgroup, Hierarchy, Need, actor, need};

    use super::*;

    #[test]
    fn never_leads_to_the_root_or_out() {
        assert_eq!(relative(b"/"), None);
        assert_eq!(relative(b""), None);
        assert_eq!(relative(b"/../x"), None);
        assert_eq!(relative(b"/a/b"), Some("a/b"));
    }

    #[test]
    fn kills_a_cgroup_as_one() {
        need!(Need::Root, Need::Cgroup2);
        let cgroup = Cgroup::new(Hierarchy::V2).unwrap();
        let mut members = [actor(&["hang"]), actor(&["hang"])];
        for member in &members {
            cgroup.add(member.pid()).unwrap();
        }
        let unified = Unified::open().unwrap();
        let name = cgroup.name().unwrap();
        assert_eq!(unified.wish(name.as_bytes(), 0), None);
        let mut room = [0; 64];
        let pids = unified.pids(name.as_bytes(), &mut room).unwrap();
        assert_eq!(
            pids.trim_ascii_end().split(|byte| *byte == b'\n').count(),
            2
        );
        let mut small = [0; 4];
        let short = unified.pids(name.as_bytes(), &mut small);
        assert_eq!(short, Err(Errno::TOOBIG));
        let below = cgroup.path().join("below");
        std::fs::create_dir(&below).unwrap();
        assert!(!unified.kill(name.as_bytes()), "who is below is not known");
        std::fs::remove_dir(below).unwrap();
        assert!(unified.kill(name.as_bytes()));
        for member in &mut members {
            assert_eq!(member.wait(), 9);
        }
    }
}
