//! Opens files, and judges who may.

use std::sync::Arc;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::caller::caller;
use crate::entry::tells_outcome;
use crate::file::{File, Kind};
use crate::lookup::raw;
use crate::node::{Key, Node, Of, Part};
use crate::policy::{Right, Target, right};
use crate::proc::{Status, is_dumpable};
use crate::render;
use crate::server::{Outbox, Server, State, is_gone, is_reaped, waits};
use crate::wire::{Header, Reply};

impl Server {
    /// Opens a file for reading.
    pub(crate) fn open(
        self: &Arc<Self>,
        header: &Header,
        node: Node,
        flags: u32,
    ) -> Result<Reply, Errno> {
        let flags = OFlags::from_bits_retain(flags);
        if flags.intersects(OFlags::WRONLY | OFlags::RDWR | OFlags::TRUNC) {
            return Err(Errno::ACCESS);
        }
        if flags.contains(OFlags::DIRECT) {
            return Err(Errno::INVAL);
        }
        let mut outbox = Outbox::new();
        let mut state = self.state();
        let opened = self.open_node(&mut state, header, node, &mut outbox);
        drop(state);
        self.send_all(outbox);
        opened.map(Reply::OpenedStream)
    }

    fn open_node(
        self: &Arc<Self>,
        state: &mut State,
        header: &Header,
        node: Node,
        outbox: &mut Outbox,
    ) -> Result<u64, Errno> {
        let (kind, content) = match node {
            Node::Generation => {
                let content = state.generation.read().ok_or(Errno::IO)?;
                (Kind::Fixed, Some(content))
            }
            Node::Part(key, Part::Token) if is_gone(state, key) => return Err(Errno::NOENT),
            Node::Part(key, Part::Token) => {
                let entry = state.entries.get(key).ok_or(Errno::NOENT)?;
                (Kind::Fixed, Some(render::token(&entry.token)))
            }
            Node::Part(key, part) if waits(part) => {
                self.ensure_watch(state, key)?;
                let right = if tells_outcome(part) {
                    self.judge(state, header, key)?
                } else {
                    Right::AtEnd
                };
                (Kind::End { key, part, right }, None)
            }
            _ => return Err(Errno::ISDIR),
        };
        let file = File::new(header.uid, kind, content);
        state
            .quota
            .open(&self.options.limits, header.uid, file.key())?;
        if let Kind::End { key, part, .. } = kind {
            state.entries.opened(key, part);
            if tells_outcome(part) {
                // One that is a zombie already may be asked no more after its reap.
                self.refresh(state, key, outbox);
            }
        }
        state.last_file += 1;
        let number = state.last_file;
        state.files.insert(number, file);
        Ok(number)
    }

    /// Says when the caller may learn how the process ended.
    fn judge(&self, state: &mut State, header: &Header, key: Key) -> Result<Right, Errno> {
        let entry = state.entries.get_mut(key).ok_or(Errno::NOENT)?;
        let number = entry.number;
        let status = Status::read(raw(number)).ok_or(Errno::NOENT)?;
        let caller = caller(header, number, &status.numbers);
        let watch = entry.watch.as_ref().ok_or(Errno::NOENT)?;
        // What a zombie allowed while it lived is not known any more. A server that is not root
        // reads it with its user's rights, and learns no more than its user would.
        let dumpable = match watch.handle.get_ref().state() {
            Ok(exithand::State::Alive) => is_dumpable(number, status.uids[1]),
            _ => !self.is_root,
        };
        // Only now is it sure that the entry was that of our process.
        if entry.of == Of::Thread || is_reaped(watch.handle.get_ref()) {
            return Err(Errno::NOENT);
        }
        entry.real_uid = status.uids[0];
        let target = Target {
            parent: status.parent,
            uids: status.uids,
            gids: status.gids,
            dumpable,
        };
        match right(self.options.status, self.kernel, &caller, &target) {
            Right::Never => Err(Errno::ACCESS),
            right => Ok(right),
        }
    }

    /// Closes a file.
    pub(crate) fn release(&self, number: u64) {
        let mut state = self.state();
        let Some(file) = state.files.remove(&number) else {
            return;
        };
        state.quota.close(file.uid, file.key());
        if let Kind::End { key, part, .. } = file.kind {
            if let Some(entry) = state.entries.get_mut(key) {
                entry.polled.remove(&number);
            }
            state.entries.closed(key, part);
        }
    }
}
