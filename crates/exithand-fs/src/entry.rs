//! The processes and threads the kernel knows here, each held fast by its identity.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use exithand::tokio::AsyncExitHandle;
use exithand::{Pid, Token};
use tokio::sync::oneshot::Sender;
use tokio::task::AbortHandle;

use crate::ending::Ending;
use crate::node::{Key, Node, Of, PARTS, Part, inode};
use crate::proc::Owner;
use crate::wire::{Attr, Header};

/// A process or thread that was looked up.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) of: Of,
    /// The process a thread belongs to.
    pub(crate) process: Option<Key>,
    /// The threads of a process that were looked up.
    pub(crate) threads: HashSet<Key>,
    pub(crate) number: Pid,
    pub(crate) token: Token,
    pub(crate) owner: Owner,
    /// Its real user, as seen last.
    pub(crate) real_uid: u32,
    /// How often the kernel was told of each part, and has not forgotten it.
    lookups: [u64; PARTS],
    /// Open files, which need the watch.
    pub(crate) files: u32,
    /// Those of them that tell the outcome.
    pub(crate) outcome_files: u32,
    pub(crate) watch: Option<Watch>,
    pub(crate) departure: Departure,
    /// Lookups of its number that wait until its departure is told.
    pub(crate) lookups_held: Vec<Header>,
    /// Ends the patience with them when dropped.
    pub(crate) patience: Option<Sender<()>>,
    /// Reads that wait, by the number of their request.
    pub(crate) reads: HashSet<u64>,
    /// Open files that somebody polls.
    pub(crate) polled: HashSet<u64>,
    /// When it was used last.
    used: u64,
}

/// How far the kernel has been told that a process, and its directory with it, is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Departure {
    #[default]
    NotTold,
    Underway,
    Told,
}

/// A handle, and the task that follows it. One for each process, however many wait.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) handle: Arc<AsyncExitHandle>,
    pub(crate) task: AbortHandle,
    /// Set once the process has ended.
    pub(crate) ending: Option<Ending>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All entries.
#[derive(Debug)]
pub(crate) struct Entries {
    by_key: HashMap<Key, Entry>,
    by_identity: HashMap<(Token, Of), Key>,
    /// The process that had each number last.
    by_number: HashMap<Pid, Key>,
    /// Entries that are watched only for the sake of their directory, oldest use first.
    idle: BTreeMap<u64, Key>,
    watched: usize,
    next: Key,
    clock: u64,
}

/// What a new entry is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewEntry {
    pub(crate) of: Of,
    pub(crate) process: Option<Key>,
    pub(crate) number: Pid,
    pub(crate) token: Token,
    pub(crate) owner: Owner,
    pub(crate) real_uid: u32,
}

impl Entry {
    /// What `stat` tells of a part.
    pub(crate) fn attr(&self, part: Part) -> Attr {
        Attr {
            inode: inode(&self.token, self.of, part),
            kind: part.kind(),
            uid: self.owner.uid,
            gid: self.owner.gid,
            time: self.owner.time,
        }
    }

    /// The parts the kernel knows.
    pub(crate) fn known_parts(&self) -> impl Iterator<Item = Part> {
        Part::ALL
            .into_iter()
            .filter(|part| self.lookups[part.index()] > 0)
    }

    fn is_forgotten(&self) -> bool {
        self.files == 0
            && self.lookups_held.is_empty()
            && self.lookups.iter().all(|count| *count == 0)
    }
}

impl Default for Entries {
    fn default() -> Self {
        Self {
            by_key: HashMap::new(),
            by_identity: HashMap::new(),
            by_number: HashMap::new(),
            idle: BTreeMap::new(),
            watched: 0,
            next: Key::FIRST,
            clock: 0,
        }
    }
}

