//! Many processes in one wait.

use std::collections::HashMap;
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFlags, eventfd};
use rustix::time::Timespec;

use crate::file::ExitFile;
use crate::member::Member;
use crate::poll::poll_until;
use crate::slots::{Key, Slots};
use crate::token::Identity;
use crate::{Deadline, Error, ExitHandle, Until};

/// How many members to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Count {
    /// The first one.
    Any,
    /// So many of them, or all if there are fewer.
    AtLeast(usize),
    /// All of them, those added meanwhile too.
    All,
}

/// Events fetched from the kernel at a time.
const BATCH: usize = 1024;

/// A set of processes, watched together: wait for any, some or all of them.
///
/// Counts processes, never events, and each member once. The cost of an event does not grow with
/// the size of the set; a member costs one descriptor and about 150 bytes. Members may be added
/// and removed by other threads while one waits. A finished member leaves the set with its handle,
/// which then tells the outcome ([`ExitHandle::try_wait`]).
///
/// A set holds handles, unless it is made for [exithand files](crate::file) by
/// [`WaitSet::of_files`].
///
/// Through [`AsFd`] the set goes into another poll loop: its descriptor is readable while a
/// finished member is waiting to be fetched.
///
/// ```
/// use exithand::{Count, Deadline, ExitHandle, Until, WaitSet};
/// use std::process::Command;
///
/// let set = WaitSet::new(Until::Ended)?;
/// let mut children = Vec::new();
/// for status in ["1", "2"] {
///     let child = Command::new("sh").args(["-c", &format!("exit {status}")]).spawn()?;
///     set.add(ExitHandle::from_child(&child)?)?;
///     children.push(child);
/// }
/// let finished = set.wait(Count::All, Deadline::NEVER)?;
/// assert_eq!(finished.len(), 2);
/// for (_, handle) in finished {
///     println!("{}: {}", handle.token(), handle.try_wait()?.expect("it has ended"));
/// }
/// # for mut child in children { child.wait()?; }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WaitSet<M = ExitHandle> {
    epoll: OwnedFd,
    /// Readable while the set is empty, so that no waiter sleeps on a set with nobody left in it.
    nobody: OwnedFd,
    until: Until,
    members: Mutex<Members<M>>,
}

struct Members<M> {
    slots: Slots<M>,
    by_identity: HashMap<Identity, Key>,
}

impl<M> Default for Members<M> {
    fn default() -> Self {
        Self {
            slots: Slots::default(),
            by_identity: HashMap::new(),
        }
    }
}

impl WaitSet {
    /// Makes an empty set whose members are finished when they have ended, or were reaped.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyFiles`] (`EMFILE`): a set needs two descriptors of its own.
    pub fn new(until: Until) -> Result<Self, Error> {
        Self::empty(until)
    }
}

impl WaitSet<ExitFile> {
    /// Makes an empty set for exithand files, whose members are finished when they have ended.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyFiles`] (`EMFILE`): a set needs two descriptors of its own.
    pub fn of_files() -> Result<Self, Error> {
        Self::empty(Until::Ended)
    }
}

