//! Hands events to the store, from a thread of its own: disks are slow, and exits do not wait.
//!
//! Events wait in memory, up to [`QUEUE_MAX_BYTES`]; what does not fit is lost, counted, and becomes
//! a gap as soon as there is room again. A store that could not be opened is opened again as long as
//! something waits for it. What an open store refuses is lost; it makes a gap of that itself.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::{Event, ExitRecord, Gap, LossCause, WallTime};

/// How much may wait for the store.
pub const QUEUE_MAX_BYTES: u64 = 8 << 20;
/// How long an event waits for others, so that they are written together.
const BATCH_TIME: Duration = Duration::from_secs(1);
/// How many are written together without waiting for more.
const BATCH_MAX: usize = 4096;

/// How long an idle recorder waits before it notes that it is still there.
const ALIVE_TIME: Duration = Duration::from_mins(1);
/// How many events the store takes all or none of.
pub const APPEND_MAX: usize = 1024;

/// A store that events are written to.
pub trait Keep: Send {
    /// Writes at most [`APPEND_MAX`] events, all or none. Makes a gap of what it could not write,
    /// later.
    ///
    /// # Errors
    ///
    /// Says for people what is wrong and what helps.
    fn append(&mut self, events: &[Event]) -> Result<(), String>;

    /// Notes that the history is complete up to now.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    fn mark_alive(&mut self) -> Result<(), String>;

    /// Closes in good order.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    fn end(self: Box<Self>) -> Result<(), String>;
}

/// Opens a store, again if it could not be before.
pub type OpenStore = Box<dyn FnMut() -> Result<Box<dyn Keep>, String> + Send>;

/// Says something to the administrator.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// The way to the store's thread.
pub struct Keeper {
    /// `None` once finished.
    jobs: Option<Sender<Job>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// What did not fit, until it is told.
    overflow: Option<Gap>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("overflow", &self.overflow)
            .finish_non_exhaustive()
    }
}

/// What both sides see.
#[derive(Debug, Default)]
struct Shared {
    queued_bytes: AtomicU64,
    queued_events: AtomicU64,
    /// When the oldest that waits ended, in nanoseconds since 1970; 0 if none waits.
    oldest_ns: AtomicI64,
    /// How many exits the store did not take.
    refused: AtomicU64,
    error: Mutex<Option<String>>,
}

impl Shared {
    /// Notes when an event that waits ended, unless older ones wait.
    fn note_oldest(&self, unix_ns: i64) {
        let oldest = &self.oldest_ns;
        let _older = oldest.compare_exchange(0, unix_ns, Ordering::Relaxed, Ordering::Relaxed);
    }
}

enum Job {
    Events(Vec<Event>),
    Flush(oneshot::Sender<()>),
}

impl Keeper {
    /// Starts the thread, which opens the store first.
    ///
    /// # Errors
    ///
    /// Where the system allows no further thread.
    pub fn start(open: OpenStore, say: Say) -> std::io::Result<Self> {
        let (jobs, inbox) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            open,
            store: None,
            waiting: Vec::new(),
            shared: Arc::clone(&shared),
            say,
        };
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(&inbox))?;
        Ok(Self {
            jobs: Some(jobs),
            shared,
            thread: Some(thread),
            overflow: None,
        })
    }

    /// Takes events over, in order; returns how many exits are lost because too much waits already.
    pub fn push(&mut self, mut events: Vec<Event>) -> u64 {
        let bytes: u64 = events.iter().map(weight).sum();
        let queued = self.shared.queued_bytes.load(Ordering::Relaxed);
        if queued > 0 && queued + bytes > QUEUE_MAX_BYTES {
            return self.overflow(&events);
        }
        if let Some(gap) = self.overflow.take() {
            events.insert(0, Event::Gap(gap));
        }
        let Some(first) = events.first() else {
            return 0;
        };
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        let first_ns = time_of(first).unix_ns;
        let shared = &self.shared;
        shared.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        shared.queued_events.fetch_add(count, Ordering::Relaxed);
        shared.note_oldest(first_ns);
        // Without a thread all is lost: it ends when told, or by a panic.
        if self.send(Job::Events(events)) {
            0
        } else {
            count
        }
    }

    /// Says whether the thread is there to take the job.
    fn send(&self, job: Job) -> bool {
        self.jobs.as_ref().is_some_and(|it| it.send(job).is_ok())
    }

    fn overflow(&mut self, events: &[Event]) -> u64 {
        let lost = exits_in(events);
        if let (Some(first), Some(last)) = (events.first(), events.last()) {
            let gap = self.overflow.get_or_insert(Gap {
                from: time_of(first),
                to: time_of(last),
                lost: Some(0),
                cause: LossCause::StoreBehind,
            });
            gap.to = gap.to.max(time_of(last));
            // Losses that came in as gaps are part of this one now.
            let more = lost + events.iter().map(lost_before).sum::<u64>();
            gap.lost = gap.lost.map(|count| count.saturating_add(more));
        }
        lost
    }

    /// Returns what ends once everything handed over so far is in the store, or was tried.
    pub fn flush(&self) -> oneshot::Receiver<()> {
        let (done, flushed) = oneshot::channel();
        // Where the thread is gone, the receiver ends at once.
        self.send(Job::Flush(done));
        flushed
    }

    /// Returns how many events wait.
    pub fn pending(&self) -> u64 {
        self.shared.queued_events.load(Ordering::Relaxed)
    }

    /// Returns when the oldest that waits ended.
    pub fn oldest_pending(&self) -> Option<WallTime> {
        match self.shared.oldest_ns.load(Ordering::Relaxed) {
            0 => None,
            unix_ns => Some(WallTime { unix_ns }),
        }
    }

    /// Returns how many exits the store did not take.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Returns what is wrong with the store, if something is.
    pub fn error(&self) -> Option<String> {
        lock(&self.shared.error).clone()
    }

    /// Writes what waits, and closes the store. What comes later is lost.
    pub fn finish(&mut self) {
        if let Some(gap) = self.overflow.take() {
            self.send(Job::Events(vec![Event::Gap(gap)]));
        }
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was printed there.
            drop(thread.join());
        }
    }
}

