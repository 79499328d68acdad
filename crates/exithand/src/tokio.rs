//! `async fn` waits on [tokio]'s event loop.
//!
//! ```
//! use exithand::tokio::AsyncExitHandle;
//! use exithand::{ExitHandle, Outcome, Pid};
//! # use std::process::{Command, Stdio};
//! # let runtime = ::tokio::runtime::Builder::new_current_thread().enable_io().build()?;
//! # runtime.block_on(async {
//! # let mut child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
//! # let pid = Pid::from_child(&child);
//!
//! // Any process will do; it need not be a child of ours.
//! let handle = AsyncExitHandle::new(ExitHandle::open(pid)?)?;
//! # drop(child.stdin.take());
//! let exit = handle.ended().await?;
//! assert_eq!(exit.outcome, Outcome::Exited(0));
//! # child.wait()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Many at once
//!
//! A thousand handles can be awaited as they are. Where they come and go, a set takes them all in
//! one wait:
//!
//! ```
//! use exithand::tokio::AsyncWaitSet;
//! use exithand::{ExitHandle, Until, WaitSet};
//! # use std::process::Command;
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
//! # runtime.block_on(async {
//!
//! let set = AsyncWaitSet::new(WaitSet::new(Until::Ended)?)?;
//! # let mut children = Vec::new();
//! for status in ["1", "2", "3"] {
//!     let child = Command::new("sh").args(["-c", &format!("exit {status}")]).spawn()?;
//!     set.get_ref().add(ExitHandle::from_child(&child)?)?;
//! # children.push(child);
//! }
//! while !set.get_ref().is_empty() {
//!     for (_, handle) in set.finished().await? {
//!         println!("{}: {}", handle.token(), handle.try_wait()?.expect("it has ended"));
//!     }
//! }
//! # for mut child in children { child.wait()?; }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::io;

use ::tokio::io::Interest;
use ::tokio::io::unix::AsyncFd;

use crate::awaited;
use crate::reactor::{Reactor, or_would_block};
use crate::sys::watched::OwnsFd;
use crate::sys::watched::tokio::{Raw, register};

/// An [`ExitHandle`](crate::ExitHandle) to await on tokio's event loop.
pub type AsyncExitHandle = awaited::AsyncExitHandle<Tokio>;

/// A [`WaitSet`](crate::WaitSet) to await on tokio's event loop.
pub type AsyncWaitSet = awaited::AsyncWaitSet<Tokio>;

/// Tokio's event loop.
#[derive(Debug)]
pub enum Tokio {}

impl Reactor for Tokio {
    type Watched<F: OwnsFd> = AsyncFd<Raw<F>>;

    fn watch<F: OwnsFd>(fd: F) -> io::Result<AsyncFd<Raw<F>>> {
        register(fd)
    }

    fn inner<F: OwnsFd>(watched: &AsyncFd<Raw<F>>) -> &F {
        &watched.get_ref().0
    }

    fn take<F: OwnsFd>(watched: AsyncFd<Raw<F>>) -> io::Result<F> {
        Ok(watched.into_inner().0)
    }

    async fn readable<F: OwnsFd, T>(
        watched: &AsyncFd<Raw<F>>,
        look: impl FnMut(&F) -> Option<T>,
    ) -> io::Result<T> {
        look_when(watched, Interest::READABLE, look).await
    }

    async fn writable<F: OwnsFd, T>(
        watched: &AsyncFd<Raw<F>>,
        look: impl FnMut(&F) -> Option<T>,
    ) -> io::Result<T> {
        look_when(watched, Interest::WRITABLE, look).await
    }
}

async fn look_when<F: OwnsFd, T>(
    watched: &AsyncFd<Raw<F>>,
    interest: Interest,
    mut look: impl FnMut(&F) -> Option<T>,
) -> io::Result<T> {
    // Tokio looks only after its event loop has run once.
    if let Some(seen) = look(&watched.get_ref().0) {
        return Ok(seen);
    }
    watched
        .async_io(interest, |fd| or_would_block(look(&fd.0)))
        .await
}
