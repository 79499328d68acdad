//! Open files, and the reads that wait for them.

use crate::ending::Ending;
use crate::entry::tells_outcome;
use crate::node::{Key, Part};
use crate::policy::Right;
use crate::render;

/// An open file.
#[derive(Debug)]
pub(crate) struct File {
    /// Whoever opened it, for the quota.
    pub(crate) uid: u32,
    pub(crate) kind: Kind,
    /// What it says, once it is known: it stays that.
    pub(crate) content: Option<Vec<u8>>,
    /// How much of it has been read.
    pub(crate) position: usize,
    /// The kernel's name for it, while somebody polls.
    pub(crate) polled_as: Option<u64>,
}

/// What an open file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A content known from the start.
    Fixed,
    /// The end of a process or thread, or how it ended.
    End { key: Key, part: Part, right: Right },
}

/// A read that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blocked {
    pub(crate) file: u64,
    pub(crate) key: Key,
    pub(crate) size: u32,
    /// Whose share it counts in.
    pub(crate) uid: u32,
}

impl File {
    pub(crate) fn new(uid: u32, kind: Kind, content: Option<Vec<u8>>) -> Self {
        Self {
            uid,
            kind,
            content,
            position: 0,
            polled_as: None,
        }
    }

    /// Returns the process whose descriptor it needs.
    pub(crate) fn key(&self) -> Option<Key> {
        match self.kind {
            Kind::Fixed => None,
            Kind::End { key, .. } => Some(key),
        }
    }

    /// Takes in what is known of the process, and says whether a read now has something to say.
    pub(crate) fn settle(&mut self, ending: Option<&Ending>, pid: i32, uid: u32) -> bool {
        if self.content.is_none()
            && let (Kind::End { part, right, .. }, Some(ending)) = (self.kind, ending)
        {
            self.content = if tells_outcome(part) {
                let outcome = ending.answer(right);
                outcome.map(|outcome| render::ending(part, outcome, pid, uid))
            } else {
                Some(Vec::new())
            };
        }
        self.content.is_some()
    }

    /// Returns the next bytes; none at the end.
    pub(crate) fn read(&mut self, size: u32) -> Vec<u8> {
        let content = self.content.as_deref().unwrap_or_default();
        let bytes = render::slice(content, self.position, size).to_vec();
        self.position += bytes.len();
        bytes
    }
}
