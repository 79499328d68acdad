//! Wait for any process on Linux, whoever's child it is: race-free, without polling, and learn
//! how it ended.
//!
//! An [`ExitHandle`] holds one process. It is opened by pid, by [`Token`] (a name that no later
//! process can have), by thread id, from a pidfd somebody passed, or from a
//! [`Child`](std::process::Child). Waiting needs no privilege and disturbs nobody.
//!
//! ```
//! use exithand::{Deadline, ExitHandle, Outcome, Pid, Until};
//! # use std::process::{Command, Stdio};
//! # let mut child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
//! # let number = i32::try_from(child.id())?;
//!
//! // Any process will do; it need not be a child of ours.
//! let handle = ExitHandle::open(Pid::from_raw(number).expect("a pid"))?;
//! assert!(handle.try_wait()?.is_none(), "it runs");
//! # child.kill()?;
//! let exit = handle.wait(Until::Ended, Deadline::NEVER)?.expect("no deadline was set");
//! match exit.outcome {
//!     Outcome::Exited(status) => println!("exited with status {status}"),
//!     Outcome::Killed { signal, .. } => println!("killed by {signal}"),
//!     Outcome::Unknown { why } => println!("ended, but nobody says how: {why}"),
//! }
//! # child.wait()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where a sandbox forbids `pidfd_open`, [`mod@file`] opens and waits through exithand files instead.
//!
//! Many processes at once go into a [`WaitSet`]. With the features `tokio` and `async-io` the
//! modules of those names (`tokio`, `async_io`) give `async fn` waits. What the running kernel and
//! the caller's privileges allow is told by [`probe`].
//!
//! # Ended and reaped
//!
//! A process has *ended* once its whole thread group is dead, and is *reaped* once its parent has
//! collected it. On Linux 6.15 and later the kernel tells how a process ended to every holder of
//! a pidfd, but only after the reap; before the reap, only to those who may read the zombie's
//! `/proc` entry. Where nobody who knows may or can tell, the outcome is
//! [`Outcome::Unknown`], with the reason: never 0, never 255, never a guess.

#[cfg(feature = "async-io")]
pub mod async_io;
#[cfg(any(feature = "tokio", feature = "async-io"))]
mod awaited;
#[doc(hidden)]
pub mod bindings;
mod boot;
mod deadline;
mod error;
pub mod file;
mod handle;
mod member;
mod open;
mod outcome;
mod poll;
pub mod probe;
mod proc;
#[cfg(any(feature = "tokio", feature = "async-io"))]
mod reactor;
mod siginfo;
mod signal;
mod slots;
mod status;
mod status_policy;
mod sys;
mod token;
#[cfg(feature = "tokio")]
pub mod tokio;
mod wait;
mod wait_set;

pub use boot::{BootId, ParseBootIdError};
pub use deadline::Deadline;
pub use error::Error;
pub use handle::ExitHandle;
pub use member::Member;
pub use outcome::{NoEnd, Outcome, ParseOutcomeError, Why};
pub use rustix::io::Errno;
pub use rustix::process::Pid;
pub use siginfo::{SIGINFO_SIZE, SigInfo};
pub use signal::{ParseSignalError, Signal};
pub use slots::Key;
pub use status::{Source, StatusSource};
pub use status_policy::{KernelTells, ParseStatusPolicyError, StatusPolicy};
pub use token::{ParseTokenError, Token};
pub use wait::{DEFAULT_GRACE, Exit, ParseUntilError, State, Until, WaitOptions};
pub use wait_set::{Count, WaitSet};

/// Parsers of what the kernel prints, open to the fuzzer.
#[doc(hidden)]
pub mod fuzz {
    /// Parses the text of `/proc/PID/stat`: state letter, start time in ticks, wait status.
    pub fn proc_stat(text: &[u8]) -> Option<(u8, u64, i32)> {
        crate::proc::Stat::parse(text).map(|stat| (stat.state, stat.start_ticks, stat.wait_status))
    }
}

/// The examples of the README, compiled like those of the docs.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
