//! Handles and sets to await, on any event loop.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};

use crate::reactor::{self, Reactor};
use crate::{Error, Exit, ExitHandle, Key, State, Until, WaitOptions, WaitSet};

/// An [`ExitHandle`] whose waits are `async`, on the event loop `R`: see
/// [`tokio`](crate::tokio) and [`async_io`](crate::async_io).
///
/// Its waits may be dropped at any time and begun again: nothing is lost, and the answer stays the
/// same. Any number of tasks may wait on one handle at once. No wait needs a thread, a timer of the
/// runtime, or a descriptor (except for a deadline or a grace).
pub struct AsyncExitHandle<R: Reactor>(R::Watched<ExitHandle>);

impl<R: Reactor> AsyncExitHandle<R> {
    /// Registers `handle` with the event loop of the current runtime. Never blocks; leaves the
    /// descriptor's flags as they are.
    ///
    /// # Errors
    ///
    /// [`Error::Syscall`] with `ENOSPC`: `/proc/sys/fs/epoll/max_user_watches` is reached.
    ///
    /// # Panics
    ///
    /// On tokio, outside a runtime, or where its `enable_io` was not called.
    pub fn new(handle: ExitHandle) -> Result<Self, Error> {
        reactor::watch::<R, _>(handle).map(Self)
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
        reactor::reached::<R>(&self.0, until).await
    }

    /// Waits as [`ExitHandle::wait_with`] does: until the event or the deadline, which gives
    /// `None`. A status source is called in the task that waits.
    ///
    /// # Errors
    ///
    /// As [`reaped`](Self::reaped); [`Error::TooManyFiles`] also for want of a descriptor for the
    /// timer of the deadline.
    pub async fn wait_with(&self, options: &WaitOptions<'_>) -> Result<Option<Exit>, Error> {
        reactor::wait::<R>(&self.0, options).await
    }

    /// Returns the handle, for everything that does not wait.
    pub fn get_ref(&self) -> &ExitHandle {
        R::inner(&self.0)
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
    ///
    /// # Errors
    ///
    /// [`Error::Syscall`]: `epoll_ctl` failed, which needs a kernel out of memory.
    pub fn into_inner(self) -> Result<ExitHandle, Error> {
        R::take(self.0).map_err(|error| reactor::from_reactor(&error))
    }
}

impl<R: Reactor> TryFrom<ExitHandle> for AsyncExitHandle<R> {
    type Error = Error;

    /// As [`AsyncExitHandle::new`].
    fn try_from(handle: ExitHandle) -> Result<Self, Error> {
        Self::new(handle)
    }
}

impl<R: Reactor> AsFd for AsyncExitHandle<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<R: Reactor> fmt::Debug for AsyncExitHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncExitHandle")
            .field(self.get_ref())
            .finish()
    }
}

/// A [`WaitSet`] whose wait is `async`, on the event loop `R`.
pub struct AsyncWaitSet<R: Reactor>(R::Watched<WaitSet>);

impl<R: Reactor> AsyncWaitSet<R> {
    /// Registers `set` with the event loop of the current runtime. Never blocks.
    ///
    /// # Errors
    ///
    /// As [`AsyncExitHandle::new`].
    ///
    /// # Panics
    ///
    /// As [`AsyncExitHandle::new`].
    pub fn new(set: WaitSet) -> Result<Self, Error> {
        reactor::watch::<R, _>(set).map(Self)
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
        reactor::finished::<R>(&self.0).await
    }

    /// Returns the set, to add and remove members.
    pub fn get_ref(&self) -> &WaitSet {
        R::inner(&self.0)
    }

    /// Takes the set back from the event loop.
    ///
    /// # Errors
    ///
    /// [`Error::Syscall`]: `epoll_ctl` failed, which needs a kernel out of memory.
    pub fn into_inner(self) -> Result<WaitSet, Error> {
        R::take(self.0).map_err(|error| reactor::from_reactor(&error))
    }
}

impl<R: Reactor> fmt::Debug for AsyncWaitSet<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncWaitSet").field(self.get_ref()).finish()
    }
}
