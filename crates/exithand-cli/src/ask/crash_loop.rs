//! What is started again and again, and fails each time.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use exithand::Outcome;
use exithand_recorder::{ExitRecord, WallTime};

use super::amount::rough_ns;
use super::scene::Scene;
use super::tale::{program, shell_word};
use crate::text::printable;

/// How often something has to fail in a row to be called a loop.
const LEAST_TIMES: usize = 5;
/// What ran longer had come up.
pub const SHORT: Duration = Duration::from_mins(1);
/// What rests longer than this between two failures is no loop.
const LONGEST_REST_NS: u64 = 600 * 1_000_000_000;

/// A program that failed several times in a row, soon after its start each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashLoop {
    /// The name of the program.
    pub name: OsString,
    /// Its unit.
    pub unit: Option<String>,
    /// How often it failed.
    pub times: usize,
    /// When it failed first.
    pub first: WallTime,
    /// When it failed last.
    pub last: WallTime,
    /// The longest it ran.
    pub longest_ns: u64,
    /// How it failed last.
    pub outcome: Outcome,
}

/// Finds the loops in `records`, the largest first.
///
/// A loop is five failures or more, of one name in one unit and container and of one user, without
/// a success between them: each was started after the one before had failed, failed within a minute
/// of its start, and not later than ten minutes after the one before.
pub fn crash_loops(records: &[ExitRecord]) -> Vec<CrashLoop> {
    let mut by_age: Vec<&ExitRecord> = records.iter().collect();
    by_age.sort_by_key(|record| record.ended);
    let mut running: HashMap<Key<'_>, CrashLoop> = HashMap::new();
    let mut loops = Vec::new();
    for record in by_age {
        let key = key(record);
        let next = failed_early(record);
        let before = running.get(&key).map(|it| it.last);
        // What ran beside the one before was not started because that one failed.
        if next.is_some() && before.is_some_and(|end| is_beside(record, end)) {
            continue;
        }
        let goes_on = |it: &CrashLoop| {
            next.is_some() && record.ended.unix_ns.abs_diff(it.last.unix_ns) <= LONGEST_REST_NS
        };
        if let Some(known) = running.get_mut(&key).filter(|it| goes_on(it)) {
            known.times += 1;
            known.last = record.ended;
            known.outcome = record.outcome;
            known.longest_ns = known.longest_ns.max(next.unwrap_or(0));
        } else {
            loops.extend(running.remove(&key));
            if let Some(longest_ns) = next {
                running.insert(key, begin(record, longest_ns));
            }
        }
    }
    loops.extend(running.into_values());
    loops.retain(|it| it.times >= LEAST_TIMES);
    loops.sort_by(|one, other| {
        let rank = |it: &CrashLoop| (std::cmp::Reverse(it.times), it.first);
        rank(one).cmp(&rank(other))
    });
    loops
}

type Key<'a> = (&'a OsStr, Option<&'a str>, Option<&'a str>, Option<u32>);

fn key(record: &ExitRecord) -> Key<'_> {
    let place = &record.place;
    let container = place.container.as_deref();
    (&record.comm, place.unit.as_deref(), container, record.uid)
}

/// Says whether a process had started before `end`.
fn is_beside(record: &ExitRecord, end: WallTime) -> bool {
    let runtime = i64::try_from(record.runtime_ns.unwrap_or(0)).unwrap_or(i64::MAX);
    record.ended.unix_ns.saturating_sub(runtime) < end.unix_ns
}

/// Returns how long a process ran that failed soon after its start; `None` for all others.
fn failed_early(record: &ExitRecord) -> Option<u64> {
    let failed = record.outcome.is_known() && !record.outcome.success();
    let early = |runtime: &u64| Duration::from_nanos(*runtime) <= SHORT;
    record.runtime_ns.filter(early).filter(|_| failed)
}

fn begin(record: &ExitRecord, longest_ns: u64) -> CrashLoop {
    CrashLoop {
        name: record.comm.clone(),
        unit: record.place.unit.clone(),
        times: 1,
        first: record.ended,
        last: record.ended,
        longest_ns,
        outcome: record.outcome,
    }
}

