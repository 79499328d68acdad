//! Kernel calls that rustix lacks, behind safe functions. The only `unsafe` of the crate.
#![expect(unsafe_code, reason = "raw system calls and ioctls")]

mod info;
mod pidfd;
#[cfg(any(feature = "tokio", feature = "async-io"))]
pub(crate) mod watched;

pub(crate) use info::{ExitInfo, exit_info, numbers, pid_in_our_namespace};
pub(crate) use pidfd::{has_handle, is_pidfs, open_inode, release_memory, send_signal};
