//! `async fn` waits on [async-io](::async_io)'s event loop, which smol and async-std use.
//!
//! ```
//! use exithand::async_io::AsyncExitHandle;
//! use exithand::{ExitHandle, Outcome, Pid};
//! # use std::process::{Command, Stdio};
//! # ::async_io::block_on(async {
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
//! use exithand::async_io::AsyncWaitSet;
//! use exithand::{ExitHandle, Until, WaitSet};
//! # use std::process::Command;
//! # async_io::block_on(async {
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

use ::async_io::Async;

use crate::awaited;
use crate::reactor::{Reactor, or_would_block};
use crate::sys::watched::OwnsFd;

/// An [`ExitHandle`](crate::ExitHandle) to await on async-io's event loop.
pub type AsyncExitHandle = awaited::AsyncExitHandle<AsyncIo>;

/// A [`WaitSet`](crate::WaitSet) to await on async-io's event loop.
pub type AsyncWaitSet = awaited::AsyncWaitSet<AsyncIo>;

/// The event loop of async-io.
#[derive(Debug)]
pub enum AsyncIo {}

impl Reactor for AsyncIo {
    type Watched<F: OwnsFd> = Async<F>;

    fn watch<F: OwnsFd>(fd: F) -> io::Result<Async<F>> {
        Async::new_nonblocking(fd)
    }

    fn inner<F: OwnsFd>(watched: &Async<F>) -> &F {
        watched.get_ref()
    }

    fn take<F: OwnsFd>(watched: Async<F>) -> io::Result<F> {
        watched.into_inner()
    }

    async fn readable<F: OwnsFd, T>(
        watched: &Async<F>,
        mut look: impl FnMut(&F) -> Option<T>,
    ) -> io::Result<T> {
        watched.read_with(|fd| or_would_block(look(fd))).await
    }

    async fn writable<F: OwnsFd, T>(
        watched: &Async<F>,
        mut look: impl FnMut(&F) -> Option<T>,
    ) -> io::Result<T> {
        watched.write_with(|fd| or_would_block(look(fd))).await
    }
}
