//! What waits for one subscriber, bounded: who does not read is let go.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use tokio::sync::Notify;

use crate::sight::{Policy, Sight, Viewer, reduced};
use crate::{ExitRecord, Filter};

/// How many lines may wait for a subscriber: a storm of exits that is taken in at once must fit.
/// Subscribers share the lines, so that many of them do not take up much more than one.
pub const QUEUE_MAX_LINES: usize = 16_384;
/// How many bytes may.
pub const QUEUE_MAX_BYTES: usize = 8 << 20;

/// One subscriber's queue.
#[derive(Debug)]
pub(crate) struct Subscription {
    viewer: Viewer,
    filter: Filter,
    lines: RefCell<VecDeque<Rc<str>>>,
    bytes: Cell<usize>,
    missed: Cell<Option<u64>>,
    news: Notify,
}

/// What a subscriber is to be told.
pub(crate) enum Told {
    /// The whole record.
    Full,
    /// What is left of it.
    Reduced,
}

/// What became of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It waits to be read.
    Waits,
    /// It was the one too many: from now on the subscriber is being let go.
    LetGo,
    /// It is missed.
    Missed,
}

/// What comes next for a subscriber.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// This line.
    Line(Rc<str>),
    /// Nothing any more: it did not keep up, and missed so many.
    Dropped(u64),
}

impl Subscription {
    pub(crate) fn new(viewer: Viewer, filter: Filter) -> Self {
        Self {
            viewer,
            filter,
            lines: RefCell::default(),
            bytes: Cell::new(0),
            missed: Cell::new(None),
            news: Notify::new(),
        }
    }

    /// Says what the subscriber is told of `record`, if anything.
    pub(crate) fn wants(&self, policy: &Policy, record: &ExitRecord) -> Option<Told> {
        match policy.sight(&self.viewer, record) {
            Sight::Full if self.filter.matches(record) => Some(Told::Full),
            // What it must not see must not show by the filter either.
            Sight::Reduced if self.filter.matches(&reduced(record)) => Some(Told::Reduced),
            _ => None,
        }
    }

    /// Adds a line, or counts it as missed; says which.
    pub(crate) fn offer(&self, line: &Rc<str>) -> Offered {
        let mut lines = self.lines.borrow_mut();
        if let Some(missed) = self.missed.get() {
            self.missed.set(Some(missed + 1));
            return Offered::Missed;
        }
        let bytes = self.bytes.get() + line.len();
        self.news.notify_one();
        if lines.len() >= QUEUE_MAX_LINES || bytes > QUEUE_MAX_BYTES {
            // What waits is not read in time either.
            let missed = u64::try_from(lines.len()).unwrap_or(u64::MAX) + 1;
            self.missed.set(Some(missed));
            *lines = VecDeque::new();
            return Offered::LetGo;
        }
        self.bytes.set(bytes);
        lines.push_back(Rc::clone(line));
        Offered::Waits
    }

    /// Says whether the subscriber is being let go.
    pub(crate) fn is_dropped(&self) -> bool {
        self.missed.get().is_some()
    }

    /// Ends once the subscriber is to be let go.
    pub(crate) async fn dropped(&self) {
        while !self.is_dropped() {
            self.news.notified().await;
        }
    }

    /// Waits for what comes next.
    pub(crate) async fn next(&self) -> Next {
        loop {
            if let Some(missed) = self.missed.get() {
                return Next::Dropped(missed);
            }
            let line = self.lines.borrow_mut().pop_front();
            if let Some(line) = line {
                self.bytes.set(self.bytes.get() - line.len());
                return Next::Line(line);
            }
            self.news.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sight::Namespace;

    fn subscription() -> Subscription {
        let viewer = Viewer {
            uid: 0,
            gids: Vec::new(),
            process: None,
            namespace: Namespace::Ours,
        };
        Subscription::new(viewer, Filter::default())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn lines_come_in_order_and_room_comes_back() {
        let queue = subscription();
        let long: Rc<str> = "x".repeat(QUEUE_MAX_BYTES / 2).into();
        for _ in 0..10 {
            assert_eq!(queue.offer(&"a".into()), Offered::Waits);
            assert_eq!(queue.offer(&long), Offered::Waits);
            assert_eq!(queue.next().await, Next::Line("a".into()));
            assert_eq!(queue.next().await, Next::Line(Rc::clone(&long)));
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn too_many_lines_or_bytes_end_it_and_are_counted() {
        let long: Rc<str> = "x".repeat(QUEUE_MAX_BYTES).into();
        for (line, fit) in [("a".into(), QUEUE_MAX_LINES), (long, 1)] {
            let queue = subscription();
            for _ in 0..fit {
                assert_eq!(queue.offer(&line), Offered::Waits);
            }
            assert_eq!(queue.offer(&line), Offered::LetGo);
            assert_eq!(queue.offer(&line), Offered::Missed);
            let missed = u64::try_from(fit).unwrap() + 2;
            assert_eq!(queue.next().await, Next::Dropped(missed));
        }
    }
}
