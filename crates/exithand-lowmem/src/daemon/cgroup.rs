//! What the files of cgroup2 say about killing.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fgetxattr, fstat, open};
use rustix::io::Errno;

use super::files::{open_below, read_below};

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

    /// Returns the outermost cgroup, of this one and those it lies in, that has `memory.oom.group` set:
    /// what is in it the kernel, too, kills as one.
    pub(super) fn group<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        let is_end = |at: &usize| path.get(*at).is_none_or(|byte| *byte == b'/');
        let outer = (0..=path.len()).filter(is_end).map(|end| &path[..end]);
        outer.into_iter().find(|path| self.kills_as_one(path))
    }

    fn kills_as_one(&self, path: &[u8]) -> bool {
        let mut room = [0; 4];
        let text = relative(path).and_then(|path| {
            let file = format_args!("{path}/memory.oom.group");
            read_below(self.root.as_fd(), file, &mut room).ok()
        });
        text.is_some_and(|text| text.starts_with(b"1"))
    }

    /// Has the kernel kill all members of the cgroup, and of those in it, at once; says whether it
    /// did. Linux 5.14.
    pub(super) fn kill(&self, path: &[u8]) -> bool {
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
        assert!(unified.kill(name.as_bytes()));
        for member in &mut members {
            assert_eq!(member.wait(), 9);
        }
    }
}
