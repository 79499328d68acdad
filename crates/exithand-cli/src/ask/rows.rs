//! Records and gaps in one list.

use exithand_recorder::{ExitRecord, Gap, Order};

/// A row of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row<'a> {
    /// A process ended.
    Record(&'a ExitRecord),
    /// Records may be missing.
    Gap(&'a Gap),
}

/// Puts each gap where it happened; at the end where the records are not in the order of time.
///
/// `gaps` are in the order of time, as an answer has them.
pub fn rows<'a>(records: &'a [ExitRecord], gaps: &'a [Gap], order: Order) -> Vec<Row<'a>> {
    let mut rows = Vec::with_capacity(records.len() + gaps.len());
    let mut left: Vec<&Gap> = gaps.iter().collect();
    if order == Order::Newest {
        left.reverse();
    }
    let mut left = left.into_iter().peekable();
    for record in records {
        let comes_first = |gap: &&Gap| match order {
            Order::Newest => gap.to > record.ended,
            Order::Oldest => gap.to <= record.ended,
            _ => false,
        };
        while let Some(gap) = left.next_if(comes_first) {
            rows.push(Row::Gap(gap));
        }
        rows.push(Row::Record(record));
    }
    rows.extend(left.map(Row::Gap));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::tale::tests::record;
    use exithand::Outcome;
    use exithand_recorder::{LossCause, WallTime};

    fn record_at(unix_ns: i64) -> ExitRecord {
        ExitRecord {
            ended: WallTime { unix_ns },
            ..record("x", Outcome::Exited(0))
        }
    }

    fn gap_at(from: i64, to: i64) -> Gap {
        Gap {
            from: WallTime { unix_ns: from },
            to: WallTime { unix_ns: to },
            lost: None,
            cause: LossCause::RingFull,
        }
    }

    /// Writes a list as `10 [12-14] 20`.
    fn written(records: &[ExitRecord], gaps: &[Gap], order: Order) -> String {
        let word = |row: Row<'_>| match row {
            Row::Record(it) => it.ended.unix_ns.to_string(),
            Row::Gap(it) => format!("[{}-{}]", it.from.unix_ns, it.to.unix_ns),
        };
        let words: Vec<String> = rows(records, gaps, order).into_iter().map(word).collect();
        words.join(" ")
    }

    #[test]
    fn gaps_stand_where_they_happened() {
        let mut records = [10, 20, 30].map(record_at);
        let gaps = [gap_at(1, 5), gap_at(12, 14), gap_at(25, 40)];
        let oldest = written(&records, &gaps, Order::Oldest);
        assert_eq!(oldest, "[1-5] 10 [12-14] 20 30 [25-40]");
        records.reverse();
        let newest = written(&records, &gaps, Order::Newest);
        assert_eq!(newest, "[25-40] 30 20 [12-14] 10 [1-5]");
        let memory = written(&records, &gaps, Order::Memory);
        assert_eq!(memory, "30 20 10 [1-5] [12-14] [25-40]");
        assert_eq!(written(&[], &gaps[..1], Order::Newest), "[1-5]");
    }
}
