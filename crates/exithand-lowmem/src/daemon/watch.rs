//! The one epoll everything is waited for with.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::{Errno, retry_on_intr};

use super::ignore;

/// What woke us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// Something is due.
    Timer,
    /// Programs stall.
    Pressure,
    /// A reaper has something to say.
    Reapers,
    /// A signal came.
    Signals,
    /// A cgroup is near its limit.
    Cgroup(usize),
    /// The service manager wants to know that we live.
    Heartbeat,
    /// A victim is gone: its scope and slot.
    Victim(usize, usize),
}

const VICTIM: u64 = 1 << 32;
const CGROUP: u64 = 2 << 32;
const LOW: u64 = (1 << 16) - 1;

impl Source {
    fn number(self) -> u64 {
        let wide = |number: usize| u64::try_from(number).unwrap_or(LOW) & LOW;
        match self {
            Self::Timer => 0,
            Self::Pressure => 1,
            Self::Reapers => 2,
            Self::Signals => 3,
            Self::Heartbeat => 4,
            Self::Cgroup(scope) => CGROUP | wide(scope),
            Self::Victim(scope, slot) => VICTIM | (wide(scope) << 16) | wide(slot),
        }
    }

    fn of(number: u64) -> Self {
        let narrow = |number: u64| usize::try_from(number & LOW).unwrap_or(0);
        match number {
            0 => Self::Timer,
            1 => Self::Pressure,
            2 => Self::Reapers,
            3 => Self::Signals,
            4 => Self::Heartbeat,
            number if number & CGROUP != 0 => Self::Cgroup(narrow(number)),
            number => Self::Victim(narrow(number >> 16), narrow(number)),
        }
    }
}

/// The epoll.
#[derive(Debug)]
pub(super) struct Watch {
    epoll: OwnedFd,
}

impl Watch {
    pub(super) fn new() -> Result<Self, Errno> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll })
    }

    /// Wakes for what `fd` has to say.
    pub(super) fn add(
        &self,
        fd: impl AsFd,
        source: Source,
        flags: EventFlags,
    ) -> Result<(), Errno> {
        epoll::add(&self.epoll, fd, EventData::new_u64(source.number()), flags)
    }

    /// Wakes once, when a victim is gone.
    pub(super) fn victim(&self, scope: usize, slot: usize, handle: impl AsFd) {
        let flags = EventFlags::IN | EventFlags::ONESHOT;
        // Out of memory for the watch: the ledger's deadline is then what is left.
        ignore(self.add(handle, Source::Victim(scope, slot), flags));
    }

    /// Wakes no more for `fd`, of which others may have duplicates.
    pub(super) fn forget(&self, fd: impl AsFd) {
        // It is not there if it could not be added.
        ignore(epoll::delete(&self.epoll, fd));
    }

    /// Waits for the next sources; at most for `timeout`, if there is one.
    pub(super) fn wait(&self, room: &mut [Option<Source>; 32], timeout: Option<Duration>) {
        let mut events = [epoll::Event {
            flags: EventFlags::empty(),
            data: EventData::new_u64(0),
        }; 32];
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        });
        let wait = || epoll::wait(&self.epoll, &mut events[..], timeout.as_ref());
        let count = retry_on_intr(wait).unwrap_or(0);
        *room = [None; 32];
        for (place, event) in room.iter_mut().zip(&events[..count]) {
            *place = Some(Source::of(event.data.u64()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_survive_the_way_through_the_kernel() {
        for source in [
            Source::Timer,
            Source::Pressure,
            Source::Reapers,
            Source::Signals,
            Source::Heartbeat,
            Source::Cgroup(3),
            Source::Victim(0, 0),
            Source::Victim(2, 31),
        ] {
            assert_eq!(Source::of(source.number()), source);
        }
    }
}
