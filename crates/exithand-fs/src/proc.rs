//! What `/proc` tells of targets and callers. It must be that of the server's own pid namespace.

use std::str::FromStr;

use exithand::Pid;

/// Real, effective, saved and filesystem id.
pub(crate) type Ids = [u32; 4];

/// The lines of `/proc/PID/status` that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) process: u32,
    pub(crate) parent: u32,
    pub(crate) uids: Ids,
    pub(crate) gids: Ids,
    /// Its numbers in the pid namespaces from the server's down to its own.
    pub(crate) numbers: Vec<u32>,
}

impl Status {
    /// Reads that of a process or thread.
    pub(crate) fn read(number: u32) -> Option<Self> {
        // As long as the list of groups, which comes before the numbers.
        Self::parse(&std::fs::read(format!("/proc/{number}/status")).ok()?)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        // The name, in the first line, may be any bytes but a newline.
        let text = String::from_utf8_lossy(text);
        let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        Some(Self {
            process: numbers(line("Tgid:")?)?.first().copied()?,
            parent: numbers(line("PPid:")?)?.first().copied()?,
            uids: numbers(line("Uid:")?)?.try_into().ok()?,
            gids: numbers(line("Gid:")?)?.try_into().ok()?,
            // Absent in kernels without pid namespaces.
            numbers: numbers(line("NSpid:").unwrap_or_default())?,
        })
    }
}

/// Who owns the entry of a process, and since when it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) time: (u64, u32),
}

/// Says whom the directory of a process belongs to.
pub(crate) fn owner(number: Pid) -> Option<Owner> {
    let stat = rustix::fs::stat(format!("/proc/{}", number.as_raw_nonzero())).ok()?;
    Some(Owner {
        uid: stat.st_uid,
        gid: stat.st_gid,
        time: (
            u64::try_from(stat.st_ctime).unwrap_or(0),
            u32::try_from(stat.st_ctime_nsec).unwrap_or(0),
        ),
    })
}

/// Says whether the files of a process belong to its user, which they do not if it is not dumpable.
pub(crate) fn is_dumpable(number: Pid, effective_uid: u32) -> bool {
    let stat = rustix::fs::stat(format!("/proc/{}/stat", number.as_raw_nonzero()));
    effective_uid != 0 && stat.is_ok_and(|stat| stat.st_uid == effective_uid)
}

/// Says whether `tid` is a thread of `process` now.
pub(crate) fn is_thread_of(tid: u32, process: Pid) -> bool {
    let path = format!("/proc/{}/task/{tid}", process.as_raw_nonzero());
    rustix::fs::stat(path).is_ok()
}

fn numbers<T: FromStr>(text: &str) -> Option<Vec<T>> {
    let words = text.split_ascii_whitespace();
    words.map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_past_any_name() {
        let text =
            b"Name:\t\xff) Uid:\nTgid:\t7\nPid:\t8\nPPid:\t3\nUid:\t1 2 3 4\nGid:\t5 6 7 8\n\
            Groups:\t4 5\nNSpid:\t8 1\n";
        let status = Status::parse(text).unwrap();
        assert_eq!(
            status,
            Status {
                process: 7,
                parent: 3,
                uids: [1, 2, 3, 4],
                gids: [5, 6, 7, 8],
                numbers: vec![8, 1],
            }
        );
        assert_eq!(Status::parse(b"Name:\tx\n"), None);
    }

    #[test]
    fn reads_its_own() {
        let status = Status::read(std::process::id()).unwrap();
        assert_eq!(status.process, std::process::id());
    }
}
