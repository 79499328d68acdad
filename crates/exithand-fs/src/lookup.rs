//! Finds entries by name.

use std::ffi::OsStr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use exithand::{ExitHandle, Pid};
use rustix::io::Errno;
use tokio::sync::oneshot::{Receiver, channel};

use crate::Visibility;
use crate::caller::process_of;
use crate::entry::{Departure, NewEntry, Watch};
use crate::node::{Key, Node, Of, Part};
use crate::proc::{self, Status};
use crate::server::{Outbox, Server, State, is_gone, is_reaped};
use crate::wire::{Attr, FileKind, Header, Reply};

impl Server {
    /// Looks `name` up in a directory.
    pub(crate) fn lookup(
        self: &Arc<Self>,
        header: &Header,
        directory: Node,
        name: &OsStr,
    ) -> Result<Option<Reply>, Errno> {
        let name = name.to_str().ok_or(Errno::NOENT)?;
        let mut state = self.state();
        Ok(Some(match directory {
            Node::Root => {
                let fixed = Node::FIXED.into_iter().find(|(it, ..)| *it == name);
                if let Some((_, node, kind)) = fixed {
                    let attr = self.fixed_attr(node, kind);
                    return Ok(Some(Reply::Entry {
                        node: node.raw(),
                        attr,
                    }));
                }
                let pid = parse_number(name).ok_or(Errno::NOENT)?;
                if self.hold(&mut state, header, pid) {
                    return Ok(None);
                }
                let key = self.process(&mut state, header, pid)?;
                state.entry_reply(key, Part::Directory)
            }
            Node::Part(key, Part::Directory) => {
                let entry = state.entries.get(key).ok_or(Errno::NOENT)?;
                let part = Part::in_process(name).ok_or(Errno::NOENT)?;
                let is_there = match entry.of {
                    Of::Process => part != Part::Tasks || self.has_threads,
                    Of::Thread => part == Part::Exithand,
                };
                if !is_there || self.is_hidden(&state, header, key) || is_gone(&state, key) {
                    return Err(Errno::NOENT);
                }
                state.entry_reply(key, part)
            }
            Node::Part(key, Part::Tasks) => {
                let tid = parse_number(name).ok_or(Errno::NOENT)?;
                let key = self.thread(&mut state, key, tid)?;
                state.entry_reply(key, Part::Directory)
            }
            _ => return Err(Errno::NOTDIR),
        }))
    }

    /// Tells what `stat` shows.
    pub(crate) fn attr(&self, node: Node) -> Result<Attr, Errno> {
        if let Node::Part(key, part) = node {
            let state = self.state();
            let entry = state.entries.get(key).ok_or(Errno::STALE)?;
            return Ok(entry.attr(part));
        }
        let fixed = Node::FIXED.into_iter().find(|(_, it, _)| *it == node);
        let kind = fixed.map_or(FileKind::Directory, |(_, _, kind)| kind);
        Ok(self.fixed_attr(node, kind))
    }

    /// Holds a lookup back whose answer would make the kernel drop a directory before those who
    /// watch that are told of its end.
    fn hold(self: &Arc<Self>, state: &mut State, header: &Header, number: Pid) -> bool {
        let Some(key) = state.entries.find_number(number) else {
            return false;
        };
        let Some(entry) = state.entries.get_mut(key) else {
            return false;
        };
        let has_gone = |watch: &Watch| is_reaped(watch.handle.get_ref());
        if entry.departure == Departure::Told || !entry.watch.as_ref().is_some_and(has_gone) {
            return false;
        }
        entry.lookups_held.push(*header);
        if entry.patience.is_none() {
            let (patience, over) = channel();
            entry.patience = Some(patience);
            tokio::spawn(let_go(Arc::downgrade(self), key, over));
        }
        self.depart(state, key);
        true
    }

    /// The kernel knows that the process of an entry is gone: those who looked for it are answered.
    pub(crate) fn departed(self: &Arc<Self>, key: Key) {
        let mut state = self.state();
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        entry.departure = Departure::Told;
        entry.patience = None;
        let number = entry.number;
        let held = std::mem::take(&mut entry.lookups_held);
        let mut outbox = Outbox::new();
        for header in held {
            let found = self.process(&mut state, &header, number);
            let reply = match found {
                Ok(key) => state.entry_reply(key, Part::Directory),
                Err(errno) => Reply::Error(errno),
            };
            outbox.push(reply.to_bytes(header.unique));
        }
        state.entries.drop_forgotten(key);
        drop(state);
        self.send_all(outbox);
    }

    fn fixed_attr(&self, node: Node, kind: FileKind) -> Attr {
        Attr {
            inode: node.raw(),
            kind,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            time: self.mounted,
        }
    }