impl<M: Member> WaitSet<M> {
    fn empty(until: Until) -> Result<Self, Error> {
        let failed = |call| move |errno| Error::from_call(call, errno);
        let set = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC).map_err(failed("epoll_create1"))?,
            nobody: eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
                .map_err(failed("eventfd"))?,
            until,
            members: Mutex::default(),
        };
        Ok(set)
    }

    /// Adds a process and returns its key. Never blocks.
    ///
    /// A process that is a member already stays one member: its key is returned and the second
    /// handle closed.
    ///
    /// # Errors
    ///
    /// - [`Error::Itself`] (`EDEADLK`): the handle is the caller's own.
    /// - [`Error::Unsupported`]: a set for [`Until::Reaped`] on a kernel older than 6.9.
    /// - [`Error::Syscall`] with `ENOSPC`: `/proc/sys/fs/epoll/max_user_watches` is reached.
    pub fn add(&self, handle: M) -> Result<Key, Error> {
        handle.refuse(self.until)?;
        let events = match self.until {
            Until::Ended => EventFlags::IN,
            // Only `EPOLLHUP`, which needs no bit: `EPOLLIN` would report every zombie for ever.
            Until::Reaped => EventFlags::empty(),
        };
        let identity = handle.token().identity();
        let mut members = self.lock();
        if let Some(key) = members.by_identity.get(&identity) {
            return Ok(*key);
        }
        let key = members.slots.next_key();
        epoll::add(
            &self.epoll,
            &handle,
            EventData::new_u64(key.to_u64()),
            events,
        )
        .map_err(|errno| Error::from_call("epoll_ctl", errno))?;
        if members.slots.is_empty() {
            self.somebody()?;
        }
        members.slots.insert(handle);
        members.by_identity.insert(identity, key);
        Ok(key)
    }

    /// Takes a member out, finished or not; `None` where it is no member any more.
    ///
    /// # Errors
    ///
    /// [`Error::Syscall`]: `epoll_ctl` failed, which needs a kernel out of memory.
    pub fn remove(&self, key: Key) -> Result<Option<M>, Error> {
        self.take(&mut self.lock(), key)
    }

    /// Calls `visit` with the handle of a member, to signal it for one; `None` where it is no
    /// member any more.
    ///
    /// `visit` must not use the set: it runs under the set's lock.
    ///
    /// ```
    /// # use exithand::{Count, Deadline, ExitHandle, Signal, Until, WaitSet};
    /// # let mut child = std::process::Command::new("sleep").arg("60").spawn()?;
    /// let set = WaitSet::new(Until::Ended)?;
    /// let key = set.add(ExitHandle::from_child(&child)?)?;
    /// assert!(matches!(set.with_member(key, |it| it.send_signal(Signal::KILL)), Some(Ok(()))));
    /// assert_eq!(set.wait(Count::All, Deadline::NEVER)?.len(), 1);
    /// assert!(set.with_member(key, |_| ()).is_none());
    /// # child.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_member<R>(&self, key: Key, visit: impl FnOnce(&M) -> R) -> Option<R> {
        self.lock().slots.get(key).map(visit)
    }

    /// Returns the number of members.
    pub fn len(&self) -> usize {
        self.lock().slots.len()
    }

    /// Says whether the set has no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Blocks until `count` members have finished and returns them; fewer once `deadline` has
    /// passed or nobody is left in the set. May return more, when more have finished.
    ///
    /// # Errors
    ///
    /// [`Error::Syscall`]: a kernel out of memory. Members fetched so far stay finished and are
    /// given up: their handles are closed.
    pub fn wait(&self, count: Count, deadline: Deadline) -> Result<Vec<(Key, M)>, Error> {
        self.block(count, deadline, None)
    }

    /// Blocks like [`WaitSet::wait`], and also gives up once `cancel` is readable. Reads nothing
    /// from it.
    ///
    /// # Errors
    ///
    /// As [`WaitSet::wait`].
    pub fn wait_unless(
        &self,
        count: Count,
        deadline: Deadline,
        cancel: BorrowedFd<'_>,
    ) -> Result<Vec<(Key, M)>, Error> {
        self.block(count, deadline, Some(cancel))
    }

    fn block(
        &self,
        count: Count,
        deadline: Deadline,
        cancel: Option<BorrowedFd<'_>>,
    ) -> Result<Vec<(Key, M)>, Error> {
        let wanted = match count {
            Count::Any => 1,
            Count::AtLeast(count) => count,
            Count::All => usize::MAX,
        };
        let mut finished = Vec::new();
        while finished.len() < wanted {
            if self.fetch(&mut finished)? > 0 {
                continue;
            }
            let watch = |fd| (fd, PollFlags::IN);
            let (set, nobody) = (watch(self.epoll.as_fd()), watch(self.nobody.as_fd()));
            let [woken, nobody] = match cancel {
                None => poll_until([set, nobody], deadline)?,
                Some(cancel) => {
                    let [woken, nobody, _] = poll_until([set, nobody, watch(cancel)], deadline)?;
                    [woken, nobody]
                }
            };
            // A member may have finished just before the last one was taken away.
            if (woken.is_empty() || !nobody.is_empty()) && self.fetch(&mut finished)? == 0 {
                break;
            }
        }
        Ok(finished)
    }

    /// Gives all members back, finished or not.
    pub fn into_members(self) -> Vec<(Key, M)> {
        let members = self
            .members
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        members.slots.into_entries()
    }

    /// Moves one batch of finished members to `finished`; returns how many.
    fn fetch(&self, finished: &mut Vec<(Key, M)>) -> Result<usize, Error> {
        let mut buffer = [MaybeUninit::<Event>::uninit(); BATCH];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let (events, _) = epoll::wait(&self.epoll, &mut buffer, Some(&now))
            .map_err(|errno| Error::from_call("epoll_wait", errno))?;
        if events.is_empty() {
            return Ok(0);
        }
        let mut members = self.lock();
        let before = finished.len();
        for event in events.iter() {
            let key = Key::from_u64(event.data.u64());
            if let Some(false) = members.slots.get(key).map(M::is_finished).transpose()? {
                continue;
            }
            // `None`: another thread was faster.
            if let Some(handle) = self.take(&mut members, key)? {
                finished.push((key, handle));
            }
        }
        Ok(finished.len() - before)
    }

    fn take(&self, members: &mut Members<M>, key: Key) -> Result<Option<M>, Error> {
        let Some(handle) = members.slots.remove(key) else {
            return Ok(None);
        };
        members.by_identity.remove(&handle.token().identity());
        // Closing would not do: a clone of the descriptor elsewhere keeps the registration alive.
        epoll::delete(&self.epoll, &handle)
            .map_err(|errno| Error::from_call("epoll_ctl", errno))?;
        if members.slots.is_empty() {
            rustix::io::write(&self.nobody, &1_u64.to_ne_bytes())
                .map_err(|errno| Error::from_call("write to an eventfd", errno))?;
        }
        Ok(Some(handle))
    }

    fn somebody(&self) -> Result<(), Error> {
        rustix::io::read(&self.nobody, &mut [0; 8])
            .map(drop)
            .map_err(|errno| Error::from_call("read an eventfd", errno))
    }

    fn lock(&self) -> MutexGuard<'_, Members<M>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> AsFd for WaitSet<M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl<M> fmt::Debug for WaitSet<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("WaitSet")
            .field("until", &self.until)
            .field("len", &members.slots.len())
            .finish_non_exhaustive()
    }
}
