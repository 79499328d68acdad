//! Exits of groups over time, from the tallies of a history.

use std::collections::HashMap;
use std::ffi::OsString;
use std::time::Duration;

use exithand_recorder::{Tally, WallTime};

/// How many columns a plot has at most.
pub const COLUMNS_MAX: u64 = 1000;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Stretches of time that people can add up, in seconds.
const ROUND: [u64; 16] = [
    1,
    5,
    10,
    30,
    MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    7 * DAY,
    28 * DAY,
    364 * DAY,
];

/// Chooses how long each stretch is, so that `columns` of them cover the time asked for.
pub fn bucket(since: WallTime, until: WallTime, columns: u64) -> Duration {
    let span = span(since, until);
    let fits = |seconds: &u64| count(span, Duration::from_secs(*seconds)) <= columns;
    let longest = ROUND[ROUND.len() - 1];
    Duration::from_secs(ROUND.into_iter().find(fits).unwrap_or(longest))
}

/// Says how many stretches cover the time asked for.
pub fn columns(since: WallTime, until: WallTime, bucket: Duration) -> u64 {
    count(span(since, until), bucket)
}

fn span(since: WallTime, until: WallTime) -> u64 {
    u64::try_from(until.unix_ns.saturating_sub(since.unix_ns)).unwrap_or(0)
}

/// One more than fit, since stretches begin at round times and not at `since`.
fn count(span_ns: u64, bucket: Duration) -> u64 {
    let bucket_ns = u64::try_from(bucket.as_nanos()).unwrap_or(u64::MAX).max(1);
    span_ns.div_ceil(bucket_ns).saturating_add(1)
}

/// What one group did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name; `None` for those that belong to none.
    pub name: Option<OsString>,
    /// How many ended.
    pub exits: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How many of them the kernel killed for want of memory.
    pub oom: u64,
    /// How many ended in each stretch of time.
    pub over_time: Vec<u64>,
}

/// Adds up the tallies of each group, the largest first; `name` may merge groups into one.
///
/// Tallies outside the stretches that begin at `first` count, and are not plotted.
pub fn groups(
    tallies: &[Tally],
    name: impl Fn(Option<&OsString>) -> Option<OsString>,
    grid: &Grid,
) -> Vec<Group> {
    let mut by_name: HashMap<Option<OsString>, Group> = HashMap::new();
    for tally in tallies {
        let name = name(tally.group.as_ref());
        let group = by_name.entry(name.clone()).or_insert_with(|| Group {
            name,
            exits: 0,
            failed: 0,
            oom: 0,
            over_time: vec![0; grid.columns],
        });
        group.exits += tally.exits;
        group.failed += tally.failed;
        group.oom += tally.oom;
        let column = tally.start.and_then(|start| grid.column(start));
        if let Some(count) = column.and_then(|at| group.over_time.get_mut(at)) {
            *count += tally.exits;
        }
    }
    let mut groups: Vec<Group> = by_name.into_values().collect();
    groups.sort_by(|one, other| {
        let rank = |it: &Group| std::cmp::Reverse(it.exits);
        rank(one)
            .cmp(&rank(other))
            .then_with(|| one.name.cmp(&other.name))
    });
    groups
}

/// The stretches of time of a plot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// When the first begins.
    pub first: WallTime,
    /// How long each is.
    pub bucket: Duration,
    /// How many there are.
    pub columns: usize,
}

impl Grid {
    /// Covers the time asked for; stretches begin at multiples of their length since 1970.
    pub fn new(since: WallTime, until: WallTime, bucket: Duration) -> Self {
        let bucket_ns = i64::try_from(bucket.as_nanos()).unwrap_or(i64::MAX).max(1);
        let first = WallTime {
            unix_ns: since
                .unix_ns
                .saturating_sub(since.unix_ns.rem_euclid(bucket_ns)),
        };
        let last_ns = until.unix_ns.saturating_sub(1).max(first.unix_ns);
        let columns = last_ns.saturating_sub(first.unix_ns) / bucket_ns + 1;
        let most = i64::try_from(COLUMNS_MAX).unwrap_or(i64::MAX);
        Self {
            first,
            bucket,
            columns: usize::try_from(columns.min(most)).unwrap_or(0),
        }
    }

    fn column(&self, start: WallTime) -> Option<usize> {
        let bucket_ns = i64::try_from(self.bucket.as_nanos())
            .ok()
            .filter(|it| *it > 0)?;
        let since_first = start.unix_ns.checked_sub(self.first.unix_ns)?;
        usize::try_from(since_first.div_euclid(bucket_ns)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: i64) -> WallTime {
        WallTime {
            unix_ns: seconds * 1_000_000_000,
        }
    }

    fn as_it_is(name: Option<&OsString>) -> Option<OsString> {
        name.cloned()
    }

    fn tally(start: i64, group: Option<&str>, exits: u64) -> Tally {
        Tally {
            start: Some(moment(start)),
            group: group.map(Into::into),
            exits,
            failed: 1,
            oom: 0,
        }
    }

    #[test]
    fn stretches_are_round_and_few() {
        for (seconds, bucket_seconds) in [
            (1, 1),
            (48, 1),
            (49, 5),
            (3_600, 5 * MINUTE),
            (86_400, 30 * MINUTE),
            (14 * 86_400, 12 * HOUR),
            (9_000_000_000, 364 * DAY),
        ] {
            let chosen = bucket(moment(0), moment(seconds), 49);
            assert_eq!(chosen.as_secs(), bucket_seconds, "{seconds}");
        }
    }

    #[test]
    fn a_grid_covers_all_that_was_asked_for() {
        let grid = Grid::new(moment(95), moment(300), Duration::from_mins(1));
        assert_eq!((grid.first, grid.columns), (moment(60), 4));
        assert_eq!(grid.column(moment(60)), Some(0));
        assert_eq!(grid.column(moment(240)), Some(3));
        assert_eq!(grid.column(moment(0)), None);
        let whole = Grid::new(moment(0), moment(60), Duration::from_mins(1));
        assert_eq!(whole.columns, 1, "the end is not part of it");
    }

    #[test]
    fn groups_are_added_up_and_sorted() {
        let grid = Grid::new(moment(0), moment(180), Duration::from_mins(1));
        let tallies = [
            tally(0, Some("a"), 1),
            tally(60, Some("b"), 5),
            tally(120, Some("a"), 2),
            tally(120, None, 2),
        ];
        let found = groups(&tallies, as_it_is, &grid);
        let seen: Vec<_> = found
            .iter()
            .map(|it| {
                (
                    it.name.as_deref().and_then(|it| it.to_str()),
                    it.exits,
                    it.failed,
                )
            })
            .collect();
        assert_eq!(seen, [(Some("b"), 5, 1), (Some("a"), 3, 2), (None, 2, 1)]);
        assert_eq!(found[1].over_time, [1, 0, 2]);
        let merged = groups(&tallies, |_| None, &grid);
        assert_eq!((merged.len(), merged[0].exits), (1, 10));
    }
}