impl Entries {
    pub(crate) fn get(&self, key: Key) -> Option<&Entry> {
        self.by_key.get(&key)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Entry> {
        self.by_key.get_mut(&key)
    }

    pub(crate) fn find(&self, token: &Token, of: Of) -> Option<Key> {
        self.by_identity.get(&(*token, of)).copied()
    }

    /// Finds the process that had `number` last, as far as the kernel was told.
    pub(crate) fn find_number(&self, number: Pid) -> Option<Key> {
        self.by_number.get(&number).copied()
    }

    /// Adds an entry, which has to be looked up before the next forget.
    pub(crate) fn insert(&mut self, new: &NewEntry) -> Key {
        let key = self.next;
        self.next = key.next();
        if let Some(process) = new.process.and_then(|key| self.by_key.get_mut(&key)) {
            process.threads.insert(key);
        }
        self.by_identity.insert((new.token, new.of), key);
        if new.of == Of::Process {
            self.by_number.insert(new.number, key);
        }
        let entry = Entry {
            of: new.of,
            process: new.process,
            threads: HashSet::new(),
            number: new.number,
            token: new.token,
            owner: new.owner,
            real_uid: new.real_uid,
            lookups: [0; PARTS],
            files: 0,
            outcome_files: 0,
            watch: None,
            departure: Departure::NotTold,
            lookups_held: Vec::new(),
            patience: None,
            reads: HashSet::new(),
            polled: HashSet::new(),
            used: 0,
        };
        self.by_key.insert(key, entry);
        key
    }

    /// Counts that the kernel is told of a part.
    pub(crate) fn looked_up(&mut self, key: Key, part: Part) {
        if let Some(entry) = self.by_key.get_mut(&key) {
            entry.lookups[part.index()] += 1;
        }
    }

    /// Counts that the kernel has forgotten a part, and drops an entry it knows nothing of.
    pub(crate) fn forget(&mut self, node: Node, lookups: u64) {
        let Node::Part(key, part) = node else { return };
        if let Some(entry) = self.by_key.get_mut(&key) {
            let count = &mut entry.lookups[part.index()];
            *count = count.saturating_sub(lookups);
            self.drop_forgotten(key);
        }
    }

    pub(crate) fn drop_forgotten(&mut self, key: Key) {
        if !self.by_key.get(&key).is_some_and(Entry::is_forgotten) {
            return;
        }
        self.unwatch(key);
        let Some(entry) = self.by_key.remove(&key) else {
            return;
        };
        self.by_identity.remove(&(entry.token, entry.of));
        if self.by_number.get(&entry.number) == Some(&key) {
            self.by_number.remove(&entry.number);
        }
        if let Some(process) = entry.process.and_then(|key| self.by_key.get_mut(&key)) {
            process.threads.remove(&key);
        }
    }

    /// Says how many entries are watched: each takes a descriptor.
    pub(crate) fn watched(&self) -> usize {
        self.watched
    }

    /// Says how many of them are watched for the sake of their directory alone.
    pub(crate) fn idle(&self) -> usize {
        self.idle.len()
    }

    /// Begins to watch an entry that is not watched.
    pub(crate) fn watch(&mut self, key: Key, watch: Watch) {
        if let Some(entry) = self.by_key.get_mut(&key)
            && entry.watch.replace(watch).is_none()
        {
            self.watched += 1;
        }
        self.touch(key);
    }

    /// Notes a use, which puts the entry behind all others that may be given up.
    pub(crate) fn touch(&mut self, key: Key) {
        self.clock += 1;
        if let Some(entry) = self.by_key.get_mut(&key) {
            self.idle.remove(&entry.used);
            entry.used = self.clock;
            if entry.files == 0 && entry.watch.is_some() {
                self.idle.insert(entry.used, key);
            }
        }
    }

    /// Counts an open file.
    pub(crate) fn opened(&mut self, key: Key, part: Part) {
        if let Some(entry) = self.by_key.get_mut(&key) {
            entry.files += 1;
            entry.outcome_files += u32::from(tells_outcome(part));
        }
        self.touch(key);
    }

    /// Counts that an open file was closed.
    pub(crate) fn closed(&mut self, key: Key, part: Part) {
        if let Some(entry) = self.by_key.get_mut(&key) {
            entry.files = entry.files.saturating_sub(1);
            let less = u32::from(tells_outcome(part));
            entry.outcome_files = entry.outcome_files.saturating_sub(less);
        }
        self.touch(key);
        self.drop_forgotten(key);
    }

    /// Stops watching the idle entry that was used longest ago.
    pub(crate) fn give_up_oldest(&mut self) -> Option<Key> {
        let (_, key) = self.idle.first_key_value()?;
        let key = *key;
        self.unwatch(key);
        Some(key)
    }

    fn unwatch(&mut self, key: Key) {
        if let Some(entry) = self.by_key.get_mut(&key) {
            self.idle.remove(&entry.used);
            if entry.watch.take().is_some() {
                self.watched -= 1;
            }
        }
    }
}

/// Says whether readers of this part wait for the outcome, not only for the end.
pub(crate) fn tells_outcome(part: Part) -> bool {
    matches!(part, Part::Siginfo | Part::Outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> (Entries, Key) {
        let mut entries = Entries::default();
        let key = entries.insert(&NewEntry {
            of: Of::Process,
            process: None,
            number: Pid::INIT,
            token: "1:5".parse().unwrap(),
            owner: Owner {
                uid: 0,
                gid: 0,
                time: (0, 0),
            },
            real_uid: 0,
        });
        (entries, key)
    }

    #[test]
    fn an_entry_lasts_until_it_is_forgotten_and_closed() {
        let (mut entries, key) = entries();
        let token = "1:5".parse().unwrap();
        for part in [Part::Directory, Part::Exithand, Part::Exithand] {
            entries.looked_up(key, part);
        }
        assert_eq!(entries.find(&token, Of::Process), Some(key));
        assert_eq!(entries.find(&token, Of::Thread), None);
        entries.opened(key, Part::Exithand);
        entries.forget(Node::Part(key, Part::Directory), 1);
        entries.forget(Node::Part(key, Part::Exithand), 2);
        assert!(entries.get(key).is_some(), "a file is open");
        entries.closed(key, Part::Exithand);
        assert!(entries.get(key).is_none());
        assert_eq!(entries.find(&token, Of::Process), None);
    }

    #[test]
    fn a_thread_belongs_to_its_process() {
        let (mut entries, process) = entries();
        entries.looked_up(process, Part::Directory);
        let first = &entries.by_key[&process];
        let thread = NewEntry {
            of: Of::Thread,
            process: Some(process),
            number: first.number,
            token: first.token,
            owner: first.owner,
            real_uid: 0,
        };
        let thread = entries.insert(&thread);
        entries.looked_up(thread, Part::Directory);
        assert!(entries.get(process).unwrap().threads.contains(&thread));
        entries.forget(Node::Part(thread, Part::Directory), 1);
        assert!(entries.get(process).unwrap().threads.is_empty());
    }
}
