//! Many handles in one wait: an epoll instance that gives each finished member once.
//!
//! An event carries the number of the handle and the low half of the process's inode number, by which
//! a registration is told apart whose handle was closed while another process held a copy of it.
#![expect(unsafe_code, reason = "functions with C names")]

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use exithand::bindings::{refuse_endless, wait_readable};
use exithand::{Deadline, Errno, Until};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fs::fstat;

use crate::boundary::{What, close, deadline, fill, give, hold, look_at};
use crate::guard::guard;
use crate::wait::until_of;

/// Makes an empty wait set, and returns its descriptor, which any poll loop can watch: it is readable
/// while a finished member has not been fetched.
///
/// -EMFILE, -ENFILE: out of descriptors.
#[unsafe(no_mangle)]
pub extern "C" fn exithand_set_open() -> c_int {
    guard(|| give(epoll::create(CreateFlags::CLOEXEC)?))
}

/// Adds a handle to the set, to wait until its process has ended (EXITHAND_UNTIL_ENDED) or was reaped
/// (EXITHAND_UNTIL_REAPED), and returns 0. Other threads may wait for the set meanwhile. The handle
/// stays the caller's; a set does not keep it open, and one that is closed is a member no more.
///
/// -EBADF: one of the two is closed, or not what it should be. -EEXIST: the handle is a member.
/// -EDEADLK: it is the caller's own. -EINVAL: there is no such `until`. -EOPNOTSUPP: the kernel does
/// not tell of the reap. -ENOSPC: /proc/sys/fs/epoll/max_user_watches is reached.
#[unsafe(no_mangle)]
pub extern "C" fn exithand_set_add(set: c_int, handle: c_int, until: c_int) -> c_int {
    guard(|| {
        let until = until_of(until)?;
        let member = hold(handle)?;
        refuse_endless(&member, until).map_err(|error| error.errno())?;
        let events = match until {
            Until::Ended => EventFlags::IN,
            // Only `EPOLLHUP`, which needs no bit.
            Until::Reaped => EventFlags::empty(),
        };
        // Each end is for one thread, and what cannot be deleted any more does not spin.
        let events = events | EventFlags::ONESHOT;
        let data = EventData::new_u64(mark(handle)?);
        epoll::add(look_at(set)?, look_at(handle)?, data, events).map_err(no_set)?;
        Ok(0)
    })
}

/// Takes a handle out of the set, finished or not, and returns 0.
///
/// -ENOENT: it is no member, any more. -EBADF: one of the two is closed, or not what it should be.
#[unsafe(no_mangle)]
pub extern "C" fn exithand_set_remove(set: c_int, handle: c_int) -> c_int {
    guard(|| {
        epoll::delete(look_at(set)?, look_at(handle)?).map_err(no_set)?;
        Ok(0)
    })
}

/// Waits until a member has finished, takes it out of the set and fills `handle` with it; its outcome
/// is for exithand_wait(), which answers at once. `timeout_ms` as in exithand_wait().
///
/// Returns 1, or 0 at the timeout. While the set is empty it waits for members that other threads may
/// add: count those you have added. Of several threads that wait, one gets each member.
///
/// -EBADF: that is no set. -EFAULT: `handle` is null.
#[unsafe(no_mangle)]
pub extern "C" fn exithand_set_next(
    set: c_int,
    timeout_ms: c_int,
    handle: Option<&mut MaybeUninit<c_int>>,
) -> c_int {
    guard(|| {
        let handle = handle.ok_or(Errno::FAULT)?;
        match next(look_at(set)?, deadline(timeout_ms))? {
            Some(finished) => fill(Some(handle), finished).map(|()| 1),
            None => Ok(0),
        }
    })
}

/// Closes a set, as close(2) does, and returns 0. Its members stay open, and whoever waits for it goes
/// on waiting.
///
/// -EBADF: it is closed already, or no set.
#[unsafe(no_mangle)]
pub extern "C" fn exithand_set_close(set: c_int) -> c_int {
    guard(|| close(set, What::Set))
}

fn next(set: BorrowedFd<'_>, deadline: Deadline) -> Result<Option<c_int>, Errno> {
    loop {
        while let Some(event) = fetch(set)? {
            if let Some(handle) = claim(set, event)? {
                return Ok(Some(handle));
            }
        }
        if !wait_readable(set, deadline).map_err(|error| error.errno())? {
            return Ok(None);
        }
    }
}

fn fetch(set: BorrowedFd<'_>) -> Result<Option<u64>, Errno> {
    let mut buffer = [MaybeUninit::<Event>::uninit()];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    match epoll::wait(set, &mut buffer, Some(&now)) {
        Ok((events, _)) => Ok(events.first().map(|event| event.data.u64())),
        Err(Errno::INTR) => Ok(None),
        Err(errno) => Err(no_set(errno)),
    }
}

/// Takes a member whose event was fetched out of the set; `None` where its handle was closed.
fn claim(set: BorrowedFd<'_>, event: u64) -> Result<Option<c_int>, Errno> {
    let number = event & u64::from(u32::MAX);
    let Ok(handle) = c_int::try_from(number) else {
        return Ok(None);
    };
    if mark(handle) != Ok(event) {
        return Ok(None);
    }
    match epoll::delete(set, look_at(handle)?) {
        Ok(()) => Ok(Some(handle)),
        Err(Errno::NOENT | Errno::BADF) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// What the kernel keeps of a member for us. Before Linux 6.9 all inode numbers are the same. Needs no
/// descriptor: whoever has fetched an event must not lose it.
fn mark(handle: c_int) -> Result<u64, Errno> {
    let inode = fstat(look_at(handle)?)?.st_ino;
    Ok(inode << 32 | u64::from(handle.unsigned_abs()))
}

/// What epoll calls invalid is a descriptor that is no set.
fn no_set(errno: Errno) -> Errno {
    match errno {
        Errno::INVAL => Errno::BADF,
        errno => errno,
    }
}
