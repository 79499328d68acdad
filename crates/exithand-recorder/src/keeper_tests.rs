use std::sync::mpsc::{Sender, channel};

use exithand::Outcome;

use super::*;
use crate::{Argv, Place, Usage};

/// A store that says what it is given, and refuses as long as it is told to.
struct Fake {
    given: Sender<Vec<Event>>,
    refuses: Arc<Mutex<Option<String>>>,
}

impl Keep for Fake {
    fn append(&mut self, events: &[Event]) -> Result<(), String> {
        if let Some(error) = lock(&self.refuses).clone() {
            return Err(error);
        }
        self.given.send(events.to_vec()).unwrap();
        Ok(())
    }

    fn mark_alive(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn end(self: Box<Self>) -> Result<(), String> {
        self.given.send(Vec::new()).unwrap();
        Ok(())
    }
}

fn exit(number: i64, argv_bytes: usize) -> Event {
    Event::Exit(Box::new(ExitRecord {
        token: format!("4:{}", number + 1).parse().unwrap(),
        start_ticks: None,
        outcome: Outcome::Exited(0),
        parent: None,
        uid: None,
        gid: None,
        comm: "a".into(),
        exe: None,
        argv: Some(Argv {
            words: vec!["x".repeat(argv_bytes).into()],
            truncated: false,
        }),
        place: Place::default(),
        started: None,
        ended: WallTime { unix_ns: number },
        runtime_ns: None,
        usage: Usage::default(),
        killer: None,
        oom: None,
        namespace_init: false,
    }))
}

struct Stage {
    keeper: Keeper,
    given: Receiver<Vec<Event>>,
    refuses: Arc<Mutex<Option<String>>>,
    said: Receiver<String>,
}

fn stage() -> Stage {
    let (give, given) = channel();
    let (say, said) = channel();
    let refuses = Arc::new(Mutex::new(None));
    let told = Arc::clone(&refuses);
    let open: OpenStore = Box::new(move || {
        Ok(Box::new(Fake {
            given: give.clone(),
            refuses: Arc::clone(&told),
        }))
    });
    let say = Mutex::new(say);
    let keeper = Keeper::start(
        open,
        Arc::new(move |text| drop(lock(&say).send(text.to_owned()))),
    );
    Stage {
        keeper: keeper.unwrap(),
        given,
        refuses,
        said,
    }
}

#[test]
fn a_flush_writes_what_waits_in_order() {
    let mut stage = stage();
    assert_eq!(stage.keeper.push(vec![exit(1, 0), exit(2, 0)]), 0);
    assert_eq!(stage.keeper.push(vec![exit(3, 0)]), 0);
    assert_eq!(stage.keeper.oldest_pending(), Some(WallTime { unix_ns: 1 }));
    stage.keeper.flush().blocking_recv().unwrap();
    let written: Vec<Event> = stage.given.try_iter().flatten().collect();
    assert_eq!(written, [exit(1, 0), exit(2, 0), exit(3, 0)]);
    assert_eq!(
        (stage.keeper.pending(), stage.keeper.oldest_pending()),
        (0, None)
    );
}

#[test]
fn the_end_writes_what_waits() {
    let mut stage = stage();
    stage.keeper.push(vec![exit(1, 0)]);
    stage.keeper.finish();
    let given: Vec<Vec<Event>> = stage.given.try_iter().collect();
    assert_eq!(
        given,
        [vec![exit(1, 0)], Vec::new()],
        "and closes the store"
    );
    assert_eq!(
        stage.keeper.push(vec![exit(2, 0)]),
        1,
        "what comes later is lost"
    );
}

#[test]
fn without_a_flush_it_is_written_all_the_same() {
    let mut stage = stage();
    stage.keeper.push(vec![exit(1, 0)]);
    assert_eq!(stage.given.recv().unwrap(), [exit(1, 0)]);
}

#[test]
fn a_store_that_refuses_is_said_once_and_counted() {
    let mut stage = stage();
    *lock(&stage.refuses) = Some("the disk is full".to_owned());
    for number in 1..=2 {
        stage.keeper.push(vec![exit(number, 0)]);
        stage.keeper.flush().blocking_recv().unwrap();
    }
    assert!(stage.said.recv().unwrap().starts_with("the disk is full; "));
    assert!(stage.said.try_recv().is_err(), "it is said once");
    assert_eq!(stage.keeper.error().as_deref(), Some("the disk is full"));
    assert_eq!(stage.keeper.refused(), 2);
    *lock(&stage.refuses) = None;
    stage.keeper.push(vec![exit(3, 0)]);
    stage.keeper.flush().blocking_recv().unwrap();
    assert_eq!(stage.given.try_recv().unwrap(), [exit(3, 0)]);
    assert!(stage.said.recv().unwrap().contains("again"));
    assert_eq!(stage.keeper.error(), None);
}

#[test]
fn a_store_that_cannot_be_opened_is_opened_later_and_loses_only_what_does_not_fit() {
    let (give, given) = channel();
    let closed = Arc::new(Mutex::new(true));
    let still = Arc::clone(&closed);
    let open: OpenStore = Box::new(move || {
        if *lock(&still) {
            return Err("read-only".to_owned());
        }
        Ok(Box::new(Fake {
            given: give.clone(),
            refuses: Arc::default(),
        }))
    });
    let mut keeper = Keeper::start(open, Arc::new(|_| {})).unwrap();
    let half = usize::try_from(QUEUE_MAX_BYTES).unwrap() / 2;
    assert_eq!(keeper.push(vec![exit(1, half)]), 0);
    keeper.flush().blocking_recv().unwrap();
    assert_eq!(keeper.error().as_deref(), Some("read-only"));
    assert_eq!(keeper.push(vec![exit(2, half), exit(3, 0)]), 2);
    *lock(&closed) = false;
    keeper.flush().blocking_recv().unwrap();
    keeper.push(vec![exit(4, 0)]);
    keeper.flush().blocking_recv().unwrap();
    let gap = Event::Gap(Gap {
        from: WallTime { unix_ns: 2 },
        to: WallTime { unix_ns: 3 },
        lost: Some(2),
        cause: LossCause::StoreBehind,
    });
    let written: Vec<Event> = given.try_iter().flatten().collect();
    assert_eq!(written, [exit(1, half), gap, exit(4, 0)]);
    assert_eq!(keeper.error(), None);
}
