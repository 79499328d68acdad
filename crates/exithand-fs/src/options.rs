//! What a mount can be told to do.

use std::fmt;
use std::sync::Arc;

use exithand::{StatusPolicy, StatusSource};

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
