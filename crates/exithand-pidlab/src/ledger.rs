//! Who had which number when, as far as a poller would have to know.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use crate::report::Reuse;
use crate::{Number, Report};

/// A job or a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Job,
    Service,
}

/// Follows numbers from their free to their next uses.
#[derive(Debug)]
pub(crate) struct Ledger<'a> {
    /// The intervals of the pollers, and the longest of them.
    intervals: &'a [Duration],
    longest: Duration,
    /// Ends are watched once the machine has settled, and while enough of the run is left for their
    /// numbers to come again.
    watched: Range<Duration>,
    freed: HashMap<Number, Vec<Freed>>,
    jobs: Reuse,
    services: Reuse,
}

#[derive(Debug)]
struct Freed {
    at: Duration,
    /// How many processes had been started.
    started: u64,
    kind: Kind,
    came_again: bool,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(intervals: &'a [Duration], length: Duration) -> Self {
        let reuse = Reuse {
            fooled: vec![0.0; intervals.len()],
            ..Reuse::default()
        };
        Self {
            intervals,
            longest: intervals.iter().copied().max().unwrap_or_default(),
            watched: length / 4..length / 2,
            freed: HashMap::new(),
            jobs: reuse.clone(),
            services: reuse,
        }
    }

    /// A process started at `now` got `number`; `started` had been started before.
    pub(crate) fn taken(&mut self, number: Number, now: Duration, started: u64) {
        let Some(last) = self.freed.get_mut(&number).and_then(|it| it.last_mut()) else {
            return;
        };
        if !last.came_again {
            last.came_again = true;
            let reuse = of(&mut self.jobs, &mut self.services, last.kind);
            reuse.delays.push(now.saturating_sub(last.at));
            reuse.distances.push(started - last.started);
        }
    }

    /// The process that got `number` at `since` had it until `until`: a poller who waits for one
    /// that had it before may have seen it.
    pub(crate) fn had(&mut self, number: Number, since: Duration, until: Duration) {
        let Some(freed) = self.freed.get_mut(&number) else {
            return;
        };
        for watched in freed.iter() {
            let reuse = of(&mut self.jobs, &mut self.services, watched.kind);
            for (sum, interval) in reuse.fooled.iter_mut().zip(self.intervals) {
                let look_by = watched.at + *interval;
                let in_use = until.min(look_by).saturating_sub(since);
                *sum += in_use.as_secs_f64() / interval.as_secs_f64();
            }
        }
        freed.retain(|it| it.at + self.longest > until);
    }

    /// `number` was freed at `now`, when `started` had been started.
    pub(crate) fn freed(&mut self, number: Number, kind: Kind, now: Duration, started: u64) {
        if !self.watched.contains(&now) {
            return;
        }
        of(&mut self.jobs, &mut self.services, kind).ends += 1;
        self.freed.entry(number).or_default().push(Freed {
            at: now,
            started,
            kind,
            came_again: false,
        });
    }

    pub(crate) fn close(mut self, started: u64, failed: u64) -> Report {
        self.jobs.sort();
        self.services.sort();
        Report {
            started,
            failed,
            jobs: self.jobs,
            services: self.services,
        }
    }
}

fn of<'r>(jobs: &'r mut Reuse, services: &'r mut Reuse, kind: Kind) -> &'r mut Reuse {
    match kind {
        Kind::Job => jobs,
        Kind::Service => services,
    }
}
