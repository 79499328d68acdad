//! Names for processes that no later process can have.

use std::fmt;
use std::str::FromStr;

use rustix::process::Pid;

use crate::Error;
use crate::boot::{BootId, ParseBootIdError};

/// A name for one process that no later process can have.
///
/// | form | when |
/// |---|---|
/// | `PID:INODE` | the process's inode on pidfs, never given twice before a reboot; Linux 6.9 and later |
/// | `PID~STARTTIME` | older kernels: start time in clock ticks since boot; exact unless the pid was given twice within one tick (10 ms) |
/// | either + `@BOOTID` | to be stored: stays unmistakable after a reboot |
///
/// The pid is 0 where the process had none in the pid namespace of whoever made the token. A token
/// fits one process only: with another pid, or another inode, it is a name of nobody.
///
/// ```
/// use exithand::Token;
///
/// let token: Token = "4242:918273".parse()?;
/// assert_eq!(token.pid().unwrap().as_raw_nonzero().get(), 4242);
/// assert_eq!(token.to_string(), "4242:918273");
/// # Ok::<(), exithand::ParseTokenError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    pid: u32,
    identity: Identity,
    boot: Option<BootId>,
}

/// What tells a process from all others of this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Identity {
    /// Inode number on pidfs.
    Inode(u64),
    /// Pid and start time, in clock ticks since boot.
    Start(u32, u64),
}

impl Token {
    /// Makes the token of a process whose inode on pidfs somebody saw; `pid` as in the table above.
    #[must_use]
    pub fn of_inode(pid: Option<Pid>, inode: u64) -> Self {
        Self {
            pid: raw(pid),
            identity: Identity::Inode(inode),
            boot: None,
        }
    }

    /// Makes the token that older kernels allow, from a start time in clock ticks since boot.
    ///
    /// Source: field 22 of `/proc/PID/stat`, `proc_pid_stat(5)`.
    #[must_use]
    pub fn of_start(pid: Option<Pid>, ticks: u64) -> Self {
        Self {
            pid: raw(pid),
            identity: Identity::Start(raw(pid), ticks),
            boot: None,
        }
    }

    /// Returns the pid; `None` where the process had none in the maker's pid namespace.
    pub fn pid(&self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }

    /// Returns the inode number on pidfs; `None` for a token of an older kernel.
    pub fn inode(&self) -> Option<u64> {
        match self.identity {
            Identity::Inode(inode) => Some(inode),
            Identity::Start(..) => None,
        }
    }

    /// Returns the start time in clock ticks since boot; `None` for a token with an inode.
    pub fn start_ticks(&self) -> Option<u64> {
        match self.identity {
            Identity::Inode(_) => None,
            Identity::Start(_, ticks) => Some(ticks),
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Returns the boot the token belongs to, if it says.
    pub fn boot_id(&self) -> Option<BootId> {
        self.boot
    }

    /// Returns the token in its storable form, with the id of the running boot.
    ///
    /// # Errors
    ///
    /// [`Error::Syscall`] where `/proc/sys/kernel/random/boot_id` cannot be read.
    pub fn with_boot_id(self) -> Result<Self, Error> {
        BootId::current().map(|boot| self.of_boot(boot))
    }

    /// Returns the token in its storable form, with the id of the boot it was taken in.
    #[must_use]
    pub fn of_boot(self, boot: BootId) -> Self {
        Self {
            boot: Some(boot),
            ..self
        }
    }

    /// Says whether both tokens name the same process; a token without a boot id belongs to the
    /// boot of the other.
    pub fn is_same_process(&self, other: &Self) -> bool {
        let same_boot = match (self.boot, other.boot) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => true,
        };
        self.identity == other.identity && same_boot
    }
}

fn raw(pid: Option<Pid>) -> u32 {
    pid.map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs())
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = match self.identity {
            Identity::Inode(inode) => format!("{}:{inode}", self.pid),
            Identity::Start(_, ticks) => format!("{}~{ticks}", self.pid),
        };
        if let Some(boot) = self.boot {
            text.push('@');
            text.push_str(&boot.to_string());
        }
        f.pad(&text)
    }
}

/// The text is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTokenError {
    /// Neither `PID:INODE` nor `PID~STARTTIME`.
    #[error("{0:?} is no token: write PID:INODE or PID~STARTTIME, as `exithand id PID` prints it")]
    Form(String),
    /// What follows the `@` is no boot id.
    #[error(transparent)]
    BootId(#[from] ParseBootIdError),
}

impl FromStr for Token {
    type Err = ParseTokenError;

    fn from_str(text: &str) -> Result<Self, ParseTokenError> {
        let form = || ParseTokenError::Form(text.to_owned());
        let (name, boot) = match text.split_once('@') {
            Some((name, boot)) => (name, Some(boot.parse()?)),
            None => (text, None),
        };
        let (pid, rest, is_inode) = match (name.split_once(':'), name.split_once('~')) {
            (Some((pid, inode)), None) => (pid, inode, true),
            (None, Some((pid, ticks))) => (pid, ticks, false),
            _ => return Err(form()),
        };
        let pid = decimal(pid)
            .and_then(|pid| u32::try_from(pid).ok())
            .ok_or_else(form)?;
        i32::try_from(pid).ok().ok_or_else(form)?;
        let number = decimal(rest).ok_or_else(form)?;
        let identity = match (is_inode, number, pid) {
            // No process has inode 0; and without an inode, the pid is half of the name.
            (true, 0, _) | (false, _, 0) => return Err(form()),
            (true, inode, _) => Identity::Inode(inode),
            (false, ticks, pid) => Identity::Start(pid, ticks),
        };
        Ok(Self {
            pid,
            identity,
            boot,
        })
    }
}

/// Reads digits and nothing else: no sign, no blanks.
fn decimal(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: &str = "0f3c1b2a-4d5e-4f60-8a7b-0c1d2e3f4a5b";

    #[test]
    fn prints_what_it_read() {
        for text in [
            "4242:918273",
            "4242~8812345",
            "1:1",
            "0:18446744073709551615",
            "7~0",
        ] {
            assert_eq!(text.parse::<Token>().unwrap().to_string(), text);
            let stored = format!("{text}@{BOOT}");
            assert_eq!(stored.parse::<Token>().unwrap().to_string(), stored);
        }
    }

    #[test]
    fn refuses_what_is_no_token() {
        for text in [
            "",
            ":",
            "~",
            "1",
            "1:",
            ":1",
            "1:0",
            "0~5",
            "-1:5",
            "+1:5",
            "1:+5",
            "1 :5",
            "1:5 ",
            "1:2:3",
            "1:2~3",
            "1:x",
            "2147483648:5",
            "1:18446744073709551616",
            "1:5@",
            "1:5@zz",
            "1@2:3",
        ] {
            assert!(text.parse::<Token>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_boot_id_tells_boots_apart_and_its_absence_does_not() {
        let bare: Token = "1:5".parse().unwrap();
        let stored: Token = format!("1:5@{BOOT}").parse().unwrap();
        let other: Token = format!("1:5@{}", BOOT.replace('0', "1")).parse().unwrap();
        assert!(bare.is_same_process(&stored) && stored.is_same_process(&bare));
        assert!(!stored.is_same_process(&other));
        assert!(!bare.is_same_process(&"1~5".parse().unwrap()));
    }
}
