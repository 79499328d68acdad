//! Who may learn how a process ended, in the words that services take.

use std::fmt;
use std::str::FromStr;

use crate::probe::{self, Feature};

/// Who may learn how a process ended. Anybody may learn that it has.
///
/// Root may always. A service that tells outcomes judges by the caller's credentials at the moment
/// it is asked; the filesystem also by what the caller's pid namespace shows.
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

/// Whom this kernel tells, by itself, how a process ended: what [`StatusPolicy::Kernel`] means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KernelTells {
    /// Every holder of a pidfd, after the reap (Linux 6.15).
    Everybody,
    /// The parent, and whoever passes the ptrace-read check on the zombie.
    Readers,
}

impl KernelTells {
    /// Finds out, as [`Feature::ExitInfo`] is probed.
    #[must_use]
    pub fn probe() -> Self {
        if probe::one(Feature::ExitInfo).is_yes() {
            Self::Everybody
        } else {
            Self::Readers
        }
    }
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
