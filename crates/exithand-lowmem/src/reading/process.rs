//! `/proc/PID/status` and `/proc/PID/smaps_rollup`.

use crate::number::{after, decimal, field, hexadecimal, kilobytes};

/// What a program does with `SIGTERM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TermHandling {
    /// It is killed by it.
    #[default]
    Default,
    /// It has a handler, and may tidy up.
    Handles,
    /// It takes no notice.
    Ignores,
}

/// What `/proc/PID/status` says of a process.
///
/// Source: `proc_pid_status(5)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessStatus<'a> {
    /// Its name, as the kernel escapes it.
    pub name: &'a [u8],
    /// Its parent's pid; 0 for one outside our pid namespace.
    pub parent: u32,
    /// Its real user id.
    pub uid: u32,
    /// Whether it has memory of its own: no kernel thread, and not past its end.
    pub has_memory: bool,
    /// Pages of its own, in bytes.
    pub anon_bytes: u64,
    /// Shared memory it has touched, in bytes.
    pub shmem_bytes: u64,
    /// What it has in swap, in bytes.
    pub swap_bytes: u64,
    /// What it does with `SIGTERM`.
    pub term: TermHandling,
}

impl<'a> ProcessStatus<'a> {
    /// Parses the file; `None` if it is not that of a process.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        const TERM: u64 = 1 << (15 - 1);
        let number = |key: &str| u32::try_from(field(text, key.as_bytes())?).ok();
        let bytes = |key: &str| kilobytes(text, key.as_bytes()).unwrap_or(0);
        let set = |key: &str| {
            after(text, key.as_bytes())
                .and_then(hexadecimal)
                .unwrap_or(0)
        };
        let term = match (set("SigCgt:") & TERM, set("SigIgn:") & TERM) {
            (0, 0) => TermHandling::Default,
            (0, _) => TermHandling::Ignores,
            (_, _) => TermHandling::Handles,
        };
        Some(Self {
            name: after(text, b"Name:")?.trim_ascii_start(),
            parent: number("PPid:")?,
            uid: number("Uid:")?,
            has_memory: after(text, b"VmRSS:").and_then(decimal).is_some(),
            anon_bytes: bytes("RssAnon:"),
            shmem_bytes: bytes("RssShmem:"),
            swap_bytes: bytes("VmSwap:"),
            term,
        })
    }
}

/// What `/proc/PID/smaps_rollup` says: what would really come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Smaps {
    /// Bytes in memory that nobody else has.
    pub private_bytes: u64,
    /// Its part of what is in swap.
    pub swap_bytes: u64,
}

impl Smaps {
    /// Parses the file; `None` if a line is missing.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let read = |key: &str| kilobytes(text, key.as_bytes());
        Some(Self {
            private_bytes: read("Private_Dirty:")?,
            swap_bytes: read("SwapPss:").unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\ta b\nPPid:\t7\nUid:\t1000\t0\t0\t0\nVmRSS:\t12 kB\n\
        RssAnon:\t8 kB\nRssShmem:\t4 kB\nVmSwap:\t2 kB\nSigIgn:\t0000000000000000\n\
        SigCgt:\t0000000000004002\n";

    #[test]
    fn reads_a_process() {
        let status = ProcessStatus::parse(STATUS.as_bytes()).unwrap();
        assert_eq!(status.name, b"a b");
        assert_eq!((status.parent, status.uid), (7, 1000));
        assert_eq!(status.anon_bytes, 8192);
        assert_eq!(status.shmem_bytes, 4096);
        assert_eq!(status.swap_bytes, 2048);
        assert_eq!(status.term, TermHandling::Handles);
        assert!(status.has_memory);
    }

    #[test]
    fn tells_what_becomes_of_sigterm() {
        for (caught, ignored, term) in [
            ("0", "0", TermHandling::Default),
            ("4000", "0", TermHandling::Handles),
            ("0", "4000", TermHandling::Ignores),
            ("2000", "8000", TermHandling::Default),
        ] {
            let text =
                format!("Name:\ta\nPPid:\t1\nUid:\t0\nSigIgn:\t{ignored}\nSigCgt:\t{caught}\n");
            let status = ProcessStatus::parse(text.as_bytes()).unwrap();
            assert_eq!(status.term, term, "{text}");
            assert!(!status.has_memory);
        }
    }

    #[test]
    fn reads_what_is_private() {
        let smaps = Smaps::parse(b"Rss: 9 kB\nPrivate_Clean: 1 kB\nPrivate_Dirty: 4 kB\n").unwrap();
        assert_eq!((smaps.private_bytes, smaps.swap_bytes), (4096, 0));
        assert_eq!(Smaps::parse(b"Rss: 9 kB\n"), None);
    }
}
