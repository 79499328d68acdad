//! Lets an allocator serve a workload.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::ledger::{Kind, Ledger};
use crate::{Allocator, Number, Report, Rng, Workload};

/// Runs `workload` on `allocator` for `length`, and watches what pollers with these `intervals`,
/// each at most half of `length`, would make of it.
///
/// The same `seed` gives the same processes, whatever the allocator. Only ends in the second quarter
/// of the run are watched: in the first the machine settles, and the second half is there for their
/// numbers to come again.
pub fn simulate(
    allocator: &mut dyn Allocator,
    workload: &Workload,
    intervals: &[Duration],
    length: Duration,
    seed: u64,
) -> Report {
    let mut run = Run {
        allocator,
        workload,
        rng: Rng::new(seed),
        ledger: Ledger::new(intervals, length),
        agenda: BinaryHeap::new(),
        planned: 0,
        started: 0,
        failed: 0,
    };
    for _ in 0..workload.services {
        run.start(Kind::Service, Duration::ZERO);
    }
    let first = workload.next_job(&mut run.rng);
    run.plan(first, Event::Job);
    run.plan(workload.storm.map(|it| it.every), Event::Storm);
    run.until(length)
}

struct Run<'a> {
    allocator: &'a mut dyn Allocator,
    workload: &'a Workload,
    rng: Rng,
    ledger: Ledger<'a>,
    agenda: BinaryHeap<Reverse<Planned>>,
    planned: u64,
    started: u64,
    failed: u64,
}

/// What happens when; what is planned first comes first at the same time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Planned {
    at: Duration,
    order: u64,
    event: Event,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A job starts, and the next one is planned.
    Job,
    Storm,
    End {
        number: Number,
        kind: Kind,
        since: Duration,
    },
}

impl Run<'_> {
    fn until(mut self, length: Duration) -> Report {
        while let Some(Reverse(Planned { at, event, .. })) = self.agenda.pop() {
            match event {
                Event::End { number, since, .. } if at > length => {
                    self.ledger.had(number, since, length);
                }
                _ if at > length => {}
                event => self.happen(at, event),
            }
        }
        self.ledger.close(self.started, self.failed)
    }

    fn happen(&mut self, now: Duration, event: Event) {
        match event {
            Event::Job => {
                self.start(Kind::Job, now);
                let gap = self.workload.next_job(&mut self.rng);
                self.plan(gap.map(|gap| now + gap), Event::Job);
            }
            Event::Storm => {
                if let Some(storm) = self.workload.storm {
                    for _ in 0..storm.jobs {
                        self.start(Kind::Job, now);
                    }
                    self.plan(Some(now + storm.every), Event::Storm);
                }
            }
            Event::End {
                number,
                kind,
                since,
            } => {
                self.allocator.free(number);
                self.ledger.had(number, since, now);
                self.ledger.freed(number, kind, now, self.started);
                if kind == Kind::Service {
                    self.start(kind, now);
                }
            }
        }
    }

    fn start(&mut self, kind: Kind, now: Duration) {
        let life = match kind {
            Kind::Job => self.workload.job_life,
            Kind::Service => self.workload.service_life,
        };
        let life = life.draw(&mut self.rng);
        let Ok(number) = self.allocator.allocate() else {
            self.failed += 1;
            return;
        };
        self.ledger.taken(number, now, self.started);
        self.started += 1;
        let end = Event::End {
            number,
            kind,
            since: now,
        };
        self.plan(Some(now + life), end);
    }

    fn plan(&mut self, at: Option<Duration>, event: Event) {
        if let Some(at) = at {
            self.planned += 1;
            self.agenda.push(Reverse(Planned {
                at,
                order: self.planned,
                event,
            }));
        }
    }
}
