//! Reads one process into a candidate, without allocation.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, open, readlinkat_raw};
use rustix::io::Errno;

use super::Settings;
use super::files::read_below;
use super::identity::{Marks, inode, start_time};
use crate::candidate::{AVOIDED, Candidate, Identity, Spared};
use crate::config::Unit;
use crate::number::signed;
use crate::reading::{ProcessStatus, Smaps, cgroup_of};
use crate::rule::{Action, Facts};
use crate::{Name, Symbol};

/// How many of those that may not be signalled are remembered.
const REFUSED: usize = 16;
/// How far up the family tree the killer's own ancestors are known.
const ANCESTORS: usize = 32;

/// The longest part of a file that is read.
type Text = [u8; 4096];

/// Buffers, one for each fact, so that all can be looked at together.
#[derive(Debug)]
struct Texts {
    status: Text,
    exe: Text,
    command: Text,
    cgroup: Text,
}

/// Reads processes.
#[derive(Debug)]
pub(super) struct Reader {
    proc: OwnedFd,
    pub(super) marks: Marks,
    texts: Box<Texts>,
    /// Who may not be signalled, the oldest overwritten first.
    refused: [Identity; REFUSED],
    refusals: usize,
    ancestors: [u32; ANCESTORS],
    own: u32,
    own_name: Name,
    euid: u32,
    /// Only processes with a line in `/proc/PID/cgroup` that begins so are candidates.
    within: Option<Vec<u8>>,
}

impl Reader {
    /// Opens `/proc`. Where `within` is given, only members of that cgroup are candidates.
    ///
    /// # Errors
    ///
    /// `/proc` is not mounted, or pidfds cannot be opened.
    pub(super) fn new(within: Option<Vec<u8>>) -> Result<Self, Errno> {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let mut reader = Self {
            proc: open_proc()?,
            marks: Marks::probe()?,
            texts: Box::new(Texts {
                status: [0; 4096],
                exe: [0; 4096],
                command: [0; 4096],
                cgroup: [0; 4096],
            }),
            refused: [Identity::default(); REFUSED],
            refusals: 0,
            ancestors: [0; ANCESTORS],
            own: u32::try_from(own).unwrap_or(0),
            own_name: Name::default(),
            euid: rustix::process::geteuid().as_raw(),
            within,
        };
        reader.find_ancestors();
        Ok(reader)
    }

    fn find_ancestors(&mut self) {
        let mut pid = self.own;
        let path = format_args!("{pid}/comm");
        let name = read_below(self.proc.as_fd(), path, &mut self.texts.status);
        self.own_name = Name::new(name.unwrap_or_default().trim_ascii_end());
        for place in &mut self.ancestors {
            let path = format_args!("{pid}/status");
            let text = read_below(self.proc.as_fd(), path, &mut self.texts.status);
            let status = text.ok().and_then(ProcessStatus::parse);
            let Some(parent) = status.map(|it| it.parent).filter(|it| *it > 1) else {
                break;
            };
            *place = parent;
            pid = parent;
        }
    }

    /// Remembers a process that may not be signalled.
    pub(super) fn refuse(&mut self, identity: Identity) {
        self.refused[self.refusals % REFUSED] = identity;
        self.refusals += 1;
    }

    /// Reads the process that has `pid` now; `None` for a kernel thread, one that has given up its
    /// memory, one of less than `least_bytes`, or none.
    pub(super) fn read(
        &mut self,
        settings: &Settings,
        pid: u32,
        least_bytes: u64,
    ) -> Option<Candidate> {
        // The mark first: should the pid pass to another process meanwhile, the mark is that of
        // the one that is gone, and opening it will fail.
        let mark = match self.marks {
            Marks::Inodes => inode(pid)?,
            Marks::StartTimes => {
                let path = format_args!("{pid}/stat");
                let text = read_below(self.proc.as_fd(), path, &mut self.texts.status).ok()?;
                start_time(text)?
            }
        };
        let path = format_args!("{pid}/status");
        let text = read_below(self.proc.as_fd(), path, &mut self.texts.status).ok()?;
        let status = ProcessStatus::parse(text).filter(|it| it.has_memory)?;
        let mut candidate = Candidate {
            identity: Identity { pid, mark },
            parent: status.parent,
            uid: status.uid,
            name: Name::new(status.name),
            oom_score_adj: 0,
            class: 0,
            spared: None,
            memory_bytes: status.anon_bytes,
            swap_bytes: status.swap_bytes,
            shared_bytes: status.shmem_bytes,
            growth_bytes: 0,
            term: status.term,
            cgroup: 0,
            as_unit: settings.policy.tuning.unit == Unit::Cgroup,
        };
        // Nobody looks at the small ones again, and they are most.
        if candidate.relief_bytes(0) < least_bytes {
            return None;
        }
        let mut adj = [0; 16];
        let path = format_args!("{pid}/oom_score_adj");
        let adj = read_below(self.proc.as_fd(), path, &mut adj).ok();
        candidate.oom_score_adj = adj.and_then(signed).unwrap_or(0);
        candidate.class = settings.policy.bands.class(candidate.oom_score_adj);
        self.judge(settings, &mut candidate)?;
        Some(candidate)
    }

