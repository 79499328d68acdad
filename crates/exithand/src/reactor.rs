//! Waiting without blocking: the one logic behind the async modules.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;

use crate::poll::timer;
use crate::sys::watched::OwnsFd;
use crate::wait::Next;
use crate::{Count, Deadline, Error, Exit, ExitHandle, Key, State, Until, WaitOptions, WaitSet};

/// An event loop that watches descriptors.
///
/// A pidfd is readable once its process has ended. It is never writable in the kernel's sense
/// (`POLLOUT`), so event loops, which add `POLLHUP` to both directions, call it writable exactly
/// once its process was reaped: waiting for that sleeps on a zombie.
#[expect(async_fn_in_trait, reason = "nobody outside can name or implement it")]
pub trait Reactor {
    /// A descriptor registered with the event loop for both directions.
    type Watched<F: OwnsFd>;

    /// Registers `fd`, and changes none of its flags.
    fn watch<F: OwnsFd>(fd: F) -> io::Result<Self::Watched<F>>;

    /// Returns the descriptor.
    fn inner<F: OwnsFd>(watched: &Self::Watched<F>) -> &F;

    /// Takes the descriptor back.
    fn take<F: OwnsFd>(watched: Self::Watched<F>) -> io::Result<F>;

    /// Calls `look`, at once and whenever the descriptor has turned readable, until it sees
    /// something. Any number of tasks may do so at once, and each may give up at any time.
    async fn readable<F: OwnsFd, T>(
        watched: &Self::Watched<F>,
        look: impl FnMut(&F) -> Option<T>,
    ) -> io::Result<T>;

    /// Does the same for writable.
    async fn writable<F: OwnsFd, T>(
        watched: &Self::Watched<F>,
        look: impl FnMut(&F) -> Option<T>,
    ) -> io::Result<T>;
}

/// Registers a handle or a set.
pub(crate) fn watch<R: Reactor, F: OwnsFd>(fd: F) -> Result<R::Watched<F>, Error> {
    R::watch(fd).map_err(|error| from_reactor(&error))
}

/// Waits for the event alone, and asks nobody how the process ended.
pub(crate) async fn reached<R: Reactor>(
    watched: &R::Watched<ExitHandle>,
    until: Until,
) -> Result<State, Error> {
    let handle = R::inner(watched);
    handle.refuse_own()?;
    let seen = match until {
        Until::Ended => R::readable(watched, once_ended).await,
        Until::Reaped => {
            handle.refuse_unseen_reap()?;
            R::writable(watched, once_reaped).await
        }
    };
    seen.map_err(|error| from_reactor(&error))?
}

/// Waits as [`ExitHandle::wait_with`] does.
pub(crate) async fn wait<R: Reactor>(
    watched: &R::Watched<ExitHandle>,
    options: &WaitOptions<'_>,
) -> Result<Option<Exit>, Error> {
    let handle = R::inner(watched);
    handle.refuse_own()?;
    let mut state = handle.state()?;
    if state == State::Alive {
        let end = R::readable(watched, once_ended);
        state = match before::<R, _>(options.deadline, end).await? {
            Some(state) => state,
            None => return Ok(None),
        };
        if let Some(deadline) = handle.at_end(state, options)
            && reaped_before::<R>(watched, deadline).await?
        {
            state = State::Reaped;
        }
    }
    match handle.after_end(state, options)? {
        Next::Answer(exit) => Ok(Some(exit)),
        Next::AwaitReap(deadline) => {
            let reaped = reaped_before::<R>(watched, deadline).await?;
            Ok(handle.after_reap(reaped, options))
        }
    }
}

/// Looks whether the process has ended; `None` while it runs.
fn once_ended(handle: &ExitHandle) -> Option<Result<State, Error>> {
    match handle.state() {
        Ok(State::Alive) => None,
        seen => Some(seen),
    }
}

/// Looks whether the process was reaped; `None` until then.
fn once_reaped(handle: &ExitHandle) -> Option<Result<State, Error>> {
    match handle.is_reaped() {
        Ok(false) => None,
        seen => Some(seen.map(|_| State::Reaped)),
    }
}

/// Awaits the reap; false once `deadline` has passed.
async fn reaped_before<R: Reactor>(
    watched: &R::Watched<ExitHandle>,
    deadline: Deadline,
) -> Result<bool, Error> {
    let reap = R::writable(watched, once_reaped);
    Ok(before::<R, _>(deadline, reap).await?.is_some())
}

/// Awaits a finished member of the set, and takes out all there are.
pub(crate) async fn finished<R: Reactor>(
    watched: &R::Watched<WaitSet>,
) -> Result<Vec<(Key, ExitHandle)>, Error> {
    let look = |set: &WaitSet| match set.wait(Count::Any, Deadline::NOW) {
        Ok(finished) if finished.is_empty() => None,
        seen => Some(seen),
    };
    R::readable(watched, look)
        .await
        .map_err(|error| from_reactor(&error))?
}

/// Awaits `event`, or `None` once `deadline` has passed.
///
/// The deadline is a descriptor in the same event loop, so no timer of the runtime is needed.
async fn before<R: Reactor, T>(
    deadline: Deadline,
    event: impl Future<Output = io::Result<Result<T, Error>>>,
) -> Result<Option<T>, Error> {
    let mut event = pin!(event);
    let flatten = |seen: io::Result<Result<T, Error>>| match seen {
        Ok(seen) => seen.map(Some),
        Err(error) => Err(from_reactor(&error)),
    };
    // What has happened already needs no timer.
    let now = poll_fn(|context| Poll::Ready(event.as_mut().poll(context))).await;
    if let Poll::Ready(seen) = now {
        return flatten(seen);
    }
    if deadline.remaining() == Some(Duration::ZERO) {
        return Ok(None);
    }
    let failed = |errno| Error::from_call("timerfd_create", errno);
    let Some(timer) = timer(deadline).map_err(failed)? else {
        return flatten(event.await);
    };
    let timer = watch::<R, _>(timer)?;
    let mut expiry = pin!(R::readable(&timer, |timer| {
        let count = rustix::io::read(timer, &mut [0; 8]);
        (count != Err(Errno::AGAIN)).then_some(())
    }));
    poll_fn(|context| {
        if let Poll::Ready(seen) = event.as_mut().poll(context) {
            return Poll::Ready(flatten(seen));
        }
        match expiry.as_mut().poll(context) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(None)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(from_reactor(&error))),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// An event loop fails by a system call of its own, or because it is no more.
pub(crate) fn from_reactor(error: &io::Error) -> Error {
    Errno::from_io_error(error).map_or(Error::RuntimeGone, |errno| {
        Error::from_call("epoll_ctl", errno)
    })
}

/// Turns what `look` saw into what event loops understand.
pub(crate) fn or_would_block<T>(seen: Option<T>) -> io::Result<T> {
    seen.ok_or_else(|| io::ErrorKind::WouldBlock.into())
}
