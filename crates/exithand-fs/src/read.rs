//! Reads and polls open files.

use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::entry::Entry;
use crate::file::Blocked;
use crate::lookup::raw;
use crate::node::{Key, Of};
use crate::proc::is_thread_of;
use crate::server::{Outbox, Server, State};
use crate::wire::{Header, Reply};

impl Server {
    /// Reads; `None` if the answer comes later.
    pub(crate) fn read(
        self: &Arc<Self>,
        header: &Header,
        number: u64,
        size: u32,
        flags: u32,
    ) -> Result<Option<Reply>, Errno> {
        let mut state = self.state();
        let key = self.look(&mut state, number)?;
        let file = state.files.get_mut(&number).ok_or(Errno::BADF)?;
        if file.content.is_some() {
            return Ok(Some(Reply::Data(file.read(size))));
        }
        let flags = OFlags::from_bits_retain(flags);
        if flags.contains(OFlags::NONBLOCK) {
            return Err(Errno::AGAIN);
        }
        if flags.contains(OFlags::DIRECT) {
            // Such reads may be asynchronous, and of those the kernel lets only a few wait: they
            // would keep everybody's files from being closed.
            return Err(Errno::INVAL);
        }
        let entry = key.and_then(|key| state.entries.get(key));
        if entry.is_some_and(|entry| is_own(header, entry)) {
            return Err(Errno::DEADLK);
        }
        let key = key.ok_or(Errno::BADF)?;
        state.quota.block(&self.options.limits, header.uid)?;
        let read = Blocked {
            file: number,
            key,
            size,
            uid: header.uid,
        };
        state.blocked.insert(header.unique, read);
        if let Some(entry) = state.entries.get_mut(key) {
            entry.reads.insert(header.unique);
        }
        Ok(None)
    }

    /// Says whether a read would not block; if it would, remembers to tell when that changes.
    pub(crate) fn poll(
        self: &Arc<Self>,
        number: u64,
        notify_as: Option<u64>,
    ) -> Result<Reply, Errno> {
        let mut state = self.state();
        let key = self.look(&mut state, number)?;
        let file = state.files.get_mut(&number).ok_or(Errno::BADF)?;
        let ready = file.content.is_some();
        if !ready && notify_as.is_some() {
            file.polled_as = notify_as;
            if let Some(entry) = key.and_then(|key| state.entries.get_mut(key)) {
                entry.polled.insert(number);
            }
        }
        Ok(Reply::Poll { ready })
    }

    /// A caller gave up: the answer to its request is `EINTR`.
    pub(crate) fn interrupt(&self, unique: u64) -> Option<Reply> {
        let mut state = self.state();
        let read = state.blocked.remove(&unique)?;
        state.quota.unblock(read.uid);
        if let Some(entry) = state.entries.get_mut(read.key) {
            entry.reads.remove(&unique);
        }
        Some(Reply::Error(Errno::INTR))
    }

    /// Looks at the process behind an open file, so that what it says is true now.
    fn look(self: &Arc<Self>, state: &mut State, number: u64) -> Result<Option<Key>, Errno> {
        let file = state.files.get(&number).ok_or(Errno::BADF)?;
        let Some(key) = file.key().filter(|_| file.content.is_none()) else {
            return Ok(file.key());
        };
        let mut outbox = Outbox::new();
        self.refresh(state, key, &mut outbox);
        self.send_all(outbox);
        let entry = state.entries.get(key).ok_or(Errno::BADF)?;
        let ending = entry.watch.as_ref().and_then(|it| it.ending.as_ref());
        let pid = entry.number.as_raw_nonzero().get();
        let file = state.files.get_mut(&number).ok_or(Errno::BADF)?;
        file.settle(ending, pid, entry.real_uid);
        Ok(Some(key))
    }
}

/// Says whether the caller would wait for its own end, which never comes while it waits.
fn is_own(header: &Header, entry: &Entry) -> bool {
    match entry.of {
        Of::Process => header.tid != 0 && is_thread_of(header.tid, entry.number),
        Of::Thread => header.tid == raw(entry.number),
    }
}
