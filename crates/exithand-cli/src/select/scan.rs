//! Reads all processes, and opens those that are meant.

use std::io;
use std::time::Duration;

use exithand::{ExitHandle, State};
use procfs::process::{Process, all_processes};
use rustix::process::{Pid, getpid};
use rustix::time::{ClockId, clock_gettime};

use super::facts::{found, to_io};
use super::selector::candidates;
use super::{Clock, Detail, Facts, Pick, Selector, Table, matches};

/// A process that was chosen, held so that nothing can take its place.
#[derive(Debug)]
pub struct Selected {
    /// The process.
    pub handle: ExitHandle,
    /// What is known of it, read while `handle` held it.
    pub facts: Facts,
}

/// Why the processes that are meant could not all be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// `/proc` could not be read.
    #[error("cannot read the processes from /proc")]
    Scan(#[source] io::Error),
    /// A process matched, and then could no longer be read though it has not ended.
    #[error(
        "process {} matched, and is now hidden in /proc (hidepid): run as its user or as root",
        .0.as_raw_nonzero()
    )]
    Hidden(Pid),
    /// A process could not be opened, though it has not ended.
    #[error(transparent)]
    Handle(#[from] exithand::Error),
}

/// Reads all processes from `/proc`. Those that end meanwhile, or are hidden from us, are left out.
///
/// # Errors
///
/// `EMFILE`, `ENFILE`: out of descriptors. `ENOENT`: `/proc` is not mounted. Also where `/proc` is
/// that of another pid namespace, whose numbers are not ours.
pub fn scan(detail: Detail) -> io::Result<Table> {
    check_namespace()?;
    let mut processes = Vec::new();
    for process in all_processes().map_err(to_io)? {
        let facts = process.map_err(to_io).and_then(|it| Facts::of(&it, detail));
        processes.extend(found(facts)?);
    }
    // Taken last, so that no process is younger than nothing.
    Ok(Table::new(processes, getpid(), now()))
}

fn check_namespace() -> io::Result<()> {
    let own = Process::myself().map_err(to_io);
    match found(own)? {
        Some(own) if own.pid == getpid().as_raw_nonzero().get() => Ok(()),
        _ => Err(io::Error::other(
            "/proc is not mounted, or is that of another pid namespace: mount it anew",
        )),
    }
}

fn now() -> Clock {
    let now = clock_gettime(ClockId::Boottime);
    let since_boot = Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    );
    Clock {
        since_boot,
        ticks_per_second: procfs::ticks_per_second(),
    }
}

/// Opens the processes that are meant, each verified: it was looked at again while its handle held
/// it, and is still what the selector means.
///
/// A process that has ended and was reaped meanwhile is left out, and so is one that is no longer
/// like the selector, for instance after an `exec`. The newest or oldest is picked from the others.
///
/// # Errors
///
/// Never returns fewer than were found: what cannot be opened or read, and has not ended, is an
/// error.
pub fn open_matching(selector: &Selector) -> Result<Vec<Selected>, OpenError> {
    let table = scan(selector.detail()).map_err(OpenError::Scan)?;
    let system = Proc {
        detail: selector.detail(),
    };
    let opened = open_verified(selector, &table, &system)?;
    let selected = |(handle, facts)| Selected { handle, facts };
    Ok(opened.into_iter().map(selected).collect())
}

/// What verifying needs of the system; the tests put their own in its place.
trait System {
    type Handle;
    /// Opens a process; `None` if there is none.
    fn open(&self, pid: Pid) -> Result<Option<Self::Handle>, OpenError>;
    /// Reads a process; `None` if there is none, or it is hidden.
    fn facts(&self, pid: Pid) -> Result<Option<Facts>, OpenError>;
    /// Says whether the pid may already be another process's.
    fn is_reaped(&self, handle: &Self::Handle) -> Result<bool, OpenError>;
}

struct Proc {
    detail: Detail,
}

impl System for Proc {
    type Handle = ExitHandle;

    fn open(&self, pid: Pid) -> Result<Option<ExitHandle>, OpenError> {
        match ExitHandle::open(pid) {
            Ok(handle) => Ok(Some(handle)),
            Err(error) if error.is_gone() => Ok(None),
            // It was a process when `/proc` was read, so that one is gone.
            Err(exithand::Error::IsThread { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn facts(&self, pid: Pid) -> Result<Option<Facts>, OpenError> {
        Facts::read(pid, self.detail).map_err(OpenError::Scan)
    }

    fn is_reaped(&self, handle: &ExitHandle) -> Result<bool, OpenError> {
        Ok(handle.state()? == State::Reaped)
    }
}

fn open_verified<S: System>(
    selector: &Selector,
    table: &Table,
    system: &S,
) -> Result<Vec<(S::Handle, Facts)>, OpenError> {
    let enough = match selector.pick {
        Pick::All => usize::MAX,
        Pick::Newest | Pick::Oldest => 1,
    };
    candidates(selector, table)
        .into_iter()
        .filter_map(|pid| verify(selector, table, system, pid).transpose())
        .take(enough)
        .collect()
}

fn verify<S: System>(
    selector: &Selector,
    table: &Table,
    system: &S,
    pid: Pid,
) -> Result<Option<(S::Handle, Facts)>, OpenError> {
    let Some(handle) = system.open(pid)? else {
        return Ok(None);
    };
    let facts = system.facts(pid)?;
    // Asked after reading: as long as it is not reaped, what was read is about this process.
    if system.is_reaped(&handle)? {
        return Ok(None);
    }
    let facts = facts.ok_or(OpenError::Hidden(pid))?;
    let Some(before) = table
        .get(pid)
        .filter(|it| it.start_ticks == facts.start_ticks)
    else {
        return Ok(None);
    };
    // A parent that ended meanwhile has not changed whose child or descendant this one is.
    let now = Facts {
        ppid: before.ppid,
        ..facts.clone()
    };
    Ok(matches(selector, &now, table).then_some((handle, facts)))
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
