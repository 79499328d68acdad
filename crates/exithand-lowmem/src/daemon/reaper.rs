//! The threads that kill: signal and release of memory with nothing in between.
//!
//! They are started, and their stacks touched, before they are needed. A victim gives up its memory
//! within microseconds of the signal, after which `process_mrelease` has nothing to take hold of and
//! the victim, however low its priority, tears down alone; so the next call comes at once.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use exithand::{ExitHandle, Signal};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use super::clock::now;
use super::ignore;
use crate::candidate::Identity;
use crate::record::Release;

/// The most jobs that wait, and reports that were not read.
const ROOM: usize = 64;
/// The most threads.
const MOST_THREADS: usize = 4;
const STACK_BYTES: usize = 64 << 10;

/// Something to be done to a victim.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) slot: usize,
    pub(super) identity: Identity,
    pub(super) handle: ExitHandle,
    /// What to send first; `None` to only release memory.
    pub(super) signal: Option<Signal>,
    /// Whether to release memory.
    pub(super) then: Then,
}

/// What follows the signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Its memory is released.
    Release,
    /// Nothing: the program may want it to tidy up.
    Nothing,
}

/// How a job went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    pub(super) slot: usize,
    pub(super) identity: Identity,
    /// Whether the signal was sent.
    pub(super) sent: Result<(), Errno>,
    pub(super) release: Release,
    pub(super) done_at: Duration,
}

#[derive(Debug)]
struct Tables {
    jobs: [Option<Job>; ROOM],
    reports: [Option<Report>; ROOM],
    is_over: bool,
}

/// The threads, and what they share with the loop.
#[derive(Debug)]
pub(super) struct Reapers {
    tables: Mutex<Tables>,
    work: Condvar,
    /// Readable when there are reports.
    pub(super) bell: OwnedFd,
    /// How many threads there are.
    pub(super) threads: usize,
}

impl Reapers {
    /// Starts one thread for each CPU, and no more than four.
    ///
    /// # Errors
    ///
    /// Out of threads or descriptors.
    pub(super) fn start() -> io::Result<Arc<Self>> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let reapers = Arc::new(Self {
            tables: Mutex::new(Tables {
                jobs: [const { None }; ROOM],
                reports: [None; ROOM],
                is_over: false,
            }),
            work: Condvar::new(),
            bell: eventfd(0, flags)?,
            threads: cpus.clamp(1, MOST_THREADS),
        });
        for _ in 0..reapers.threads {
            let shared = Arc::clone(&reapers);
            let thread = Builder::new().name("reaper".to_owned());
            thread
                .stack_size(STACK_BYTES)
                .spawn(move || shared.work())?;
        }
        Ok(reapers)
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a job to the next free thread. Says whether there was room.
    pub(super) fn give(&self, job: Job) -> bool {
        let mut tables = self.lock();
        let Some(place) = tables.jobs.iter_mut().find(|it| it.is_none()) else {
            return false;
        };
        *place = Some(job);
        drop(tables);
        self.work.notify_one();
        true
    }

    /// Takes a report.
    pub(super) fn take_report(&self) -> Option<Report> {
        self.lock().reports.iter_mut().find_map(Option::take)
    }

    /// Takes notice of the bell.
    pub(super) fn clear_bell(&self) {
        // Nothing to read means that it was cleared already.
        ignore(rustix::io::read(&self.bell, &mut [0; 8]));
    }

    /// Ends the threads once they have nothing to do.
    pub(super) fn finish(&self) {
        self.lock().is_over = true;
        self.work.notify_all();
    }

    fn work(&self) {
        // Where it is not allowed the thread works as it is.
        ignore(rustix::process::setpriority_process(
            Some(rustix::thread::gettid()),
            -20,
        ));
        loop {
            let mut tables = self.lock();
            let job = loop {
                if let Some(job) = tables.jobs.iter_mut().find_map(Option::take) {
                    break job;
                }
                if tables.is_over {
                    return;
                }
                tables = self
                    .work
                    .wait(tables)
                    .unwrap_or_else(PoisonError::into_inner);
            };
            drop(tables);
            let report = carry_out(&job);
            drop(job);
            let mut tables = self.lock();
            if let Some(place) = tables.reports.iter_mut().find(|it| it.is_none()) {
                *place = Some(report);
            }
            drop(tables);
            // It cannot overflow, and whatever else fails, the handle still tells the end.
            ignore(rustix::io::write(&self.bell, &1_u64.to_ne_bytes()));
        }
    }
}

fn carry_out(job: &Job) -> Report {
    let sent = match job.signal {
        Some(signal) => job.handle.send_signal(signal),
        None => Ok(()),
    };
    let release = match (&sent, job.then) {
        (Ok(()), Then::Release) => match job.handle.release_memory() {
            Ok(()) => Release::Freed,
            Err(error) => match error.errno() {
                Errno::AGAIN => Release::Partly,
                Errno::SRCH => Release::TooLate,
                Errno::INVAL => Release::Shared,
                Errno::OPNOTSUPP | Errno::NOSYS => Release::Unsupported,
                _ => Release::Refused,
            },
        },
        _ => Release::NotTried,
    };
    Report {
        slot: job.slot,
        identity: job.identity,
        sent: sent.map_err(|error| error.errno()),
        release,
        done_at: now(),
    }
}
