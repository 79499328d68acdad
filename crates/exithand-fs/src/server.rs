//! What is shared by the loop that answers requests and the tasks that follow processes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exithand::tokio::AsyncExitHandle;
use exithand::{Error as HandleError, ExitHandle, KernelTells, State as ProcessState};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::Options;
use crate::departures::Departures;
use crate::device::Replies;
use crate::entry::{Departure, Entries, Watch};
use crate::file::{Blocked, File};
use crate::follow::follow;
use crate::generation::Generation;
use crate::node::{Key, Of, Part};
use crate::quota::Quota;

/// Descriptors that are kept free of handles: for the connection, the event loop, and the files of
/// `/proc` that are read one at a time.
const RESERVE: usize = 64;

/// The filesystem.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) options: Options,
    pub(crate) kernel: KernelTells,
    pub(crate) has_threads: bool,
    pub(crate) is_root: bool,
    pub(crate) replies: Replies,
    pub(crate) departures: Departures,
    pub(crate) mounted: (u64, u32),
    /// How many processes can be held.
    capacity: usize,
    state: Mutex<State>,
}

/// What changes.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) entries: Entries,
    pub(crate) files: HashMap<u64, File>,
    /// Reads that wait, by the number of their request.
    pub(crate) blocked: HashMap<u64, Blocked>,
    pub(crate) quota: Quota,
    pub(crate) generation: Generation,
    pub(crate) last_file: u64,
    /// A watch was given up, whose descriptor is closed once its task gets its turn.
    pub(crate) gave_up: bool,
}

/// Messages to send once the state is unlocked.
pub(crate) type Outbox = Vec<Vec<u8>>;

impl Server {
    pub(crate) fn new(options: Options, replies: Replies, departures: Departures) -> Self {
        use exithand::probe::{Feature, one};
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        Self {
            options,
            kernel: KernelTells::probe(),
            has_threads: one(Feature::Thread).is_yes(),
            is_root: rustix::process::geteuid().is_root(),
            replies,
            departures,
            mounted: (
                u64::try_from(now.tv_sec).unwrap_or(0),
                u32::try_from(now.tv_nsec).unwrap_or(0),
            ),
            capacity: capacity(),
            state: Mutex::default(),
        }
    }

