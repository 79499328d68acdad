//! A process as util-linux lets people name it: `PID` or `PID:inode`.

use std::ffi::OsStr;
use std::fmt;

use exithand::{Errno, Error, ExitHandle, Pid, Token};

/// One process named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub(super) pid: Pid,
    /// What tells the process from later ones with its pid, where that was said.
    pub(super) token: Option<Token>,
}

impl Target {
    /// Reads `PID` or `PID:inode`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: something else. `ERANGE`: no process can have such a number.
    pub(super) fn parse(text: &OsStr) -> Result<Self, Errno> {
        let text = text.to_str().ok_or(Errno::INVAL)?;
        let (pid, inode) = match text.split_once(':') {
            Some((pid, inode)) => (pid, Some(number(inode)?)),
            None => (text, None),
        };
        let raw = number(pid)?;
        let pid = i32::try_from(raw).map_err(|_too_large| Errno::RANGE)?;
        let pid = Pid::from_raw(pid).ok_or(Errno::RANGE)?;
        let token = match inode {
            Some(0) => return Err(Errno::RANGE),
            Some(inode) => Some(format!("{raw}:{inode}").parse()),
            None => None,
        };
        let token = token.transpose().map_err(|_no_token| Errno::RANGE)?;
        Ok(Self { pid, token })
    }

    /// Opens exactly this process.
    ///
    /// # Errors
    ///
    /// As [`ExitHandle::open`] and [`ExitHandle::open_token`]; also [`Error::Ended`] where the
    /// inode is that of a process with another pid.
    pub(super) fn open(&self) -> Result<ExitHandle, Error> {
        let Some(token) = &self.token else {
            return ExitHandle::open(self.pid);
        };
        let handle = ExitHandle::open_token(token)?;
        // Unknown (`None`) is not wrong: a sandbox may hide the call that tells.
        match handle.pid() {
            Some(pid) if pid != self.pid => Err(Error::Ended(*token)),
            _ => Ok(handle),
        }
    }
}

impl fmt::Display for Target {
    /// Writes the pid alone, as the tools do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pid.as_raw_nonzero().fmt(f)
    }
}

/// Reads a decimal number as `strtoimax(3)` does, blanks and sign before it included.
fn number(text: &str) -> Result<u64, Errno> {
    let blank = |letter: char| letter.is_ascii_whitespace() || letter == '\x0b';
    let text = text.trim_start_matches(blank);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Errno::INVAL);
    }
    // Only digits are left, so all that can be wrong with them is their number.
    let number: u64 = digits.parse().map_err(|_too_large| Errno::RANGE)?;
    if negative {
        return Err(Errno::RANGE);
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_util_linux_reads() {
        for (text, pid, token) in [
            ("1", 1, None),
            ("4242", 4242, None),
            (" 7", 7, None),
            ("+7", 7, None),
            ("007", 7, None),
            ("2147483647", i32::MAX, None),
            ("4242:918273", 4242, Some("4242:918273")),
            ("007:09", 7, Some("7:9")),
        ] {
            let target = Target::parse(OsStr::new(text)).unwrap();
            assert_eq!(target.pid.as_raw_nonzero().get(), pid, "{text:?}");
            let written = target.token.map(|token| token.to_string());
            assert_eq!(written.as_deref(), token, "{text:?}");
        }
    }

    #[test]
    fn refuses_with_the_errno_of_util_linux() {
        for (text, errno) in [
            ("", Errno::INVAL),
            ("x", Errno::INVAL),
            ("1x", Errno::INVAL),
            ("1 ", Errno::INVAL),
            ("1:", Errno::INVAL),
            (":1", Errno::INVAL),
            ("1:2:3", Errno::INVAL),
            ("0x10", Errno::INVAL),
            ("1:x", Errno::INVAL),
            ("0", Errno::RANGE),
            ("-1", Errno::RANGE),
            ("2147483648", Errno::RANGE),
            ("99999999999999999999", Errno::RANGE),
            ("1:0", Errno::RANGE),
            ("1:-3", Errno::RANGE),
            ("1:18446744073709551616", Errno::RANGE),
        ] {
            assert_eq!(Target::parse(OsStr::new(text)), Err(errno), "{text:?}");
        }
    }
}
