//! Where all comes together: events come in, and go on to the store and to who subscribed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use exithand::Token;
use tokio::sync::Notify;

use super::counts::Counts;
use super::guests::Guests;
use super::readers::Readers;
use super::recent::Recents;
use super::subscription::{Offered, Subscription, Told};
use crate::json::{GapLine, RecordLine, rfc3339};
use crate::keeper::Keeper;
use crate::sight::{Details, Policy};
use crate::wire::StatusLine;
use crate::{Event, ExitRecord, Fill, Gap, LossCause, Source, WallTime};

/// How many events are handed to the store together.
const CHUNK: usize = 512;

/// Everything the tasks of the recorder share. They are all on one thread.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) policy: Policy,
    pub(crate) details: Details,
    pub(crate) guests: Rc<Guests>,
    pub(crate) readers: Readers,
    pub(crate) source: RefCell<Box<dyn Source>>,
    pub(crate) keeper: RefCell<Keeper>,
    pub(crate) counts: RefCell<Counts>,
    since: WallTime,
    recents: RefCell<Recents>,
    subscribers: RefCell<BTreeMap<u64, Rc<Subscription>>>,
    last_number: Cell<u64>,
    last_gap: RefCell<Option<Gap>>,
    broken: RefCell<Option<io::Error>>,
    break_down: Notify,
}

/// A subscriber's place, free again when dropped.
#[derive(Debug)]
pub(crate) struct Subscribed {
    pub(crate) subscription: Rc<Subscription>,
    hub: Rc<Hub>,
    number: u64,
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.hub.subscribers.borrow_mut().remove(&self.number);
    }
}

impl Hub {
    pub(crate) fn new(
        source: Box<dyn Source>,
        keeper: Keeper,
        readers: Readers,
        policy: Policy,
        details: Details,
    ) -> Self {
        Self {
            policy,
            details,
            guests: Rc::default(),
            readers,
            source: RefCell::new(source),
            keeper: RefCell::new(keeper),
            counts: RefCell::default(),
            since: WallTime::now(),
            recents: RefCell::default(),
            subscribers: RefCell::default(),
            last_number: Cell::new(0),
            last_gap: RefCell::default(),
            broken: RefCell::default(),
            break_down: Notify::new(),
        }
    }

    /// Takes in all that happened up to now.
    pub(crate) fn drain(&self) {
        let mut chunk = Vec::new();
        let drained = self.source.borrow_mut().drain(&mut |event| {
            self.note(&event);
            chunk.push(event);
            if chunk.len() >= CHUNK {
                self.store(std::mem::take(&mut chunk));
            }
        });
        self.store(chunk);
        if let Err(error) = drained {
            self.broken.borrow_mut().get_or_insert(error);
            self.break_down.notify_one();
        }
    }

    /// Says whether draining cannot wait.
    pub(crate) fn is_urgent(&self) -> bool {
        self.source.borrow().fill().is_some_and(Fill::is_urgent)
    }

    /// Writes what waits for the store, and closes it.
    pub(crate) fn finish(&self) {
        self.keeper.borrow_mut().finish();
    }

    /// Ends when the source is of no use any more, and says why.
    pub(crate) async fn broken_down(&self) -> io::Error {
        loop {
            if let Some(error) = self.broken.borrow_mut().take() {
                return error;
            }
            self.break_down.notified().await;
        }
    }

    fn store(&self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let lost = self.keeper.borrow_mut().push(events);
        if lost > 0 {
            let mut counts = self.counts.borrow_mut();
            counts.note_lost(LossCause::StoreBehind, lost);
        }
    }

    fn note(&self, event: &Event) {
        self.counts.borrow_mut().note(event);
        match event {
            Event::Exit(record) => {
                self.recents.borrow_mut().keep(record);
                self.publish(record);
            }
            Event::Gap(gap) => {
                let line: Rc<str> = format!("{}\n", GapLine::new(gap)).into();
                for subscriber in self.subscribers.borrow().values() {
                    self.offer(subscriber, &line);
                }
                *self.last_gap.borrow_mut() = Some(gap.clone());
            }
        }
    }

    fn publish(&self, record: &ExitRecord) {
        let (mut full, mut less) = (None, None);
        for subscriber in self.subscribers.borrow().values() {
            let line = match subscriber.wants(&self.policy, record) {
                Some(Told::Full) => full.get_or_insert_with(|| self.line(record, |it| it)),
                Some(Told::Reduced) => {
                    less.get_or_insert_with(|| self.line(record, RecordLine::without_details))
                }
                None => continue,
            };
            self.offer(subscriber, line);
        }
    }

    fn offer(&self, subscriber: &Subscription, line: &Rc<str>) {
        if subscriber.offer(line) == Offered::LetGo {
            self.counts.borrow_mut().dropped_subscribers += 1;
        }
    }

    fn line(&self, record: &ExitRecord, change: impl FnOnce(RecordLine) -> RecordLine) -> Rc<str> {
        let line = RecordLine::new(record);
        let gap = self.last_gap.borrow();
        let near = gap.as_ref().is_some_and(|gap| gap.touches(record.ended));
        let line = change(if near { line.near_gap() } else { line });
        format!("{line}\n").into()
    }

    /// Finds the record of a process that ended lately.
    pub(crate) fn recent(&self, token: &Token) -> Option<ExitRecord> {
        self.recents.borrow().find(token)
    }

    /// Adds a subscriber.
    pub(crate) fn subscribe(self: &Rc<Self>, subscription: Subscription) -> Subscribed {
        let number = self.last_number.get() + 1;
        self.last_number.set(number);
        let subscription = Rc::new(subscription);
        let mut subscribers = self.subscribers.borrow_mut();
        subscribers.insert(number, Rc::clone(&subscription));
        drop(subscribers);
        Subscribed {
            subscription,
            hub: Rc::clone(self),
            number,
        }
    }

    /// Says how the recorder fares.
    pub(crate) fn status(&self) -> StatusLine {
        let counts = self.counts.borrow();
        let keeper = self.keeper.borrow();
        let lost = counts.lost(&keeper).into_iter();
        let lost = lost.map(|(cause, lost)| (cause.to_owned(), lost));
        StatusLine {
            v: 1,
            source: self.source.borrow().name().to_owned(),
            since: rfc3339(self.since),
            exits: counts.exits,
            lost: lost.collect(),
            pending: keeper.pending(),
            store_bytes: self.readers.store_bytes(),
            store_error: keeper.error(),
            subscribers_too_slow: counts.dropped_subscribers,
            clients: u64::try_from(self.guests.count()).unwrap_or(u64::MAX),
            status: self.policy.status.to_string(),
            details: self.details.to_string(),
        }
    }
}