    /// Locks the state. What a panicking task left behind is as good as the next event makes it.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn send_all(&self, outbox: Outbox) {
        for message in outbox {
            self.replies.send(&message);
        }
    }

    /// Makes sure that the process of an entry is held, and has not gone.
    ///
    /// # Errors
    ///
    /// `ENOENT`: it has. `EMFILE`: the server has no descriptor left.
    pub(crate) fn ensure_watch(self: &Arc<Self>, state: &mut State, key: Key) -> Result<(), Errno> {
        let entry = state.entries.get(key).ok_or(Errno::NOENT)?;
        if let Some(watch) = &entry.watch {
            return match watch.handle.get_ref().state() {
                Ok(ProcessState::Reaped) | Err(_) => Err(Errno::NOENT),
                Ok(_) => Ok(()),
            };
        }
        let (token, of, number) = (entry.token, entry.of, entry.number);
        self.make_room(state)?;
        let handle = self.with_room(state, || match of {
            Of::Process => ExitHandle::open_token(&token),
            Of::Thread => ExitHandle::open_thread(number),
        })?;
        if handle.token() != token {
            return Err(Errno::NOENT);
        }
        self.watch(state, key, handle)
    }

    /// Begins to follow the process of an entry.
    pub(crate) fn watch(
        self: &Arc<Self>,
        state: &mut State,
        key: Key,
        handle: ExitHandle,
    ) -> Result<(), Errno> {
        let handle = AsyncExitHandle::new(handle).map_err(|error| errno(&error))?;
        let handle = Arc::new(handle);
        let task = tokio::spawn(follow(Arc::downgrade(self), key, Arc::clone(&handle)));
        let watch = Watch {
            handle,
            task: task.abort_handle(),
            ending: None,
        };
        state.entries.watch(key, watch);
        Ok(())
    }

    /// Watches the process of a directory, so that its end is told to those who watch that, if the
    /// share of the descriptors that is for directories lasts.
    pub(crate) fn watch_directory(
        self: &Arc<Self>,
        state: &mut State,
        key: Key,
        handle: ExitHandle,
    ) {
        if state.entries.idle() >= self.capacity / 4 {
            self.give_up_oldest(state);
        }
        // Without a watch the directory is as good; only its end is not announced.
        if state.entries.watched() >= self.capacity {
            return;
        }
        self.watch(state, key, handle).unwrap_or_default();
    }

    /// Opens a handle for the time of a request, which the reserve has room for, or at the price of
    /// directories' watches.
    pub(crate) fn with_room(
        &self,
        state: &mut State,
        open: impl Fn() -> Result<ExitHandle, HandleError>,
    ) -> Result<ExitHandle, Errno> {
        loop {
            match open().map_err(|error| errno(&error)) {
                Err(Errno::MFILE | Errno::NFILE) if self.give_up_oldest(state) => {}
                opened => return opened,
            }
        }
    }

    /// Makes sure that one more process can be held, at the price of a directory's watch if need be.
    fn make_room(&self, state: &mut State) -> Result<(), Errno> {
        if state.entries.watched() < self.capacity || self.give_up_oldest(state) {
            Ok(())
        } else {
            Err(Errno::MFILE)
        }
    }

    /// Stops watching the directory that was used longest ago, and has the kernel forget it.
    fn give_up_oldest(&self, state: &mut State) -> bool {
        let Some(key) = state.entries.give_up_oldest() else {
            return false;
        };
        state.gave_up = true;
        if let Some(entry) = state.entries.get(key) {
            self.departures.forget(&state.entries, entry);
        }
        true
    }

    /// Has the kernel told that the process of an entry is gone.
    pub(crate) fn depart(&self, state: &mut State, key: Key) {
        if let Some(entry) = state.entries.get_mut(key)
            && entry.departure == Departure::NotTold
        {
            entry.departure = Departure::Underway;
        } else {
            return;
        }
        if let Some(entry) = state.entries.get(key) {
            self.departures.delete(&state.entries, entry, key);
        }
    }

    /// Looks at a process that is not known to have ended, and updates what is known of one that is.
    pub(crate) fn refresh(self: &Arc<Self>, state: &mut State, key: Key, outbox: &mut Outbox) {
        let Some(watch) = state.entries.get(key).and_then(|it| it.watch.as_ref()) else {
            return;
        };
        let seen = watch.handle.get_ref().state();
        match seen {
            Ok(ProcessState::Alive) | Err(_) => {}
            Ok(seen) => self.note_end(state, key, seen == ProcessState::Reaped, outbox),
        }
    }
}

/// How many processes can be held: the limit of descriptors, as it is when the server starts.
fn capacity() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    limit.unwrap_or(usize::MAX).saturating_sub(RESERVE).max(8)
}

/// Says whether the process of an entry is gone, and its directory with it.
pub(crate) fn is_gone(state: &State, key: Key) -> bool {
    let Some(entry) = state.entries.get(key) else {
        return true;
    };
    match (&entry.watch, entry.of) {
        (Some(watch), _) => is_reaped(watch.handle.get_ref()),
        (None, Of::Process) => {
            ExitHandle::open_token(&entry.token).is_err_and(|error| error.is_gone())
        }
        (None, Of::Thread) => ExitHandle::open_thread(entry.number).map_or_else(
            |error| error.is_gone(),
            |found| found.token() != entry.token,
        ),
    }
}

/// Says whether the process behind a handle has been reaped.
pub(crate) fn is_reaped(handle: &ExitHandle) -> bool {
    matches!(handle.state(), Ok(ProcessState::Reaped))
}

/// Returns what a caller is told of a handle that could not be opened.
pub(crate) fn errno(error: &HandleError) -> Errno {
    match error {
        HandleError::NoSuchProcess(_)
        | HandleError::IsThread { .. }
        | HandleError::Ended(_)
        | HandleError::OtherBoot(_) => Errno::NOENT,
        error => error.errno(),
    }
}

/// Says whether a part is a file that waits.
pub(crate) fn waits(part: Part) -> bool {
    matches!(part, Part::Exithand | Part::Siginfo | Part::Outcome)
}
