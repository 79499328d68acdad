//! Long answers, a page at a time.

use exithand_recorder::{Answer, ExitRecord, Gap, History, Order, Query, WallTime};

use crate::failure::Failure;

/// How many records are held at a time.
const PAGE: u32 = 1000;

/// A part of an answer.
#[derive(Debug)]
pub struct Page {
    /// The records.
    pub records: Vec<ExitRecord>,
    /// All gaps that were told so far.
    pub gaps: Vec<Gap>,
    /// Those that earlier pages did not have, in the order of time.
    pub new_gaps: Vec<Gap>,
}

impl Page {
    /// Says whether records may be missing around `record`.
    pub fn has_gap_around(&self, record: &ExitRecord) -> bool {
        self.gaps.iter().any(|gap| gap.touches(record.ended))
    }
}

/// What is left when the pages end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// Whether the limit left something out.
    pub more: More,
    /// When the oldest record there is was made.
    pub oldest: Option<WallTime>,
}

/// Whether there are more records than were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum More {
    /// No.
    Complete,
    /// Yes, or nobody can tell.
    LeftOut,
}

/// Hands over the answer to `query`, whose own limit is `most`, or none.
///
/// # Errors
///
/// Those of the history and of `take`.
pub fn each_page(
    history: &dyn History,
    mut query: Query,
    most: Option<u32>,
    mut take: impl FnMut(&Page) -> Result<(), Failure>,
) -> Result<Rest, Failure> {
    let mut left = most;
    let mut seen: Vec<Gap> = Vec::new();
    loop {
        query.limit = match (is_by_time(query.order), left) {
            (true, left) => left.map_or(PAGE, |left| left.min(PAGE)),
            // There is no next page in other orders; one record more tells whether there are more.
            (false, left) => left.map_or(u32::MAX, |left| left.saturating_add(1)),
        };
        let Answer {
            mut records,
            gaps,
            next,
            oldest,
        } = history.query(&query)?;
        let new_gaps: Vec<Gap> = gaps.into_iter().filter(|it| !seen.contains(it)).collect();
        seen.extend(new_gaps.iter().cloned());
        let too_many = left.is_some_and(|left| usize_of(left) < records.len());
        records.truncate(left.map_or(usize::MAX, usize_of));
        let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let page = Page {
            records,
            gaps: seen,
            new_gaps,
        };
        take(&page)?;
        seen = page.gaps;
        left = left.map(|left| left.saturating_sub(count));
        let more = match (next, left) {
            _ if too_many => More::LeftOut,
            (None, _) => More::Complete,
            (Some(_), Some(0)) => More::LeftOut,
            (next, _) => {
                query.after = next;
                continue;
            }
        };
        return Ok(Rest { more, oldest });
    }
}

fn is_by_time(order: Order) -> bool {
    matches!(order, Order::Newest | Order::Oldest)
}

fn usize_of(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::kept::{Kept, asked};
    use exithand_recorder::Filter;

    #[test]
    fn an_order_without_pages_is_one_page() {
        let history = Kept::numbered(2500);
        for (most, count, more) in [
            (None, 2500, More::Complete),
            (Some(2500), 2500, More::Complete),
            (Some(2000), 2000, More::LeftOut),
        ] {
            let query = asked(Filter::default(), Order::Memory);
            let mut sizes = Vec::new();
            let rest = each_page(&history, query, most, |page| {
                sizes.push(page.records.len());
                Ok(())
            });
            assert_eq!((rest.unwrap().more, &sizes[..]), (more, &[count][..]));
        }
    }

    #[test]
    fn pages_add_up() {
        let history = Kept::numbered(2500);
        let query = asked(Filter::default(), Order::Oldest);
        let mut sizes = Vec::new();
        let rest = each_page(&history, query.clone(), None, |page| {
            sizes.push(page.records.len());
            Ok(())
        });
        assert_eq!(sizes, [1000, 1000, 500]);
        assert_eq!(rest.unwrap().more, More::Complete);
        for (most, more) in [
            (1500, More::LeftOut),
            (2500, More::Complete),
            (9999, More::Complete),
        ] {
            let mut count = 0;
            let rest = each_page(&history, query.clone(), Some(most), |page| {
                count += page.records.len();
                Ok(())
            });
            assert_eq!(rest.unwrap().more, more, "{most}");
            assert_eq!(count, usize::try_from(most.min(2500)).unwrap());
        }
    }
}
