//! Records and counts from the history, as far as the caller may look.

use std::io;
use std::rc::Rc;

use super::conversation::Conversation;
use super::hub::Hub;
use super::readers::Pace;
use crate::json::{GapLine, RecordLine};
use crate::sight::{Sight, Viewer, narrowed, reduced};
use crate::wire::{Done, Kind, Refusal, TallyLine};
use crate::{Answer, ExitRecord, Filter, Gap, Order, Query, StatsQuery};

/// How many records are read at a time: an answer is never in memory as a whole.
const PAGE: u32 = 256;
/// How many records an answer has at most that cannot be read in pages.
pub const SORTED_MAX: u32 = 1000;

type Served = io::Result<Result<(), Refusal>>;

/// Answers with records and gaps.
pub(crate) async fn query(
    hub: &Rc<Hub>,
    viewer: &Viewer,
    client: &Conversation,
    query: Query,
) -> Served {
    let Some(filter) = narrowed(&query.filter, hub.policy.reach(viewer), viewer) else {
        return Ok(Err(denied(hub)));
    };
    let in_pages = matches!(query.order, Order::Newest | Order::Oldest);
    if !in_pages && query.limit > SORTED_MAX {
        let message = format!(
            "in this order there are at most {SORTED_MAX} records: ask for fewer, or for the newest or oldest first"
        );
        return Ok(Err(Refusal::new(Kind::Request, message)));
    }
    catch_up(hub).await;
    let mut page = Query { filter, ..query };
    let mut left = page.limit;
    let mut told: Vec<Gap> = Vec::new();
    loop {
        page.limit = if in_pages { left.min(PAGE) } else { left };
        let asked = page.clone();
        let answer = hub
            .readers
            .ask(Pace::Slow, move |it| it.query(&asked))
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(Refusal::of_history(&error))),
        };
        for gap in &answer.gaps {
            if !told.contains(gap) {
                client.say(&GapLine::new(gap)).await?;
                told.push(gap.clone());
            }
        }
        for record in &answer.records {
            if let Some(line) = judged(hub, viewer, &page.filter, &answer, record) {
                client.say(&line).await?;
                left = left.saturating_sub(1);
            }
        }
        page.after = answer.next;
        if left == 0 || answer.next.is_none() || !in_pages {
            let done = Done {
                next: answer.next,
                ..Done::of("query").with_oldest(answer.oldest)
            };
            client.say(&done).await?;
            return Ok(Ok(()));
        }
    }
}

/// Writes what the caller may see of a record, if that is what it asked for.
fn judged(
    hub: &Hub,
    viewer: &Viewer,
    filter: &Filter,
    answer: &Answer,
    record: &ExitRecord,
) -> Option<RecordLine> {
    let line = match hub.policy.sight(viewer, record) {
        Sight::Full => RecordLine::new(record),
        // What it must not see must not show by the filter either.
        Sight::Reduced if filter.matches(&reduced(record)) => {
            RecordLine::new(record).without_details()
        }
        Sight::Reduced | Sight::ReducedAfterReap | Sight::Nothing => return None,
    };
    Some(if answer.has_gap_around(record) {
        line.near_gap()
    } else {
        line
    })
}

/// Answers with counts: of all processes for those who may see all, else of the caller's own.
pub(crate) async fn stats(
    hub: &Rc<Hub>,
    viewer: &Viewer,
    client: &Conversation,
    query: StatsQuery,
) -> Served {
    let reach = hub.policy.reach(viewer).without_judging();
    let Some(filter) = narrowed(&query.filter, reach, viewer) else {
        return Ok(Err(denied(hub)));
    };
    catch_up(hub).await;
    let query = StatsQuery { filter, ..query };
    let stats = match hub
        .readers
        .ask(Pace::Slow, move |it| it.stats(&query))
        .await
    {
        Ok(stats) => stats,
        Err(error) => return Ok(Err(Refusal::of_history(&error))),
    };
    for gap in &stats.gaps {
        client.say(&GapLine::new(gap)).await?;
    }
    for tally in &stats.tallies {
        client.say(&TallyLine::new(tally)).await?;
    }
    client
        .say(&Done::of("stats").with_oldest(stats.oldest))
        .await?;
    Ok(Ok(()))
}

/// Brings the history up to this moment.
async fn catch_up(hub: &Rc<Hub>) {
    hub.drain();
    let flushed = hub.keeper.borrow().flush();
    // A thread that is gone has flushed what it could.
    drop(flushed.await);
}

/// Says that the caller may not look through records.
pub(crate) fn denied(hub: &Hub) -> Refusal {
    let policy = hub.policy.status;
    Refusal::new(
        Kind::Denied,
        format!(
            "there is no record that you may see, or the recorder runs with --status {policy}, which lets you look through none: ask root"
        ),
    )
}
