//! Tells the kernel of directories that go.
//!
//! Whoever watches a directory hears of its end only if the kernel is told before it finds out by
//! a lookup: so a lookup of the same number waits for that. And such a message waits for the
//! directory's lock, which a caller may hold who waits for an answer of ours: so it is sent from a
//! thread of its own, while the loop goes on answering.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use crate::device::Replies;
use crate::entry::{Entries, Entry};
use crate::node::{Key, Node, Of, Part};
use crate::wire::{ROOT, notify_delete, notify_entry};

/// Where departures are told. There is at most one at a time for each entry.
#[derive(Debug)]
pub(crate) struct Departures {
    sender: Mutex<Option<Sender<Departing>>>,
    finished: Arc<Notify>,
    written: Arc<Written>,
}

/// Counts the beginnings and the ends of messages.
#[derive(Debug, Default)]
struct Written(AtomicU64);

/// The messages about one entry; its key, where somebody wants to know when they are sent.
type Departing = (Option<Key>, Vec<Vec<u8>>);

impl Departures {
    /// Starts the thread. The keys of entries whose departure was told go to `told`.
    pub(crate) fn start(replies: Replies, told: UnboundedSender<Key>) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let finished = Arc::new(Notify::new());
        let signal = Arc::clone(&finished);
        let written = Arc::default();
        let counter = Arc::clone(&written);
        let name = "departures".to_owned();
        thread::Builder::new().name(name).spawn(move || {
            send(&receiver, replies, told, &counter);
            signal.notify_one();
        })?;
        Ok(Self {
            sender: Mutex::new(Some(sender)),
            finished,
            written,
        })
    }

    /// Returns the number of the message that is being handed over at this moment. The same number
    /// again, a little later, means that it waits for a lock.
    pub(crate) fn under_way(&self) -> Option<u64> {
        let count = self.written.0.load(Ordering::Relaxed);
        (count % 2 == 1).then_some(count)
    }

    /// The process of an entry is gone: its files, its threads and its directory go, and whoever
    /// watches them sees that.
    pub(crate) fn delete(&self, entries: &Entries, entry: &Entry, key: Key) {
        let mut messages = Vec::new();
        for thread in &entry.threads {
            if let Some(found) = entries.get(*thread) {
                delete_parts(&mut messages, entries, found, *thread);
            }
        }
        delete_parts(&mut messages, entries, entry, key);
        self.tell((Some(key), messages));
    }

    /// Nobody watches over an entry any more: the kernel is to let go of what nobody uses.
    pub(crate) fn forget(&self, entries: &Entries, entry: &Entry) {
        let message = notify_entry(parent(entries, entry), &name(entry));
        self.tell((None, vec![message]));
    }

    /// Takes no more, and waits until all is sent. The loop has to go on answering meanwhile.
    pub(crate) async fn finish(&self) {
        let sender = self.lock().take();
        drop(sender);
        self.finished.notified().await;
    }

    fn tell(&self, departing: Departing) {
        if let Some(sender) = &*self.lock() {
            // The thread ends only after the sender.
            drop(sender.send(departing));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Sender<Departing>>> {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the connection lasts until this end of it is gone, too"
)]
fn send(
    receiver: &Receiver<Departing>,
    replies: Replies,
    told: UnboundedSender<Key>,
    written: &Written,
) {
    while let Ok((key, messages)) = receiver.recv() {
        for message in messages {
            written.0.fetch_add(1, Ordering::Relaxed);
            replies.send(&message);
            written.0.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(key) = key {
            // The loop may have ended, and then nobody waits.
            told.send(key).unwrap_or_default();
        }
    }
}

/// What lies in a directory goes before the directory: the kernel keeps one that is not empty.
fn delete_parts(messages: &mut Vec<Vec<u8>>, entries: &Entries, entry: &Entry, key: Key) {
    let directory = Node::Part(key, Part::Directory).raw();
    for part in entry.known_parts().filter(|it| *it != Part::Directory) {
        let node = Node::Part(key, part).raw();
        messages.push(notify_delete(directory, node, part.name()));
    }
    messages.push(notify_delete(
        parent(entries, entry),
        directory,
        &name(entry),
    ));
}

fn name(entry: &Entry) -> String {
    entry.number.as_raw_nonzero().to_string()
}

fn parent(_: &Entries, entry: &Entry) -> u64 {
    match (entry.of, entry.process) {
        (Of::Thread, Some(process)) => Node::Part(process, Part::Tasks).raw(),
        _ => ROOT,
    }
}
