//! The recorder and its client, with a source that tells what the test says.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use exithand::{Outcome, StatusPolicy, StatusSource, Why};
use exithand_recorder::client::ClientError;
use exithand_recorder::daemon::{self, DaemonError, Parts, Rules};
use exithand_recorder::kept::Kept;
use exithand_recorder::server::bind;
use exithand_recorder::sight::{Details, Insiders};
use exithand_recorder::store::{Access, Retention};
use exithand_recorder::wire::{Kind, When};
use exithand_recorder::{
    Client, Event, ExitRecord, Filter, Gap, GroupBy, History, LossCause, Order, Place, Query,
    Source, StatsQuery, Usage, WallTime,
};
use tempfile::TempDir;
use tokio::sync::{Notify, oneshot};

/// A source that tells what it is given.
#[derive(Debug)]
struct Script {
    lines: Arc<Mutex<Vec<io::Result<Event>>>>,
    wake: UnixStream,
}

impl Source for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    fn drain(&mut self, take: &mut dyn FnMut(Event)) -> io::Result<()> {
        let mut bytes = [0; 64];
        while self.wake.read(&mut bytes).is_ok_and(|length| length > 0) {}
        for line in std::mem::take(&mut *self.lines.lock().unwrap()) {
            take(line?);
        }
        Ok(())
    }
}

/// A recorder on a thread of this test.
struct Stage {
    folder: TempDir,
    lines: Arc<Mutex<Vec<io::Result<Event>>>>,
    bell: UnixStream,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), DaemonError>>>,
    said: Receiver<String>,
}

impl Stage {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder)
    }

    fn start_in(folder: TempDir) -> Self {
        let lines = Arc::default();
        let (bell, wake) = UnixStream::pair().unwrap();
        wake.set_nonblocking(true).unwrap();
        let source = Script {
            lines: Arc::clone(&lines),
            wake,
        };
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = channel();
        let (say, said) = channel();
        let parts = parts(Box::new(source), folder.path(), say);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(daemon::run(parts, || ready.send(()).unwrap(), async move {
                drop(stopped.await);
            }))
        });
        is_ready.recv().unwrap();
        Self {
            folder,
            lines,
            bell,
            stop: Some(stop),
            thread: Some(thread),
            said,
        }
    }

    /// Lets the source tell something, and wakes the recorder.
    fn tell(&mut self, events: Vec<Event>) {
        self.lines
            .lock()
            .unwrap()
            .extend(events.into_iter().map(Ok));
        self.bell.write_all(b".").unwrap();
    }

    fn client(&self) -> Client {
        Client::connect(&self.folder.path().join("socket")).unwrap()
    }

    fn end(mut self) -> (TempDir, Result<(), DaemonError>) {
        drop(self.stop.take());
        let result = self.thread.take().unwrap().join().unwrap();
        (self.folder, result)
    }
}

fn parts(source: Box<dyn Source>, folder: &Path, say: Sender<String>) -> Parts {
    let say = Mutex::new(say);
    let say: exithand_recorder::keeper::Say =
        Arc::new(move |text| drop(say.lock().unwrap().send(text.to_owned())));
    let kept = Kept {
        path: folder.join("history.db"),
        retention: Retention::default(),
        access: Access::Owner,
        since: WallTime { unix_ns: 1 },
    };
    Parts {
        source,
        store: kept.path.clone(),
        open_history: kept.reader(),
        open_store: kept.opener(None, Arc::clone(&say)),
        socket: bind(&folder.join("socket")).unwrap(),
        metrics: None,
        rules: Rules {
            status: StatusPolicy::User,
            details: Details::User,
            insiders: Insiders::Nobody,
        },
        say,
        flush: Arc::new(Notify::new()),
    }
}

/// A record of a process of this user, whose pid no process has.
fn record(number: u32) -> ExitRecord {
    ExitRecord {
        token: format!(
            "{}:{}",
            2_000_000_000 + number,
            u64::MAX - u64::from(number)
        )
        .parse()
        .unwrap(),
        start_ticks: None,
        outcome: Outcome::Exited(u8::try_from(number % 200).unwrap()),
        parent: None,
        uid: Some(rustix::process::geteuid().as_raw()),
        gid: None,
        comm: "scripted".into(),
        exe: None,
        argv: None,
        place: Place::default(),
        started: None,
        ended: WallTime {
            unix_ns: 1_700_000_000_000_000_000 + i64::from(number),
        },
        runtime_ns: None,
        usage: Usage::default(),
        killer: None,
        oom: None,
        namespace_init: false,
    }
}

fn exit(number: u32) -> Event {
    Event::Exit(Box::new(record(number)))
}

fn gap() -> Gap {
    Gap {
        from: WallTime {
            unix_ns: 1_700_000_000_000_000_000,
        },
        to: WallTime {
            unix_ns: 1_700_000_000_000_000_001,
        },
        lost: Some(5),
        cause: LossCause::RingFull,
    }
}

