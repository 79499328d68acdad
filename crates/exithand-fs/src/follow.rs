//! Follows processes to their end, and wakes those who wait.

use std::sync::{Arc, Weak};

use exithand::tokio::AsyncExitHandle;
use exithand::{DEFAULT_GRACE, Outcome, State as ProcessState, Until};

use crate::ending::{Ending, Inquiry};
use crate::entry::Entry;
use crate::node::{Key, Of};
use crate::proc::Status;
use crate::server::{Outbox, Server, State, is_reaped};
use crate::wire::{Reply, notify_poll};

/// Follows one process: to its end, and on to the reap, when its directory goes.
///
/// Does not hold the server meanwhile: with it, the connection to the kernel ends.
pub(crate) async fn follow(server: Weak<Server>, key: Key, handle: Arc<AsyncExitHandle>) {
    // An error is that of an event loop that is gone, or of a server that holds itself: neither
    // will see the end.
    if handle.reached(Until::Ended).await.is_err() {
        return;
    }
    if let Some(server) = server.upgrade() {
        server.has_changed(key, handle.get_ref().state().ok());
    }
    // Older kernels don't announce the reap; there, whoever looks a directory up finds it gone.
    if handle.reached(Until::Reaped).await.is_ok()
        && let Some(server) = server.upgrade()
    {
        server.has_changed(key, Some(ProcessState::Reaped));
    }
}

/// Finds out how a process ended that did not tell at once: after the reap, or from the recorder.
async fn inquire(server: Weak<Server>, key: Key, handle: Arc<AsyncExitHandle>) {
    // Whether it was reaped in time is seen from the process itself.
    drop(tokio::time::timeout(DEFAULT_GRACE, handle.reached(Until::Reaped)).await);
    let exit = handle.get_ref().try_wait().ok().flatten();
    let mut outcome = exit.map(|exit| exit.outcome);
    let source = server.upgrade().and_then(|it| it.options.source.clone());
    if !outcome.is_some_and(Outcome::is_known)
        && let Some(source) = source
    {
        let token = handle.get_ref().token();
        let asked = tokio::task::spawn_blocking(move || source.outcome(&token)).await;
        outcome = asked.ok().flatten().or(outcome);
    }
    if let Some(server) = server.upgrade() {
        server.has_inquired(key, outcome);
    }
}

impl Server {
    /// A followed process has ended, or was reaped.
    fn has_changed(self: &Arc<Self>, key: Key, seen: Option<ProcessState>) {
        let mut outbox = Outbox::new();
        let mut state = self.state();
        let reaped = seen == Some(ProcessState::Reaped);
        self.note_end(&mut state, key, reaped, &mut outbox);
        if reaped {
            self.depart(&mut state, key);
        }
        drop(state);
        self.send_all(outbox);
    }

    /// The inquiry into an outcome is over.
    fn has_inquired(self: &Arc<Self>, key: Key, found: Option<Outcome>) {
        let mut outbox = Outbox::new();
        let mut state = self.state();
        if let Some(watch) = state.entries.get_mut(key).and_then(|it| it.watch.as_mut())
            && let Some(ending) = &mut watch.ending
        {
            ending.inquiry = Inquiry::Over;
            ending.outcome = found.or(ending.outcome);
            ending.reaped |= is_reaped(watch.handle.get_ref());
        }
        state.release(key, &mut outbox);
        drop(state);
        self.send_all(outbox);
    }

    /// Takes in that a process has ended, and releases all who waited for that.
    pub(crate) fn note_end(
        self: &Arc<Self>,
        state: &mut State,
        key: Key,
        reaped: bool,
        outbox: &mut Outbox,
    ) {
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        let Some(watch) = &mut entry.watch else {
            return;
        };
        let first = watch.ending.is_none();
        let ending = watch.ending.get_or_insert_default();
        let news = first || (reaped && !ending.reaped);
        ending.reaped |= reaped;
        if news {
            // Those who wait for the end alone come first: to learn the outcome takes longer.
            state.release(key, outbox);
        }
        let wanted = state
            .entries
            .get(key)
            .is_some_and(|it| it.outcome_files > 0);
        if wanted {
            self.send_all(std::mem::take(outbox));
            self.learn(state, key);
            state.release(key, outbox);
        }
    }

    /// Learns the outcome, at once or by an inquiry.
    fn learn(self: &Arc<Self>, state: &mut State, key: Key) {
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        if let Some(uid) = real_uid_now(entry) {
            entry.real_uid = uid;
        }
        let Some(watch) = &mut entry.watch else {
            return;
        };
        let Some(ending) = &mut watch.ending else {
            return;
        };
        if is_settled(*ending) {
            return;
        }
        if let Ok(Some(exit)) = watch.handle.get_ref().try_wait() {
            // What the recorder said is not given up for what the kernel does not know.
            if exit.outcome.is_known() || !ending.outcome.is_some_and(Outcome::is_known) {
                ending.outcome = Some(exit.outcome);
            }
            ending.reaped |= exit.reaped;
        }
        if ending.inquiry == Inquiry::NotBegun && !is_settled(*ending) {
            ending.inquiry = Inquiry::Running;
            tokio::spawn(inquire(
                Arc::downgrade(self),
                key,
                Arc::clone(&watch.handle),
            ));
        }
    }
}

/// Says whether all there is to know is known.
fn is_settled(ending: Ending) -> bool {
    ending.reaped && ending.outcome.is_some_and(Outcome::is_known)
}

/// Reads the real user of a process that is still there; it may have changed while it ran.
fn real_uid_now(entry: &Entry) -> Option<u32> {
    if entry.of == Of::Thread {
        return None;
    }
    let number = entry.number.as_raw_nonzero().get().unsigned_abs();
    let status = Status::read(number)?;
    let watch = entry.watch.as_ref()?;
    // Only now is it sure that the entry was still that of our process.
    let there = matches!(
        watch.handle.get_ref().state(),
        Ok(ProcessState::Alive | ProcessState::Ended)
    );
    there.then_some(status.uids[0])
}

impl State {
    /// Answers the reads, and wakes the pollers, that have something to read now.
    pub(crate) fn release(&mut self, key: Key, outbox: &mut Outbox) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let ending = entry.watch.as_ref().and_then(|it| it.ending.as_ref());
        let pid = entry.number.as_raw_nonzero().get();
        let uid = entry.real_uid;
        let (files, blocked, quota) = (&mut self.files, &mut self.blocked, &mut self.quota);
        entry.reads.retain(|unique| {
            let Some(read) = blocked.get(unique).copied() else {
                return false;
            };
            let Some(file) = files.get_mut(&read.file) else {
                return true;
            };
            if !file.settle(ending, pid, uid) {
                return true;
            }
            outbox.push(Reply::Data(file.read(read.size)).to_bytes(*unique));
            blocked.remove(unique);
            quota.unblock(read.uid);
            false
        });
        entry.polled.retain(|number| {
            let Some(file) = files.get_mut(number) else {
                return false;
            };
            if !file.settle(ending, pid, uid) {
                return true;
            }
            outbox.extend(file.polled_as.take().map(notify_poll));
            false
        });
    }
}
