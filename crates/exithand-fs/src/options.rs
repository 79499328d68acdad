//! What a mount can be told to do.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use exithand::StatusSource;

/// Who may learn how a process ended. Anybody may learn that it has.
///
/// Root may always, within its pid namespace. Judged by the caller's credentials when `siginfo` or
/// `outcome` is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum StatusPolicy {
    /// Whoever this kernel itself would tell: since Linux 6.15 everybody whose pid namespace shows
    /// the process, once it was reaped; before the reap, and on older kernels, the parent and those
    /// who pass the ptrace-read check.
    #[default]
    Kernel,
    /// Everybody.
    All,
    /// Its own user.
    User,
    /// Its parent.
    Parent,
    /// Root alone.
    Root,
}

/// The word names no status policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no status policy: say `kernel`, `all`, `user`, `parent` or `root`")]
pub struct ParseStatusPolicyError(String);

impl StatusPolicy {
    const WORDS: [(&'static str, Self); 5] = [
        ("kernel", Self::Kernel),
        ("all", Self::All),
        ("user", Self::User),
        ("parent", Self::Parent),
        ("root", Self::Root),
    ];
}

impl FromStr for StatusPolicy {
    type Err = ParseStatusPolicyError;

    fn from_str(word: &str) -> Result<Self, ParseStatusPolicyError> {
        let found = Self::WORDS.iter().find(|(name, _)| *name == word);
        found
            .map(|(_, policy)| *policy)
            .ok_or_else(|| ParseStatusPolicyError(word.to_owned()))
    }
}

impl fmt::Display for StatusPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::WORDS.iter().find(|(_, policy)| policy == self);
        f.pad(found.map_or("", |(name, _)| name))
    }
}

/// Whose directories a caller sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Visibility {
    /// Those of all processes.
    #[default]
    All,
    /// Those of processes with the caller's own real user id. Root sees all.
    Own,
}

/// How much of the server one user may take up. Root may take all there is.
///
/// What is refused fails with `EDQUOT`, which blames the user's share; `EMFILE` is for a server
/// that has no descriptor left for anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Open files and directories. Each takes about half a kilobyte of the server.
    pub open_files: u32,
    /// Reads that wait at the same time.
    pub blocked_reads: u32,
    /// Different processes with open files: each takes a descriptor of the server.
    pub processes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open_files: 32_768,
            blocked_reads: 16_384,
            processes: 8_192,
        }
    }
}

/// How to serve.
#[derive(Clone, Default)]
pub struct Options {
    /// Who may learn how a process ended.
    pub status: StatusPolicy,
    /// Who may use the mount.
    pub access: Access,
    /// Whose directories a caller sees.
    pub hide: Visibility,
    /// Whom to ask for outcomes the kernel does not tell. Asked on a thread where it may block.
    pub source: Option<Arc<dyn StatusSource>>,
    /// How much one user may take up.
    pub limits: Limits,
}

/// Who may use the mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Access {
    /// Only the user who mounts, as FUSE has it.
    #[default]
    Mounter,
    /// All users (`allow_other`). Those who are not root need `user_allow_other` in
    /// `/etc/fuse.conf`.
    Everybody,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("status", &self.status)
            .field("access", &self.access)
            .field("hide", &self.hide)
            .field("source", &self.source.as_ref().map(|_| "dyn StatusSource"))
            .field("limits", &self.limits)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_they_are_written() {
        for (word, policy) in StatusPolicy::WORDS {
            assert_eq!(word.parse(), Ok(policy));
            assert_eq!(policy.to_string(), word);
        }
        let error = "Kernel".parse::<StatusPolicy>().unwrap_err();
        assert!(error.to_string().contains("`kernel`"), "{error}");
    }
}
