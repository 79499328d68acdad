//! The places where `exithand kill` blocks.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use exithand::{Deadline, Errno};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::plan::Clock;
use super::report::KillError;

/// How long to let processes come to rest before they are looked at again.
const PAUSE: Duration = Duration::from_millis(1);

/// A deadline that a poll can wait for. Goes on while the machine is suspended.
#[derive(Debug)]
pub(crate) struct Alarm {
    deadline: Deadline,
    timer: Option<OwnedFd>,
}

impl Alarm {
    /// Goes off after `timeout`; never for `None`.
    pub(crate) fn after(timeout: Option<Duration>) -> Result<Self, KillError> {
        let deadline = Deadline::from(timeout);
        let timer = match deadline.remaining() {
            Some(left) if !left.is_zero() => timer(left)?,
            _ => None,
        };
        Ok(Self { deadline, timer })
    }

    pub(crate) fn clock(&self) -> Clock {
        match self.deadline.remaining() {
            Some(Duration::ZERO) => Clock::Over,
            _ => Clock::Running,
        }
    }
}

/// Blocks until a member can be collected, the scope has news, or the alarm goes off.
pub(crate) fn wait_for_news(
    members: BorrowedFd<'_>,
    scope: Option<BorrowedFd<'_>>,
    alarm: &Alarm,
) -> Result<(), KillError> {
    let mut fds = vec![PollFd::from_borrowed_fd(members, PollFlags::IN)];
    fds.extend(scope.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN | PollFlags::PRI)));
    fds.extend(
        alarm
            .timer
            .as_ref()
            .map(|timer| PollFd::new(timer, PollFlags::IN)),
    );
    poll_once(&mut fds, None)
}

/// Blocks until `fd` has `events`, or `deadline` passes.
pub(crate) fn wait_for(
    fd: BorrowedFd<'_>,
    events: PollFlags,
    deadline: Deadline,
) -> Result<(), KillError> {
    poll_once(
        &mut [PollFd::from_borrowed_fd(fd, events)],
        deadline.remaining(),
    )
}

/// Gives way for a moment, or until a member has ended.
///
/// The one place that looks again by the clock: the kernel tells of a stop to the parent and the
/// tracer alone.
pub(crate) fn pause(members: BorrowedFd<'_>) -> Result<(), KillError> {
    poll_once(
        &mut [PollFd::from_borrowed_fd(members, PollFlags::IN)],
        Some(PAUSE),
    )
}

/// An interrupted poll returns too: the caller looks again in any case.
fn poll_once(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> Result<(), KillError> {
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match poll(fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(KillError::Syscall {
            call: "poll",
            errno,
        }),
    }
}

/// A timer on `CLOCK_BOOTTIME`; `None` for a time beyond the clock's reach.
fn timer(left: Duration) -> Result<Option<OwnedFd>, KillError> {
    let Ok(it_value) = Timespec::try_from(left) else {
        return Ok(None);
    };
    let failed = |call| move |errno| KillError::Syscall { call, errno };
    let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC)
        .map_err(failed("timerfd_create"))?;
    let once = Itimerspec {
        it_interval: Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value,
    };
    timerfd_settime(timer.as_fd(), TimerfdTimerFlags::empty(), &once)
        .map_err(failed("timerfd_settime"))?;
    Ok(Some(timer))
}
