//! The numbers of inodes: those the kernel and we call them by, and those that `stat` shows.

use exithand::Token;

use crate::wire::{FileKind, ROOT, RawNode};

/// An inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Root,
    SelfLink,
    ThreadSelfLink,
    Generation,
    /// A part of a process's, or thread's, entry.
    Part(Key, Part),
}

/// The number of an entry, never given twice by one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key(u64);

/// What an entry is made of. A thread's has the first two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Directory,
    Exithand,
    Siginfo,
    Outcome,
    Token,
    Tasks,
}

/// Number of parts, and of places among the node numbers that they take.
pub(crate) const PARTS: usize = 6;
const STEP: u64 = 8;

impl Key {
    /// The first key; the places before it are those of the fixed inodes.
    pub(crate) const FIRST: Self = Self(1);

    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Part {
    pub(crate) const ALL: [Self; PARTS] = [
        Self::Directory,
        Self::Exithand,
        Self::Siginfo,
        Self::Outcome,
        Self::Token,
        Self::Tasks,
    ];

    /// The parts that lie in the directory of a process.
    pub(crate) const IN_PROCESS: [Self; 5] = [
        Self::Exithand,
        Self::Outcome,
        Self::Siginfo,
        Self::Tasks,
        Self::Token,
    ];

    /// Its place among [`Part::ALL`].
    pub(crate) fn index(self) -> usize {
        Self::ALL.iter().position(|it| *it == self).unwrap_or(0)
    }

    /// Its name in its directory; the directory's own name is a number.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Directory => "",
            Self::Exithand => "exithand",
            Self::Siginfo => "siginfo",
            Self::Outcome => "outcome",
            Self::Token => "token",
            Self::Tasks => "task",
        }
    }

    pub(crate) fn kind(self) -> FileKind {
        match self {
            Self::Directory | Self::Tasks => FileKind::Directory,
            _ => FileKind::File,
        }
    }

    /// Finds the part of this name in the directory of a process.
    pub(crate) fn in_process(name: &str) -> Option<Self> {
        Self::IN_PROCESS.into_iter().find(|it| it.name() == name)
    }
}

impl Node {
    /// The entries of the root directory that are no processes.
    pub(crate) const FIXED: [(&'static str, Self, FileKind); 3] = [
        ("pid_generation", Self::Generation, FileKind::File),
        ("self", Self::SelfLink, FileKind::Link),
        ("thread-self", Self::ThreadSelfLink, FileKind::Link),
    ];

    /// Returns the number the kernel knows it by.
    pub(crate) fn raw(self) -> RawNode {
        match self {
            Self::Root => ROOT,
            Self::SelfLink => 2,
            Self::ThreadSelfLink => 3,
            Self::Generation => 4,
            Self::Part(key, part) => key.0 * STEP + number(part.index()),
        }
    }

    /// Finds the inode the kernel speaks of.
    pub(crate) fn from_raw(raw: RawNode) -> Option<Self> {
        match raw {
            ROOT => Some(Self::Root),
            2 => Some(Self::SelfLink),
            3 => Some(Self::ThreadSelfLink),
            4 => Some(Self::Generation),
            _ => {
                let part = usize::try_from(raw % STEP).ok()?;
                let part = Part::ALL.get(part)?;
                (raw >= STEP).then_some(Self::Part(Key(raw / STEP), *part))
            }
        }
    }
}

/// Whether an entry is that of a process or of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Of {
    Process,
    Thread,
}

/// Returns the inode number `stat` shows for a part: the same for as long as the process lives, and
/// another for any other process, also for one that gets the same pid.
pub(crate) fn inode(token: &Token, of: Of, part: Part) -> u64 {
    // The first thread of a process has the process's own identity.
    let place = number(part.index()) + if of == Of::Thread { STEP } else { 0 };
    let identity = token.inode().or_else(|| by_start(token));
    (identity.unwrap_or(0) << 4) | place
}

/// For kernels without pidfs: the pid takes 22 bits at most, and the ticks of 80 years another 38.
fn by_start(token: &Token) -> Option<u64> {
    let text = token.to_string();
    let (pid, ticks) = text.split_once('~')?;
    Some(ticks.parse::<u64>().ok()? << 22 | pid.parse::<u64>().ok()?)
}

fn number(index: usize) -> u64 {
    u64::try_from(index).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_gets_back_what_it_was_told() {
        let second = Key::FIRST.next();
        let parts = Part::ALL.map(|part| Node::Part(second, part));
        let fixed = Node::FIXED.map(|(_, node, _)| node);
        let nodes = [Node::Root].into_iter().chain(fixed).chain(parts);
        for node in nodes {
            assert_eq!(Node::from_raw(node.raw()), Some(node));
        }
        for raw in [0, 5, 7, 14, 15] {
            assert_eq!(Node::from_raw(raw), None, "{raw}");
        }
    }

    #[test]
    fn processes_that_shared_a_pid_show_different_inodes() {
        for (one, other) in [("7:918273", "7:918274"), ("7~5", "7~6")] {
            let [one, other] = [one, other].map(|it| it.parse::<Token>().unwrap());
            for part in Part::ALL {
                assert_ne!(
                    inode(&one, Of::Process, part),
                    inode(&other, Of::Process, part)
                );
                assert_ne!(
                    inode(&one, Of::Process, part),
                    inode(&one, Of::Thread, part)
                );
            }
        }
    }
}