    /// Says what rules and rails say of a candidate; `None` if it lies outside of what is watched.
    fn judge(&mut self, settings: &Settings, candidate: &mut Candidate) -> Option<()> {
        let pid = candidate.identity.pid;
        let wanted = settings.wanted;
        let proc = self.proc.as_fd();
        let texts = &mut *self.texts;
        let cgroups = (wanted.cgroup || candidate.as_unit || self.within.is_some())
            .then(|| read_below(proc, format_args!("{pid}/cgroup"), &mut texts.cgroup).ok())
            .flatten();
        if let Some(within) = &self.within {
            cgroups.filter(|text| is_within(text, within))?;
        }
        let cgroup = cgroups.map(cgroup_of);
        candidate.cgroup = cgroup.map_or(0, number_of);
        let is_ours = candidate.name.as_bytes() == b"exithand";
        let command = (wanted.command || is_ours)
            .then(|| command_line(proc, pid, &mut texts.command))
            .flatten();
        let exe = wanted.exe.then(|| exe(proc, pid, &mut texts.exe)).flatten();
        let ruling = settings.rules.judge(&Facts {
            name: candidate.name.as_bytes(),
            uid: candidate.uid,
            exe,
            command,
            cgroup,
        });
        candidate.as_unit |= ruling.as_unit;
        let action = ruling.action.map(|(action, _)| action);
        match action {
            Some(Action::Avoid) => candidate.class = AVOIDED,
            Some(Action::Prefer) => candidate.class = 0,
            Some(Action::Protect | Action::AsUnit) | None => {}
        }
        // The helper of the hooks is a child with our name.
        let helps = candidate.parent == self.own && candidate.name == self.own_name;
        let records = is_ours && command.is_some_and(is_recorder);
        candidate.spared = match () {
            () if pid == self.own || helps => Some(Spared::Itself),
            () if pid == 1 => Some(Spared::Init),
            () if self.ancestors.contains(&pid) => Some(Spared::Ancestor),
            () if records => Some(Spared::Recorder),
            () if candidate.oom_score_adj <= -1000 => Some(Spared::Never),
            () if action == Some(Action::Protect) => Some(Spared::Rule),
            () if self.euid != 0 && self.euid != candidate.uid => Some(Spared::Foreign),
            () if self.refused.contains(&candidate.identity) => Some(Spared::Foreign),
            () => None,
        };
        Some(())
    }

    /// Reads what a process alone holds.
    pub(super) fn smaps(&mut self, pid: u32) -> Option<Smaps> {
        let path = format_args!("{pid}/smaps_rollup");
        let text = read_below(self.proc.as_fd(), path, &mut self.texts.status).ok()?;
        Smaps::parse(text)
    }

    /// Reads which cgroup a process is in.
    pub(super) fn place(&mut self, pid: u32) -> Option<Place<'_>> {
        let path = format_args!("{pid}/cgroup");
        let text = read_below(self.proc.as_fd(), path, &mut self.texts.cgroup).ok()?;
        Some(Place::of(text))
    }

    /// Reads what a process that does not die is doing: its state and where it sleeps.
    pub(super) fn predicament(&mut self, pid: u32) -> (u8, Symbol) {
        let path = format_args!("{pid}/wchan");
        let wchan = read_below(self.proc.as_fd(), path, &mut self.texts.exe);
        let wchan = Symbol::new(wchan.unwrap_or_default());
        let path = format_args!("{pid}/stat");
        let stat = read_below(self.proc.as_fd(), path, &mut self.texts.status).unwrap_or_default();
        let end = stat.iter().rposition(|byte| *byte == b')');
        let state = end.and_then(|end| stat.get(end + 2)).copied();
        (state.unwrap_or(b'?'), wchan)
    }
}

