//! The one place where the crate blocks, and where `EINTR` is retried.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::{Deadline, Error};

/// For so short a wait a timer is not worth its calls: a suspend makes it late by no more than this.
const NEAR: Duration = Duration::from_millis(100);

/// Blocks until one of `fds` shows one of its events or `deadline` passes; returns what each shows.
///
/// A deadline that is not near is a timer of `CLOCK_BOOTTIME`, since poll's own timeout stands
/// still while the machine is suspended.
pub(crate) fn poll_until<const N: usize>(
    fds: [(BorrowedFd<'_>, PollFlags); N],
    deadline: Deadline,
) -> Result<[PollFlags; N], Error> {
    let timer = match deadline.remaining() {
        Some(left) if left > NEAR => match timer(deadline) {
            // A wait is not refused for want of a descriptor: poll's own clock has to do.
            Err(Errno::MFILE | Errno::NFILE) => None,
            timer => timer.map_err(|errno| Error::from_call("timerfd_create", errno))?,
        },
        _ => None,
    };
    let mut polled = fds.map(|(fd, events)| PollFd::from_borrowed_fd(fd, events));
    let failed = |errno| Error::from_call("poll", errno);
    let Some(timer) = timer else {
        // Allocates nothing: a look works when memory is gone.
        poll_retrying(&mut polled, deadline).map_err(failed)?;
        return Ok(polled.map(|fd| fd.revents()));
    };
    let mut polled: Vec<PollFd<'_>> = polled.into();
    polled.push(PollFd::new(&timer, PollFlags::IN));
    poll_retrying(&mut polled, Deadline::NEVER).map_err(failed)?;
    Ok(std::array::from_fn(|at| polled[at].revents()))
}

fn poll_retrying(fds: &mut [PollFd<'_>], deadline: Deadline) -> Result<(), Errno> {
    loop {
        let timeout = deadline
            .remaining()
            .and_then(|left| Timespec::try_from(left).ok());
        match poll(fds, timeout.as_ref()) {
            // Without a timer descriptor, the clock that ran out may not be the deadline's own.
            Ok(0) if deadline.remaining().is_none_or(|left| !left.is_zero()) => {}
            Err(Errno::INTR) => {}
            result => return result.map(drop),
        }
    }
}

/// Returns a timer that turns readable at `deadline`; `None` where that is out of the clock's reach.
pub(crate) fn timer(deadline: Deadline) -> Result<Option<OwnedFd>, Errno> {
    let Some(moment) = deadline.as_timespec() else {
        return Ok(None);
    };
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    let fd = timerfd_create(TimerfdClockId::Boottime, flags)?;
    let once = Itimerspec {
        it_interval: Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: moment,
    };
    timerfd_settime(&fd, TimerfdTimerFlags::ABSTIME, &once)?;
    Ok(Some(fd))
}
