//! One client, from its first request to its last.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use tokio::net::UnixStream;

use super::conversation::Conversation;
use super::hub::Hub;
use super::subscription::{Next, Subscription};
use super::{lookup, peer, search};
use crate::Filter;
use crate::json::RecordLine;
use crate::sight::{Viewer, narrowed};
use crate::wire::{Done, Kind, Refusal, Request};

/// How long a subscriber that is let go has to read why.
const FAREWELL: Duration = Duration::from_secs(10);

/// How a client's wish ended.
type Served = io::Result<Result<(), Refusal>>;

/// Serves a client until it goes. Its errors are its own business.
pub(crate) async fn serve(hub: Rc<Hub>, stream: UnixStream) {
    let mut client = Conversation::new(stream);
    let Ok(viewer) = peer::viewer(client.socket()) else {
        return;
    };
    let seat = match hub.guests.admit(viewer.uid) {
        Ok(seat) => seat,
        Err(why) => {
            drop(client.say(&Refusal::new(Kind::Busy, why)).await);
            return;
        }
    };
    while let Ok(Some(line)) = client.request().await {
        if answer(&hub, &viewer, &mut client, &line).await.is_err() {
            break;
        }
    }
    drop(seat);
}

async fn answer(
    hub: &Rc<Hub>,
    viewer: &Viewer,
    client: &mut Conversation,
    line: &[u8],
) -> io::Result<()> {
    let request: Request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => {
            let refusal = Refusal::new(Kind::Request, format!("no request: {error}"));
            return client.say(&refusal).await;
        }
    };
    let served = match request {
        Request::Status => {
            // What has happened is counted, also where nobody has been woken for it yet.
            hub.drain();
            say_and_end(client, &hub.status(), "status").await?
        }
        Request::Outcome { token, when } => {
            let found = tokio::select! {
                found = lookup::outcome(hub, viewer, &token, when) => found,
                () = client.gone() => return Err(io::ErrorKind::ConnectionAborted.into()),
            };
            match found {
                Ok(record) => {
                    let line = RecordLine::new(&record).without_details();
                    say_and_end(client, &line, "outcome").await?
                }
                Err(refusal) => Err(refusal),
            }
        }
        Request::Query(query) => search::query(hub, viewer, client, query).await?,
        Request::Stats(query) => search::stats(hub, viewer, client, query).await?,
        Request::Subscribe { filter } => subscribe(hub, viewer, client, &filter).await?,
    };
    match served {
        Ok(()) => Ok(()),
        Err(refusal) => client.say(&refusal).await,
    }
}

async fn say_and_end(client: &Conversation, line: &impl Serialize, kind: &str) -> Served {
    client.say(line).await?;
    client.say(&Done::of(kind)).await?;
    Ok(Ok(()))
}

/// Streams records until the client goes, or does not keep up.
async fn subscribe(
    hub: &Rc<Hub>,
    viewer: &Viewer,
    client: &mut Conversation,
    filter: &Filter,
) -> Served {
    let Some(filter) = narrowed(filter, hub.policy.reach(viewer), viewer) else {
        return Ok(Err(search::denied(hub)));
    };
    // What ended before is not news.
    hub.drain();
    let place = hub.subscribe(Subscription::new(viewer.clone(), filter));
    let subscription = &place.subscription;
    client.say(&Done::of("subscribe")).await?;
    let missed = loop {
        let next = tokio::select! {
            next = subscription.next() => next,
            () = client.gone() => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        match next {
            Next::Dropped(missed) => break missed,
            Next::Line(line) => {
                let sent = tokio::select! {
                    biased;
                    sent = client.send(line.as_bytes()) => sent,
                    left = say_farewell_in_time(subscription) => left,
                };
                sent?;
            }
        }
    };
    let message = format!("you read too slowly and are let go: {missed} records were not sent");
    let farewell = Refusal {
        missed: Some(missed),
        ..Refusal::new(Kind::TooSlow, message)
    };
    drop(tokio::time::timeout(FAREWELL, client.say(&farewell)).await);
    Err(io::ErrorKind::TimedOut.into())
}

/// Fails once a subscriber that is let go has had the time to read what is being sent.
async fn say_farewell_in_time(subscription: &Subscription) -> io::Result<()> {
    subscription.dropped().await;
    tokio::time::sleep(FAREWELL).await;
    Err(io::ErrorKind::TimedOut.into())
}