    /// Finds or makes the entry of the process that has `pid` now.
    fn process(
        self: &Arc<Self>,
        state: &mut State,
        header: &Header,
        pid: Pid,
    ) -> Result<Key, Errno> {
        let handle = self.with_room(state, || ExitHandle::open(pid))?;
        if self.hides(header) {
            let status = Status::read(raw(pid)).ok_or(Errno::NOENT)?;
            if status.uids[0] != header.uid {
                return Err(Errno::NOENT);
            }
        }
        let token = handle.token();
        let key = match state.entries.find(&token, Of::Process) {
            Some(key) => key,
            None => state.entries.insert(&NewEntry {
                of: Of::Process,
                process: None,
                number: pid,
                token,
                owner: proc::owner(pid).ok_or(Errno::NOENT)?,
                real_uid: if self.options.hide == Visibility::Own {
                    Status::read(raw(pid)).ok_or(Errno::NOENT)?.uids[0]
                } else {
                    0
                },
            }),
        };
        if state.entries.get(key).is_some_and(|it| it.watch.is_none()) {
            self.watch_directory(state, key, handle);
        } else {
            state.entries.touch(key);
        }
        Ok(key)
    }

    /// Finds or makes the entry of a thread.
    fn thread(self: &Arc<Self>, state: &mut State, process: Key, tid: Pid) -> Result<Key, Errno> {
        let handle = self.with_room(state, || ExitHandle::open_thread(tid))?;
        let entry = state.entries.get(process).ok_or(Errno::NOENT)?;
        let (number, owner, real_uid) = (entry.number, entry.owner, entry.real_uid);
        // Both handles are held, so both numbers were theirs while we looked if both are there now.
        let is_ours = proc::is_thread_of(raw(tid), number);
        let is_there = !is_reaped(&handle);
        if !is_ours || !is_there || is_gone(state, process) {
            return Err(Errno::NOENT);
        }
        let token = handle.token();
        let key = match state.entries.find(&token, Of::Thread) {
            Some(key) => key,
            None => state.entries.insert(&NewEntry {
                of: Of::Thread,
                process: Some(process),
                number: tid,
                token,
                owner,
                real_uid,
            }),
        };
        if state.entries.get(key).is_some_and(|it| it.watch.is_none()) {
            self.watch_directory(state, key, handle);
        } else {
            state.entries.touch(key);
        }
        Ok(key)
    }

    /// Says whether this caller sees only its own.
    pub(crate) fn hides(&self, header: &Header) -> bool {
        self.options.hide == Visibility::Own && header.uid != 0
    }

    /// Says whether a caller that got hold of a directory may not see what is in it.
    pub(crate) fn is_hidden(&self, state: &State, header: &Header, key: Key) -> bool {
        self.hides(header)
            && state
                .entries
                .get(key)
                .is_none_or(|entry| entry.real_uid != header.uid)
    }
}

/// Answers lookups that were held back, before they are told, once that cannot come.
///
/// To tell a departure takes the lock of the directory, which one of those who wait may hold: two
/// callers that look up a name at once do, and many do where pids are used again at once. Whoever
/// watches such a directory may miss its end.
async fn let_go(server: Weak<Server>, key: Key, mut told: Receiver<()>) {
    const PATIENCE: Duration = Duration::from_millis(1);
    /// For the thread that tells to get its turn on a busy machine.
    const LOOKS: usize = 50;
    let mut seen = None;
    for _ in 0..LOOKS {
        if tokio::time::timeout(PATIENCE, &mut told).await.is_ok() {
            return;
        }
        let Some(server) = server.upgrade() else {
            return;
        };
        let now = server.departures.under_way();
        if now.is_some() && now == seen {
            break;
        }
        seen = now;
    }
    if let Some(server) = server.upgrade() {
        server.departed(key);
    }
}

impl State {
    /// Tells the kernel of a part of an entry, and counts that.
    fn entry_reply(&mut self, key: Key, part: Part) -> Reply {
        self.entries.looked_up(key, part);
        match self.entries.get(key) {
            Some(entry) => Reply::Entry {
                node: Node::Part(key, part).raw(),
                attr: entry.attr(part),
            },
            None => Reply::Error(Errno::NOENT),
        }
    }
}

/// Reads `self` or `thread-self`: each caller has its own.
pub(crate) fn link(header: &Header, node: Node) -> Result<Reply, Errno> {
    let process = process_of(header).ok_or(Errno::NOENT)?;
    let target = match node {
        Node::SelfLink => process.to_string(),
        Node::ThreadSelfLink => format!("{process}/task/{}", header.tid),
        _ => return Err(Errno::INVAL),
    };
    Ok(Reply::Data(target.into_bytes()))
}

/// Reads a number as `/proc` names it: no sign, no leading zero.
pub(crate) fn parse_number(name: &str) -> Option<Pid> {
    let canonical = name.bytes().all(|byte| byte.is_ascii_digit()) && !name.starts_with('0');
    canonical.then(|| name.parse().ok().and_then(Pid::from_raw))?
}

pub(crate) fn raw(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_one_name() {
        assert_eq!(parse_number("4242").map(raw), Some(4242));
        for name in ["", "0", "042", "+1", "-1", " 1", "1 ", "1a", "4294967297"] {
            assert_eq!(parse_number(name), None, "{name:?}");
        }
    }
}
