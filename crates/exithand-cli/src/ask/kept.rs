//! A history in memory, for tests.

use std::collections::BTreeMap;

use exithand::{Outcome, Token};
use exithand_recorder::{
    Answer, ExitRecord, Filter, Gap, GroupBy, History, HistoryError, Order, Query, Stats,
    StatsQuery, Tally, WallTime,
};

use super::tale::tests::record;

/// Records in the order of their ends.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) records: Vec<ExitRecord>,
    pub(crate) gaps: Vec<Gap>,
}

/// Asks for all pages.
pub(crate) fn asked(filter: Filter, order: Order) -> Query {
    Query {
        filter,
        order,
        limit: 0,
        after: None,
    }
}

impl Kept {
    /// Remembers records a second apart.
    pub(crate) fn numbered(count: usize) -> Self {
        let one = |at: usize| {
            let mut record = record("job", Outcome::Exited(1));
            record.token = format!("{}:{}", at + 1, at + 1).parse().unwrap();
            record.ended.unix_ns += i64::try_from(at).unwrap() * 1_000_000_000;
            record
        };
        Self {
            records: (0..count).map(one).collect(),
            gaps: Vec::new(),
        }
    }
}

impl History for Kept {
    fn query(&self, query: &Query) -> Result<Answer, HistoryError> {
        let matching = self.records.iter().filter(|it| query.filter.matches(it));
        let mut all: Vec<ExitRecord> = matching.cloned().collect();
        if query.order != Order::Oldest {
            all.reverse();
        }
        let skip = usize::try_from(query.after.unwrap_or(0)).unwrap();
        let end = skip + usize::try_from(query.limit).unwrap();
        let by_time = matches!(query.order, Order::Newest | Order::Oldest);
        let next = (by_time && all.len() > end).then(|| u64::try_from(end).unwrap());
        Ok(Answer {
            records: all.into_iter().skip(skip).take(end - skip).collect(),
            gaps: self.gaps.clone(),
            next,
            oldest: self.records.first().map(|it| it.ended),
        })
    }

    fn outcome(&self, token: &Token) -> Result<Option<Outcome>, HistoryError> {
        let found = self
            .records
            .iter()
            .find(|it| it.token.is_same_process(token));
        Ok(found.map(|it| it.outcome))
    }

    fn stats(&self, query: &StatsQuery) -> Result<Stats, HistoryError> {
        let mut counts: BTreeMap<(Option<WallTime>, Option<std::ffi::OsString>), (u64, u64)> =
            BTreeMap::new();
        for record in self.records.iter().filter(|it| query.filter.matches(it)) {
            let start = query.bucket_ns.map(|size| {
                let size = i64::try_from(size.get()).unwrap();
                let unix_ns = record.ended.unix_ns.div_euclid(size) * size;
                WallTime { unix_ns }
            });
            let group = match query.by {
                GroupBy::Name => Some(record.comm.clone()),
                GroupBy::Unit => record.place.unit.clone().map(Into::into),
                GroupBy::Outcome => Some(record.outcome.to_string().into()),
                _ => None,
            };
            let count = counts.entry((start, group)).or_default();
            count.0 += 1;
            count.1 += u64::from(!record.outcome.success());
        }
        let tally = |((start, group), (exits, failed))| Tally {
            start,
            group,
            exits,
            failed,
            oom: 0,
        };
        Ok(Stats {
            tallies: counts.into_iter().map(tally).collect(),
            gaps: self.gaps.clone(),
            oldest: self.records.first().map(|it| it.ended),
        })
    }
}