/// Opens `/proc`.
pub(super) fn open_proc() -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open("/proc", flags, Mode::empty())
}

fn command_line<'a>(proc: BorrowedFd<'_>, pid: u32, room: &'a mut Text) -> Option<&'a [u8]> {
    let length = read_below(proc, format_args!("{pid}/cmdline"), room)
        .ok()?
        .len();
    for byte in &mut room[..length] {
        if *byte == 0 {
            *byte = b' ';
        }
    }
    Some(room[..length].trim_ascii_end())
}

fn exe<'a>(proc: BorrowedFd<'_>, pid: u32, room: &'a mut Text) -> Option<&'a [u8]> {
    let mut path = [0_u8; 32];
    let mut cursor = std::io::Cursor::new(&mut path[..31]);
    std::io::Write::write_fmt(&mut cursor, format_args!("{pid}/exe")).ok()?;
    let path = std::ffi::CStr::from_bytes_until_nul(&path).ok()?;
    let length = readlinkat_raw(proc, path, &mut room[..]).ok()?;
    room.get(..length)
}

/// Says whether a command line of ours is that of the recorder.
fn is_recorder(command: &[u8]) -> bool {
    let mut words = command.split(|byte| *byte == b' ');
    words.nth(1).is_some_and(|word| word.starts_with(b"record"))
}

/// Says whether one of the paths in `/proc/PID/cgroup` is `within`, or below it.
fn is_within(text: &[u8], within: &[u8]) -> bool {
    let lines = text.split(|byte| *byte == b'\n');
    let paths = lines.filter_map(|line| line.splitn(3, |byte| *byte == b':').nth(2));
    paths.into_iter().any(|path| begins_with(path, within))
}

/// Says whether a path is `begin`, or leads on from there.
fn begins_with(path: &[u8], begin: &[u8]) -> bool {
    let rest = path.strip_prefix(begin);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// The cgroup of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) path: &'a [u8],
    /// Whether it is one of cgroup2. Another hierarchy may have one of the same path with others in it.
    pub(super) is_unified: bool,
}

impl<'a> Place<'a> {
    /// Takes it from the text of `/proc/PID/cgroup`.
    fn of(text: &'a [u8]) -> Self {
        let path = cgroup_of(text);
        let mut lines = text.split(|byte| *byte == b'\n');
        let is_unified = lines.any(|line| line.strip_prefix(b"0::") == Some(path));
        Self { path, is_unified }
    }

    /// Says whether it is `unit`, or lies in it.
    pub(super) fn is_in(&self, unit: &Self) -> bool {
        self.is_unified == unit.is_unified && begins_with(self.path, unit.path)
    }
}

/// A number for the path of a cgroup; 0 is left for none.
pub(super) fn number_of(path: &[u8]) -> u64 {
    let fnv = path.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    fnv.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership_is_by_whole_names() {
        for (text, within, expected) in [
            ("4:memory:/box/1\n0::/\n", "/box/1", true),
            ("4:memory:/box/1/sub\n", "/box/1", true),
            ("4:memory:/box/12\n", "/box/1", false),
            ("0::/\n", "/box/1", false),
        ] {
            assert_eq!(
                is_within(text.as_bytes(), within.as_bytes()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn the_same_path_in_another_hierarchy_is_another_place() {
        let unit = Place::of(b"4:memory:/\n0::/box\n");
        for (text, expected) in [
            ("4:memory:/\n0::/box\n", true),
            ("4:memory:/\n0::/box/sub\n", true),
            ("4:memory:/\n0::/boxes\n", false),
            ("4:memory:/box\n0::/\n", false),
        ] {
            assert_eq!(Place::of(text.as_bytes()).is_in(&unit), expected, "{text}");
        }
    }

    #[test]
    fn knows_the_recorder_by_its_command() {
        for (command, expected) in [
            ("exithand record", true),
            ("/usr/bin/exithand recorder --verbose", true),
            ("exithand wait 7", false),
            ("exithand", false),
        ] {
            assert_eq!(is_recorder(command.as_bytes()), expected, "{command}");
        }
    }
}
