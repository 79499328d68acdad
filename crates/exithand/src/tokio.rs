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

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use ::tokio::io::Interest;
use ::tokio::io::unix::AsyncFd;

use crate::reactor::{self, Reactor, or_would_block};
use crate::sys::watched::OwnsFd;
use crate::sys::watched::tokio::{Raw, register};
use crate::{Error, Exit, ExitHandle, Key, State, Until, WaitOptions, WaitSet};

/// An [`ExitHandle`] whose waits are `async`, on tokio's event loop.
///
/// Its waits may be dropped at any time and begun again: nothing is lost, and the answer stays the
/// same. Any number of tasks may wait on one handle at once. No wait needs a thread, a descriptor
/// (except for a deadline or a grace), or tokio's time driver.
pub struct AsyncExitHandle(AsyncFd<Raw<ExitHandle>>);

impl AsyncExitHandle {
    /// Registers `handle` with the event loop of the current runtime. Never blocks; leaves the
    /// descriptor's flags as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Syscall`] with `ENOSPC`: `/proc/sys/fs/epoll/max_user_watches` is reached.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or where its `enable_io` was not called.
    pub fn new(handle: ExitHandle) -> Result<Self, Error> {
        reactor::watch::<Tokio, _>(handle).map(Self)
    }

    /// Waits until the process has ended.
    ///
    /// After the end, allows [`DEFAULT_GRACE`](crate::DEFAULT_GRACE) for the reap where only that
    /// makes the outcome known.
    ///
    /// # Errors
    ///
    /// - [`Error::Itself`] (`EDEADLK`): the handle is the caller's own.
    /// - [`Error::TooManyFiles`] (`EMFILE`): no descriptor is left for the timer of the grace.
    /// - [`Error::RuntimeGone`] (`ECANCELED`).
    pub async fn ended(&self) -> Result<Exit, Error> {
        self.wait_for_ever(Until::Ended).await
    }

    /// Waits until the process was reaped. An unreaped zombie costs no CPU.
    ///
    /// # Errors
    ///
    /// As [`ended`](Self::ended); also [`Error::Unsupported`] on a kernel older than 6.9.
    pub async fn reaped(&self) -> Result<Exit, Error> {
        self.wait_for_ever(Until::Reaped).await
    }

    /// Waits for the event alone, without asking how the process ended, which takes a few system
    /// calls more: for those who have somebody to wake at once.
    ///
    /// # Errors
    ///
    /// As [`reaped`](Self::reaped).
    pub async fn reached(&self, until: Until) -> Result<State, Error> {
        reactor::reached::<Tokio>(&self.0, until).await
    }

    /// Waits as [`ExitHandle::wait_with`] does: until the event or the deadline, which gives
    /// `None`. A status source is called in the task that waits.
    ///
    /// # Errors
    ///
    /// As [`reaped`](Self::reaped); [`Error::TooManyFiles`] also for want of a descriptor for the
    /// timer of the deadline.
    pub async fn wait_with(&self, options: &WaitOptions<'_>) -> Result<Option<Exit>, Error> {
        reactor::wait::<Tokio>(&self.0, options).await
    }

    /// Returns the handle, for everything that does not wait.
    pub fn get_ref(&self) -> &ExitHandle {
        Tokio::inner(&self.0)
    }

    async fn wait_for_ever(&self, until: Until) -> Result<Exit, Error> {
        let options = WaitOptions {
            until,
            ..WaitOptions::default()
        };
        loop {
            // Without a deadline there is always an answer.
            if let Some(exit) = self.wait_with(&options).await? {
                return Ok(exit);
            }
        }
    }

    /// Takes the handle back from the event loop.
    pub fn into_inner(self) -> ExitHandle {
        self.0.into_inner().0
    }
}

impl TryFrom<ExitHandle> for AsyncExitHandle {
    type Error = Error;

    /// As [`AsyncExitHandle::new`].
    fn try_from(handle: ExitHandle) -> Result<Self, Error> {
        Self::new(handle)
    }
}

impl AsFd for AsyncExitHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl fmt::Debug for AsyncExitHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncExitHandle")
            .field(self.get_ref())
            .finish()
    }
}

/// A [`WaitSet`] whose wait is `async`, on tokio's event loop.
pub struct AsyncWaitSet(AsyncFd<Raw<WaitSet>>);

impl AsyncWaitSet {
    /// Registers `set` with the event loop of the current runtime. Never blocks.
    ///
    /// # Errors
    ///
    /// As [`AsyncExitHandle::new`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or where its `enable_io` was not called.
    pub fn new(set: WaitSet) -> Result<Self, Error> {
        reactor::watch::<Tokio, _>(set).map(Self)
    }

    /// Waits until a member has finished, and takes all finished members out of the set; at most
    /// 1024 at a time, the others at once with the next call.
    ///
    /// May be dropped at any time: no member is lost. It goes on waiting while the set is empty,
    /// for members that other tasks may add.
    ///
    /// # Errors
    ///
    /// As [`WaitSet::wait`]; also [`Error::RuntimeGone`] (`ECANCELED`).
    pub async fn finished(&self) -> Result<Vec<(Key, ExitHandle)>, Error> {
        reactor::finished::<Tokio>(&self.0).await
    }

    /// Returns the set, to add and remove members.
    pub fn get_ref(&self) -> &WaitSet {
        Tokio::inner(&self.0)
    }

    /// Takes the set back from the event loop.
    pub fn into_inner(self) -> WaitSet {
        self.0.into_inner().0
    }
}

impl fmt::Debug for AsyncWaitSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncWaitSet").field(self.get_ref()).finish()
    }
}

struct Tokio;

impl Reactor for Tokio {
    type Watched<F: OwnsFd> = AsyncFd<Raw<F>>;

    fn watch<F: OwnsFd>(fd: F) -> io::Result<AsyncFd<Raw<F>>> {
        register(fd)
    }

    fn inner<F: OwnsFd>(watched: &AsyncFd<Raw<F>>) -> &F {
        &watched.get_ref().0
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
