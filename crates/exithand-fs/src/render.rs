//! What the files say.

use exithand::{Outcome, SigInfo, Token};

use crate::node::Part;

/// Returns the content of a finished `siginfo` or `outcome`; nothing for other parts.
///
/// `pid` and `uid` are the process's number in the pid namespace of the mount, and its real user.
pub(crate) fn ending(part: Part, outcome: Outcome, pid: i32, uid: u32) -> Vec<u8> {
    match part {
        Part::Outcome => format!("{outcome}\n").into_bytes(),
        // An unknown outcome has no siginfo: the file ends without one.
        Part::Siginfo => SigInfo::new(outcome, pid, uid)
            .map(|info| info.to_bytes().to_vec())
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Returns the content of `token`.
pub(crate) fn token(token: &Token) -> Vec<u8> {
    format!("{token}\n").into_bytes()
}

/// Returns what a read of `size` bytes gets of `content` after `position`.
pub(crate) fn slice(content: &[u8], position: usize, size: u32) -> &[u8] {
    let rest = content.get(position..).unwrap_or_default();
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    &rest[..rest.len().min(size)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use exithand::{SIGINFO_SIZE, Why};

    const UNKNOWN: Outcome = Outcome::Unknown {
        why: Why::OldKernel,
    };

    #[test]
    fn says_it_in_the_words_of_the_contract() {
        for (raw, line) in [
            (0x0300, "exited 3\n"),
            (9, "killed 9 KILL\n"),
            (0x8b, "killed 11 SEGV core\n"),
        ] {
            let outcome = Outcome::from_wait_status(raw).unwrap();
            assert_eq!(ending(Part::Outcome, outcome, 7, 1000), line.as_bytes());
            let info = ending(Part::Siginfo, outcome, 7, 1000);
            assert_eq!(info.len(), SIGINFO_SIZE);
            let info = SigInfo::from_bytes(&info).unwrap();
            assert_eq!((info.pid, info.uid), (7, 1000));
            assert_eq!(info.outcome(), Ok(outcome));
            assert_eq!(ending(Part::Exithand, outcome, 7, 1000), b"");
        }
    }

    #[test]
    fn an_unknown_outcome_has_no_siginfo() {
        let line = ending(Part::Outcome, UNKNOWN, 7, 1000);
        assert!(line.starts_with(b"unknown: ") && line.ends_with(b"\n"));
        assert_eq!(ending(Part::Siginfo, UNKNOWN, 7, 1000), b"");
    }

    #[test]
    fn short_reads_go_on_where_they_stopped() {
        let content = b"exited 3\n";
        assert_eq!(slice(content, 0, 4), b"exit");
        assert_eq!(slice(content, 4, 100), b"ed 3\n");
        assert_eq!(slice(content, 9, 100), b"");
        assert_eq!(slice(content, 99, 1), b"");
    }
}
