//! The exithand files: a filesystem in which reading `PID/exithand` returns when `PID` has ended.
//!
//! ```no_run
//! use exithand_fs::{Access, Options, serve};
//! use std::path::Path;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let options = Options {
//!     access: Access::Everybody,
//!     ..Options::default()
//! };
//! let never = std::future::pending();
//! serve(Path::new("/run/exithand"), options, || println!("ready"), never).await?;
//! # Ok::<(), exithand_fs::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What each file does is promised in section 5 of the contract (`docs/contract.md`).
//!
//! # How it works
//!
//! One loop reads requests from `/dev/fuse` and answers each at once, except for reads that have to
//! wait: those are a number in a table until their process ends, their caller is interrupted, or
//! the connection closes. Each process that somebody has a file open of is held by one pidfd and
//! followed by one task, however many read.
//!
//! # Numbers
//!
//! Names are numbers of the pid namespace the server runs in, whoever looks, as with a `/proc` that
//! is mounted there; so are the pid in `siginfo` and what `self` says. A caller in a namespace that
//! the server's does not show has no `self`, and is nobody's parent. Under `status=kernel` a caller
//! is told nothing of processes that its own pid namespace does not show.

mod caller;
mod departures;
mod device;
mod ending;
mod entry;
mod error;
mod file;
mod follow;
mod generation;
mod list;
mod lookup;
mod mount;
mod mountinfo;
mod node;
mod open;
mod options;
mod policy;
mod proc;
mod quota;
mod read;
mod render;
mod serve;
mod server;
mod sys;
mod wire;

pub use error::Error;
pub use exithand::{ParseStatusPolicyError, StatusPolicy};
pub use mount::unmount;
pub use mountinfo::is_mounted;
pub use options::{Access, Limits, Options, Visibility};
pub use serve::serve;

/// For fuzzing. Nothing to build upon.
#[doc(hidden)]
pub mod fuzz {
    /// Reads one message of the kernel, as the server does, and says what is in it.
    pub fn request(bytes: &[u8]) -> String {
        crate::wire::describe(bytes)
    }
}
