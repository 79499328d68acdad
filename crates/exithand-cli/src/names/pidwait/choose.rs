//! Finds the processes that match, and opens them.

use std::io;

use exithand::{Errno, Error, ExitHandle, Pid, State};
use rustix::process::{Resource, getrlimit};

use super::extras::Extras;
use crate::select::{Detail, Facts, Pick, Selected, Selector, Sense, Table, matches, scan};

/// Which processes are meant.
#[derive(Debug, Default)]
pub(super) struct Criteria {
    /// What the rest of the command selects by too; all of it must be met.
    pub(super) selector: Selector,
    /// What only `pidwait` selects by; all of it must be met as well.
    pub(super) extras: Extras,
    /// Whether those are meant that meet it all, or the others.
    pub(super) sense: Sense,
    /// Which of them.
    pub(super) pick: Pick,
}

/// Why the processes that match could not all be opened.
#[derive(Debug)]
pub(super) enum Problem {
    /// `/proc` cannot be read.
    Proc(io::Error),
    /// A process that has not ended cannot be opened.
    Open {
        pid: Pid,
        error: Error,
        /// How many processes match.
        matching: usize,
    },
}

impl Criteria {
    /// Opens the processes that match, each looked at again while it was held.
    ///
    /// Those that were reaped meanwhile are left out, and no others.
    ///
    /// # Errors
    ///
    /// [`Problem`].
    pub(super) fn open_matching(&self) -> Result<Vec<Selected>, Problem> {
        let table = scan(self.detail()).map_err(Problem::Proc)?;
        let candidates = self.candidates(&table);
        let enough = match self.pick {
            Pick::All => usize::MAX,
            Pick::Newest | Pick::Oldest => 1,
        };
        let matching = candidates.len().min(enough);
        candidates
            .into_iter()
            .filter_map(|before| self.open(before, &table, matching).transpose())
            .take(enough)
            .collect()
    }

    fn detail(&self) -> Detail {
        if self.extras.cgroups.is_empty() {
            self.selector.detail()
        } else {
            Detail::Full
        }
    }

    /// Says whether this process is meant. Never our own.
    fn means(&self, facts: &Facts, table: &Table) -> bool {
        let anybody = Selector {
            ancestors: self.selector.ancestors,
            ..Selector::default()
        };
        let wanted = self.sense == Sense::Like;
        let is_like = || matches(&self.selector, facts, table) && self.extras.hold(facts);
        matches(&anybody, facts, table) && is_like() == wanted
    }

    /// Returns the processes that match, the one to be picked first.
    fn candidates<'a>(&self, table: &'a Table) -> Vec<&'a Facts> {
        let mut found: Vec<&Facts> = table.iter().filter(|it| self.means(it, table)).collect();
        // `table` goes by pid, so of two that started in one tick the higher pid is the newer.
        match self.pick {
            Pick::All => {}
            Pick::Oldest => found.sort_by_key(|facts| facts.start_ticks),
            Pick::Newest => {
                found.sort_by_key(|facts| facts.start_ticks);
                found.reverse();
            }
        }
        found
    }

    /// Opens a process and makes sure that it is the one that matched, and still does.
    fn open(
        &self,
        before: &Facts,
        table: &Table,
        matching: usize,
    ) -> Result<Option<Selected>, Problem> {
        let failed = |error| Problem::Open {
            pid: before.pid,
            error,
            matching,
        };
        let handle = match ExitHandle::open(before.pid) {
            // It was a process when `/proc` was read, so that one is gone.
            Err(Error::IsThread { .. }) => return Ok(None),
            Err(error) if error.is_gone() => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let now = Facts::read(before.pid, self.detail()).map_err(|error| {
            match Errno::from_io_error(&error) {
                // The handles took what reading needs.
                Some(errno @ (Errno::MFILE | Errno::NFILE)) => failed(too_many_files(errno)),
                _ => Problem::Proc(error),
            }
        })?;
        let Some(now) = now.filter(|now| now.start_ticks == before.start_ticks) else {
            return Ok(None);
        };
        let facts = Facts {
            // A parent that ended meanwhile has not changed whose child this one is.
            ppid: before.ppid,
            ..now
        };
        let matches = self.means(&facts, table);
        // Asked after reading: as long as it is not reaped, what was read is about this process.
        let reaped = handle.state().map_err(failed)? == State::Reaped;
        Ok((matches && !reaped).then_some(Selected { handle, facts }))
    }
}

fn too_many_files(errno: Errno) -> Error {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    Error::TooManyFiles { limit, errno }
}