impl CrashLoop {
    /// Says whether `record` is one of the failures.
    pub fn has(&self, record: &ExitRecord) -> bool {
        self.name == record.comm
            && self.unit == record.place.unit
            && (self.first..=self.last).contains(&record.ended)
            && failed_early(record).is_some()
    }

    /// Says it of one of the failures.
    pub fn sentence(&self, scene: &Scene) -> String {
        format!("It is in a crash loop: {}.", self.words(scene))
    }

    /// Says what fails, how often and how soon.
    pub fn words(&self, scene: &Scene) -> String {
        let unit = self.unit.as_deref().map_or_else(String::new, |unit| {
            format!(" of {}", printable(unit.as_bytes()))
        });
        format!(
            "{}{unit} failed {} times in a row between {} and {}, within {} of its start each time",
            program(&self.name),
            self.times,
            scene.local(self.first),
            scene.local(self.last),
            rough_ns(self.longest_ns),
        )
    }

    /// Returns the command that shows its history.
    pub fn command(&self) -> String {
        match &self.unit {
            Some(unit) => format!("exithand stats --unit {}", shell_word(OsStr::new(unit))),
            None => format!("exithand stats --name {}", shell_word(&self.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::scene::tests::at;
    use crate::ask::tale::tests::record;

    /// Records of `app` a minute apart: how each ended and for how many seconds it ran.
    fn app(ends: &[(u8, u64)]) -> Vec<ExitRecord> {
        let number = |place: usize| i64::try_from(place).unwrap();
        let one = |(place, (status, seconds)): (usize, &(u8, u64))| {
            let mut record = record("app", Outcome::Exited(*status));
            record.ended.unix_ns += number(place) * 60_000_000_000;
            record.runtime_ns = Some(seconds * 1_000_000_000);
            record
        };
        ends.iter().enumerate().map(one).collect()
    }

    #[test]
    fn failures_in_a_row_are_a_loop() {
        let found = crash_loops(&app(&[(1, 2), (1, 3), (1, 1), (2, 1), (3, 1)]));
        let [it] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!((it.times, it.longest_ns), (5, 3_000_000_000));
        assert_eq!(it.outcome, Outcome::Exited(3));
    }

    #[test]
    fn the_order_of_the_records_does_not_matter() {
        let mut records = app(&[(1, 1); 6]);
        let forwards = crash_loops(&records);
        records.reverse();
        assert_eq!(crash_loops(&records), forwards);
        assert!(forwards[0].has(&records[3]));
    }

    #[test]
    fn what_recovers_or_comes_up_is_no_loop() {
        for ends in [
            &[(1, 1), (1, 1), (0, 1), (1, 1), (1, 1)][..],
            &[(1, 1), (1, 1), (1, 61), (1, 1), (1, 1)],
            &[(0, 1), (0, 1), (0, 1), (0, 1), (0, 1)],
            &[(1, 1), (1, 1), (1, 1), (1, 1)],
        ] {
            assert_eq!(crash_loops(&app(ends)), [], "{ends:?}");
        }
    }

    #[test]
    fn what_ends_together_is_no_loop() {
        let mut records = app(&[(1, 30); 6]);
        for record in &mut records {
            record.ended = at("2026-11-24T12:42:07Z");
        }
        assert_eq!(crash_loops(&records), []);
        // Two workers that fail and are started again side by side are one loop.
        let mut pairs = app(&[(1, 2); 6]);
        pairs.extend(app(&[(1, 2); 6]));
        assert_eq!(crash_loops(&pairs)[0].times, 6);
    }

    #[test]
    fn others_and_long_rests_do_not_count() {
        let mut records = app(&[(1, 1); 6]);
        records[0].comm = "other".into();
        records[1].place.unit = Some("other.service".to_owned());
        assert_eq!(crash_loops(&records), []);
        let mut records = app(&[(1, 1); 6]);
        for record in &mut records[3..] {
            record.ended.unix_ns += 3_600_000_000_000;
        }
        assert_eq!(crash_loops(&records), []);
    }
}
