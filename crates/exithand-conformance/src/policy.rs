//! Who may learn an outcome, as the implementation was told.

use clap::ValueEnum;
use exithand_testkit::Need;
use rustix::process::geteuid;

use crate::verdict::{Checked, Stop};

/// The status policy in force: the contract's mount option `status=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Policy {
    /// What this kernel itself would tell the reader.
    #[default]
    Kernel,
    /// Everybody.
    All,
    /// Those of the same user.
    User,
    /// The parent.
    Parent,
    /// Nobody but root.
    Root,
}

/// How a reader stands to the process it reads about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    Parent,
    SameUser,
    Stranger,
    Root,
}

impl Reader {
    /// How this process stands to others that it calls its own, which root does to all.
    pub(crate) fn ourselves(self) -> Self {
        if geteuid().is_root() {
            Self::Root
        } else {
            self
        }
    }
}

impl Policy {
    /// Skips unless this process, which stands so to others, may learn outcomes.
    pub(crate) fn need_admitted(self, reader: Reader) -> Checked {
        if self.admits(reader.ourselves(), Need::PidfdInfoExit.met()) {
            return Ok(());
        }
        let why = "the policy in force keeps outcomes from this user";
        Err(Stop::Skipped(why.to_owned()))
    }

    /// Whether this reader may learn the outcome at some time; the kernel tells anybody once the
    /// process is reaped, if it tells at all.
    pub(crate) fn admits(self, reader: Reader, kernel_tells_all: bool) -> bool {
        match (self, reader) {
            (_, Reader::Root) | (Self::All, _) => true,
            (Self::Kernel, reader) => kernel_tells_all || reader != Reader::Stranger,
            (Self::User, reader) => reader != Reader::Stranger,
            (Self::Parent, reader) => reader == Reader::Parent,
            (Self::Root, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admits_as_the_contract_says() {
        use Reader::{Parent, Root, SameUser, Stranger};
        for (policy, admitted, refused) in [
            (
                Policy::Kernel,
                &[Parent, SameUser, Root][..],
                &[Stranger][..],
            ),
            (Policy::All, &[Parent, SameUser, Stranger, Root], &[]),
            (Policy::User, &[Parent, SameUser, Root], &[Stranger]),
            (Policy::Parent, &[Parent, Root], &[SameUser, Stranger]),
            (Policy::Root, &[Root], &[Parent, SameUser, Stranger]),
        ] {
            for reader in admitted {
                assert!(policy.admits(*reader, false), "{policy:?} {reader:?}");
            }
            for reader in refused {
                assert!(!policy.admits(*reader, false), "{policy:?} {reader:?}");
            }
        }
        assert!(Policy::Kernel.admits(Stranger, true), "kernels from 6.15");
    }
}