fn newest(limit: u32) -> Query {
    Query {
        filter: Filter::default(),
        order: Order::Newest,
        limit,
        after: None,
    }
}

#[test]
fn a_query_brings_records_and_gaps_over_the_socket() {
    let mut stage = Stage::start();
    stage.tell((1..=600).map(exit).chain([Event::Gap(gap())]).collect());
    let client = stage.client();
    let answer = client.query(&newest(500)).unwrap();
    let numbers: Vec<_> = answer
        .records
        .iter()
        .map(|it| it.ended.unix_ns % 1000)
        .collect();
    let expected: Vec<i64> = (101..=600).rev().collect();
    assert_eq!(numbers, expected, "more than one page, in order");
    assert!(answer.gaps.contains(&gap()), "{:?}", answer.gaps);
    let rest = Query {
        after: answer.next,
        ..newest(500)
    };
    assert_eq!(client.query(&rest).unwrap().records.len(), 100);
    let by_outcome = StatsQuery {
        filter: Filter::default(),
        by: GroupBy::Name,
        bucket_ns: None,
    };
    assert_eq!(client.stats(&by_outcome).unwrap().tallies[0].exits, 600);
}

#[test]
fn the_client_is_a_source_of_outcomes() {
    let mut stage = Stage::start();
    stage.tell(vec![exit(7)]);
    let client = stage.client();
    let asked = StatusSource::outcome(&client, &record(7).token);
    assert_eq!(asked, Some(Outcome::Exited(7)));
    assert_eq!(StatusSource::outcome(&client, &record(8).token), None);
    assert_eq!(History::outcome(&client, &record(8).token).unwrap(), None);
    let Err(ClientError::Refused(refusal)) = client.ended(&record(8).token, When::Ended) else {
        panic!("it is gone already");
    };
    assert_eq!(refusal.error, Kind::NoRecord);
}

#[test]
fn old_outcomes_come_from_the_store() {
    let mut stage = Stage::start();
    // More than are kept in memory.
    stage.tell((1..=6000).map(exit).collect());
    let client = stage.client();
    assert_eq!(
        StatusSource::outcome(&client, &record(1).token),
        Some(Outcome::Exited(1))
    );
}

#[test]
fn a_client_finds_the_recorder_that_came_after() {
    let mut stage = Stage::start();
    stage.tell(vec![exit(7)]);
    let client = stage.client();
    client.status().unwrap();
    let (folder, result) = stage.end();
    result.unwrap();
    assert_eq!(StatusSource::outcome(&client, &record(7).token), None);
    assert!(matches!(
        client.status(),
        Err(ClientError::NoRecorder { .. })
    ));
    let stage = Stage::start_in(folder);
    let asked = StatusSource::outcome(&client, &record(7).token);
    assert_eq!(asked, Some(Outcome::Exited(7)), "from the store");
    stage.end().1.unwrap();
}

#[test]
fn a_subscription_brings_events_until_the_recorder_ends() {
    let mut stage = Stage::start();
    let filter = Filter {
        failed_only: true,
        ..Filter::default()
    };
    let subscription = stage.client().subscribe(filter).unwrap();
    stage.tell(vec![exit(200), exit(3), Event::Gap(gap()), exit(4)]);
    let mut events = subscription.map(Result::unwrap);
    assert_eq!(events.next(), Some(exit(3)), "200 is a success here");
    assert_eq!(events.next(), Some(Event::Gap(gap())));
    assert_eq!(events.next(), Some(exit(4)));
    stage.end().1.unwrap();
    assert_eq!(events.next(), None);
}

#[test]
fn a_source_that_breaks_ends_the_recorder_with_all_in_the_store() {
    let mut stage = Stage::start();
    let broken = io::Error::other("no more");
    stage
        .lines
        .lock()
        .unwrap()
        .extend([Ok(exit(5)), Err(broken)]);
    stage.bell.write_all(b".").unwrap();
    let result = stage.thread.take().unwrap().join().unwrap();
    let error = result.unwrap_err();
    assert!(error.to_string().contains("script"), "{error}");
    let store = exithand_recorder::store::Store::open(&stage.folder.path().join("history.db"));
    let found = store.unwrap().outcome(&record(5).token).unwrap();
    assert_eq!(found, Some(Outcome::Exited(5)));
    assert!(stage.said.try_recv().is_err());
}

#[test]
fn an_outcome_that_is_unknown_keeps_its_reason() {
    let mut stage = Stage::start();
    let unknown = Outcome::Unknown {
        why: Why::OtherPidNamespace,
    };
    let mut strange = record(9);
    strange.outcome = unknown;
    stage.tell(vec![Event::Exit(Box::new(strange))]);
    let client = stage.client();
    assert_eq!(
        History::outcome(&client, &record(9).token).unwrap(),
        Some(unknown)
    );
}
