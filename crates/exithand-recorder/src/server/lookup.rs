//! How one process ended, now or when it does.

use std::rc::Rc;

use exithand::tokio::AsyncExitHandle;
use exithand::{DEFAULT_GRACE, ExitHandle, State, Token, Until};

use super::hub::Hub;
use super::readers::Pace;
use crate::sight::{Sight, Viewer};
use crate::wire::{Kind, Refusal, When, parse_token};
use crate::{ExitRecord, Filter, Order, Query};

/// Finds out how the process ended, as far as the caller may know.
pub(crate) async fn outcome(
    hub: &Rc<Hub>,
    viewer: &Viewer,
    token: &str,
    when: When,
) -> Result<ExitRecord, Refusal> {
    let token = parse_token(token)?;
    let process = open(&token);
    if let Some(process) = &process
        && is_in(process, State::Alive)
    {
        if when == When::Now {
            let message = format!("the process {token} has not ended");
            return Err(Refusal::new(Kind::NotYet, message));
        }
        process
            .reached(Until::Ended)
            .await
            .map_err(|error| Refusal::new(Kind::Other, error.to_string()))?;
    }
    // Its record is in the source by now: that is written before the end can be seen.
    hub.drain();
    let record = find(hub, token).await?;
    match hub.policy.sight(viewer, &record) {
        Sight::Full | Sight::Reduced => Ok(record),
        Sight::ReducedAfterReap => {
            if is_reaped_soon(process.or_else(|| open(&token))).await {
                return Ok(record);
            }
            let message =
                format!("the process {token} is not yet reaped, and the kernel tells then");
            Err(Refusal::new(Kind::NotYet, message))
        }
        Sight::Nothing => {
            let policy = hub.policy.status;
            let message = format!(
                "the recorder runs with --status {policy}, which does not let you know how {token} ended"
            );
            Err(Refusal::new(Kind::Denied, message))
        }
    }
}

/// Holds the process, if it is still there.
fn open(token: &Token) -> Option<AsyncExitHandle> {
    let handle = ExitHandle::open_token(token).ok()?;
    AsyncExitHandle::new(handle).ok()
}

fn is_in(process: &AsyncExitHandle, state: State) -> bool {
    process.get_ref().state().is_ok_and(|it| it == state)
}

/// Waits a moment for the reap of a process that has ended.
async fn is_reaped_soon(process: Option<AsyncExitHandle>) -> bool {
    let Some(process) = process else {
        return true;
    };
    if is_in(&process, State::Reaped) {
        return true;
    }
    let reap = tokio::time::timeout(DEFAULT_GRACE, process.reached(Until::Reaped));
    matches!(reap.await, Ok(Ok(State::Reaped)))
}

/// Finds the record in memory, or in the store.
async fn find(hub: &Rc<Hub>, token: Token) -> Result<ExitRecord, Refusal> {
    if let Some(record) = hub.recent(&token) {
        return Ok(record);
    }
    let flushed = hub.keeper.borrow().flush();
    // A thread that is gone has flushed what it could.
    drop(flushed.await);
    let query = Query {
        filter: Filter {
            token: Some(token),
            ..Filter::default()
        },
        order: Order::Newest,
        limit: 1,
        after: None,
    };
    let answer = hub
        .readers
        .ask(Pace::Quick, move |history| history.query(&query))
        .await
        .map_err(|error| Refusal::of_history(&error))?;
    let no_record = || format!("there is no record of a process {token}");
    answer
        .records
        .into_iter()
        .next()
        .ok_or_else(|| Refusal::new(Kind::NoRecord, no_record()))
}
