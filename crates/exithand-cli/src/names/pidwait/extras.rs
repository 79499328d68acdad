//! What `pidwait` selects by and no other part of the command does.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use exithand::{Pid, Signal};

use crate::select::Facts;

/// As much of an environment as is read.
const ENVIRONMENT_MAX_BYTES: u64 = 2 << 20;

/// What the kernel appends to the path of a cgroup that was removed under a zombie.
const DELETED: &[u8] = b" (deleted)";

/// Further conditions; each that is given must be met.
#[derive(Debug, Default)]
pub(super) struct Extras {
    /// Paths of v2 cgroups, without what is below them.
    pub(super) cgroups: Vec<Vec<u8>>,
    /// `NAME=value`, or the `NAME` of a variable.
    pub(super) environment: Vec<Vec<u8>>,
    /// The namespaces that must be the same.
    pub(super) namespaces: Namespaces,
    /// What must be handled.
    pub(super) handler: Option<Handler>,
}

impl Extras {
    /// Says whether a process meets them, as far as we may know it.
    pub(super) fn hold(&self, facts: &Facts) -> bool {
        let pid = facts.pid;
        let handled = |handler: &Handler| handler.is_handled(&read(pid, "status"));
        self.cgroup_holds(facts)
            && self.namespaces.are_those_of(pid)
            && (self.environment.is_empty() || self.environment_holds(&read(pid, "environ")))
            && self.handler.as_ref().is_none_or(handled)
    }

    fn cgroup_holds(&self, facts: &Facts) -> bool {
        let at = |wanted: &[u8], path: &[u8]| {
            path == wanted || path.strip_suffix(DELETED) == Some(wanted)
        };
        let mut unified = facts.cgroups.iter().filter(|it| it.controllers.is_empty());
        self.cgroups.is_empty()
            || unified.any(|it| self.cgroups.iter().any(|wanted| at(wanted, &it.path)))
    }

    fn environment_holds(&self, environ: &[u8]) -> bool {
        let name = |variable: &[u8]| {
            let equals = variable.iter().position(|byte| *byte == b'=');
            equals.map(|at| variable[..at].to_owned())
        };
        environ.split(|byte| *byte == 0).any(|variable| {
            self.environment.iter().any(|wanted| {
                variable == wanted.as_slice() || name(variable).as_ref() == Some(wanted)
            })
        })
    }
}

/// A signal for which a process must have a handler of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handler {
    /// This signal.
    Of(Signal),
    /// Signal 0, which nobody can handle.
    OfNothing,
}

impl Handler {
    /// Reads the mask of handled signals from the text of `/proc/PID/status`.
    fn is_handled(self, status: &[u8]) -> bool {
        let Self::Of(signal) = self else { return false };
        let text = String::from_utf8_lossy(status);
        let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask >> (signal.number() - 1) & 1 == 1)
    }
}

/// A kind of namespace, by its name below `/proc/PID/ns`.
pub(super) type Kind = &'static str;

/// All kinds there are.
pub(super) const KINDS: [Kind; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// Namespaces and their inode numbers.
#[derive(Debug, Default)]
pub(super) struct Namespaces(Vec<(Kind, u64)>);

impl Namespaces {
    /// Reads the namespaces a process is in. A kind that this kernel lacks is left out.
    ///
    /// # Errors
    ///
    /// `ENOENT`: no such process. `EACCES`: not ours to look at.
    pub(super) fn of(pid: Pid, kinds: &[Kind]) -> io::Result<Self> {
        let mut namespaces = Vec::new();
        for kind in kinds {
            match inode(pid, kind) {
                Ok(inode) => namespaces.push((*kind, inode)),
                Err(error) if error.kind() == io::ErrorKind::NotFound && is_unknown(kind) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self(namespaces))
    }

    /// Says whether a process is in all of them. What cannot be read is another's.
    fn are_those_of(&self, pid: Pid) -> bool {
        let same = |(kind, wanted): &(Kind, u64)| inode(pid, kind).is_ok_and(|it| it == *wanted);
        self.0.iter().all(same)
    }
}

fn inode(pid: Pid, kind: Kind) -> io::Result<u64> {
    let path = format!("/proc/{}/ns/{kind}", pid.as_raw_nonzero());
    Ok(fs::metadata(path)?.ino())
}

/// Says whether this kernel lacks a kind of namespace.
fn is_unknown(kind: Kind) -> bool {
    fs::symlink_metadata(format!("/proc/self/ns/{kind}")).is_err()
}

/// Reads a file of a process; empty where that is gone or hidden.
fn read(pid: Pid, file: &str) -> Vec<u8> {
    let path = format!("/proc/{}/{file}", pid.as_raw_nonzero());
    let mut text = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(ENVIRONMENT_MAX_BYTES).read_to_end(&mut text));
    if read.is_err() {
        text.clear();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::select::{Detail, Membership};

    #[test]
    fn a_variable_is_met_by_its_whole_name_or_by_name_and_value() {
        let environ = b"HOME=/root\0PATHX=1\0EMPTY=\0odd\0";
        for (wanted, holds) in [
            ("HOME", true),
            ("HOME=/root", true),
            ("HOME=/", false),
            ("HOM", false),
            ("PATH", false),
            ("EMPTY", true),
            ("EMPTY=", true),
            ("odd", true),
        ] {
            let extras = Extras {
                environment: vec![wanted.into()],
                ..Extras::default()
            };
            assert_eq!(extras.environment_holds(environ), holds, "{wanted:?}");
        }
    }

    #[test]
    fn a_cgroup_is_met_exactly_and_in_version_2() {
        let facts = Facts::read(rustix::process::getpid(), Detail::Full).unwrap();
        for (controllers, path, holds) in [
            ("", "/a/b", true),
            ("", "/a/b (deleted)", true),
            ("", "/a", false),
            ("", "/a/b/c", false),
            ("memory", "/a/b", false),
        ] {
            let membership = Membership {
                controllers: controllers.into(),
                path: path.into(),
            };
            let facts = Facts {
                cgroups: vec![membership],
                ..facts.clone().unwrap()
            };
            let extras = Extras {
                cgroups: vec![b"/x".to_vec(), b"/a/b".to_vec()],
                ..Extras::default()
            };
            assert_eq!(
                extras.cgroup_holds(&facts),
                holds,
                "{controllers:?} {path:?}"
            );
        }
    }

    #[test]
    fn the_mask_tells_who_is_handled() {
        let status = b"Name:\tx\nSigIgn:\t0000000000000000\nSigCgt:\t0000000200004001\n";
        for (signal, handled) in [
            (Handler::Of(Signal::HUP), true),
            (Handler::Of(Signal::TERM), true),
            (Handler::Of(Signal::INT), false),
            (Handler::Of(Signal::from_number(34).unwrap()), true),
            (Handler::OfNothing, false),
        ] {
            assert_eq!(signal.is_handled(status), handled, "{signal:?}");
        }
        assert!(!Handler::Of(Signal::HUP).is_handled(b""));
    }
}