/// The thread's side.
struct Writer {
    open: OpenStore,
    store: Option<Box<dyn Keep>>,
    waiting: Vec<Event>,
    shared: Arc<Shared>,
    say: Say,
}

impl Writer {
    fn run(mut self, inbox: &Receiver<Job>) {
        self.ensure_open();
        let mut write_at = Instant::now();
        loop {
            let until = if self.waiting.is_empty() {
                // Next to nothing to do wakes next to nobody.
                Instant::now() + ALIVE_TIME
            } else {
                write_at
            };
            match inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Job::Events(events)) => {
                    if self.waiting.is_empty() {
                        write_at = Instant::now() + BATCH_TIME;
                    }
                    self.take(events);
                }
                Ok(Job::Flush(done)) => {
                    self.write();
                    let _asker_is_gone = done.send(());
                }
                Err(RecvTimeoutError::Timeout) if self.waiting.is_empty() => self.mark_alive(),
                Err(RecvTimeoutError::Timeout) => {
                    self.write();
                    write_at = Instant::now() + BATCH_TIME;
                }
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
        }
    }

    fn take(&mut self, events: Vec<Event>) {
        self.waiting.extend(events);
        if let Some(oldest) = self.waiting.first() {
            self.shared.note_oldest(time_of(oldest).unix_ns);
        }
        if self.waiting.len() >= BATCH_MAX && self.store.is_some() {
            self.write();
        }
    }

    fn ensure_open(&mut self) -> bool {
        if self.store.is_none() {
            match (self.open)() {
                Ok(store) => self.store = Some(store),
                Err(error) => self.complain(error),
            }
        }
        self.store.is_some()
    }

    fn write(&mut self) {
        if self.waiting.is_empty() || !self.ensure_open() {
            return;
        }
        let Some(store) = &mut self.store else {
            return;
        };
        let mut failed = None;
        for events in self.waiting.chunks(APPEND_MAX) {
            if let Err(error) = store.append(events) {
                let refused = &self.shared.refused;
                refused.fetch_add(exits_in(events), Ordering::Relaxed);
                failed = Some(error);
            }
        }
        self.note_written();
        self.note(failed);
    }

    fn mark_alive(&mut self) {
        if let Some(store) = &mut self.store {
            let marked = store.mark_alive();
            self.note(marked.err());
        }
    }

    fn end(mut self) {
        self.write();
        if let Some(store) = self.store.take() {
            let ended = store.end();
            self.note(ended.err());
        }
    }

    fn note_written(&mut self) {
        let bytes: u64 = self.waiting.iter().map(weight).sum();
        let count = u64::try_from(self.waiting.len()).unwrap_or_default();
        self.waiting.clear();
        self.waiting.shrink_to(APPEND_MAX);
        let shared = &self.shared;
        shared.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
        shared.queued_events.fetch_sub(count, Ordering::Relaxed);
        shared.oldest_ns.store(0, Ordering::Relaxed);
    }

    fn note(&self, failed: Option<String>) {
        match failed {
            Some(error) => self.complain(error),
            None if lock(&self.shared.error).take().is_some() => {
                (self.say)("the store takes records again");
            }
            None => {}
        }
    }

    /// Says what is wrong, once for each way in which it is wrong.
    fn complain(&self, error: String) {
        let mut known = lock(&self.shared.error);
        if known.as_ref() != Some(&error) {
            (self.say)(&format!(
                "{error}; what cannot be stored is lost, counted, and becomes a gap in the history"
            ));
        }
        *known = Some(error);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns when an event happened.
pub(crate) fn time_of(event: &Event) -> WallTime {
    match event {
        Event::Exit(record) => record.ended,
        Event::Gap(gap) => gap.to,
    }
}

fn exits_in(events: &[Event]) -> u64 {
    let exits = events.iter().filter(|it| matches!(it, Event::Exit(_)));
    u64::try_from(exits.count()).unwrap_or(u64::MAX)
}

fn lost_before(event: &Event) -> u64 {
    match event {
        Event::Exit(_) => 0,
        Event::Gap(gap) => gap.lost.unwrap_or_default(),
    }
}

/// Estimates what an event takes up in memory.
pub(crate) fn weight(event: &Event) -> u64 {
    let fixed = size_of::<Event>() + size_of::<ExitRecord>();
    let text = match event {
        Event::Exit(record) => {
            let argv = record.argv.as_ref();
            let words = argv.map_or(0, |it| it.words.iter().map(|word| 24 + word.len()).sum());
            let place = &record.place;
            let names = [&record.exe, &place.cgroup];
            words
                + names
                    .iter()
                    .map(|it| it.as_ref().map_or(0, |it| it.len()))
                    .sum::<usize>()
        }
        Event::Gap(_) => 0,
    };
    u64::try_from(fixed + text).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
