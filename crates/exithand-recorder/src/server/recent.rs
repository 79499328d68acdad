//! The last exits, kept in memory: those who wait ask before the store has them.

use std::collections::VecDeque;
use std::ffi::OsString;

use exithand::{Outcome, Token};

use crate::{ExitRecord, Parent, Place, Usage, WallTime};

/// How many are kept.
const RECENT_MAX: usize = 4096;

/// What is kept of a record: what everybody may see who may know the outcome, and who the parent is.
#[derive(Debug, Clone)]
struct Recent {
    token: Token,
    start_ticks: Option<u64>,
    outcome: Outcome,
    parent: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    comm: OsString,
    started: Option<WallTime>,
    ended: WallTime,
    runtime_ns: Option<u64>,
}

/// The last exits, newest last.
#[derive(Debug, Default)]
pub(crate) struct Recents(VecDeque<Recent>);

impl Recents {
    /// Keeps a record, and forgets the oldest if there are too many.
    pub(crate) fn keep(&mut self, record: &ExitRecord) {
        if self.0.len() == RECENT_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Recent {
            token: record.token,
            start_ticks: record.start_ticks,
            outcome: record.outcome,
            parent: record.parent.as_ref().map(|it| it.pid),
            uid: record.uid,
            gid: record.gid,
            comm: record.comm.clone(),
            started: record.started,
            ended: record.ended,
            runtime_ns: record.runtime_ns,
        });
    }

    /// Finds the record of the process with this name, in either form.
    pub(crate) fn find(&self, token: &Token) -> Option<ExitRecord> {
        let found = self.0.iter().rev().find(|it| it.is(token));
        found.map(Recent::to_record)
    }
}

impl Recent {
    fn is(&self, token: &Token) -> bool {
        let older = || {
            let older = Token::of_start(self.token.pid(), self.start_ticks?);
            Some(
                self.token
                    .boot_id()
                    .map_or(older, |boot| older.of_boot(boot)),
            )
        };
        self.token.is_same_process(token)
            || (token.inode().is_none() && older().is_some_and(|it| it.is_same_process(token)))
    }

    fn to_record(&self) -> ExitRecord {
        ExitRecord {
            token: self.token,
            start_ticks: self.start_ticks,
            outcome: self.outcome,
            parent: self.parent.map(|pid| Parent { pid, comm: None }),
            uid: self.uid,
            gid: self.gid,
            comm: self.comm.clone(),
            exe: None,
            argv: None,
            place: Place::default(),
            started: self.started,
            ended: self.ended,
            runtime_ns: self.runtime_ns,
            usage: Usage::default(),
            killer: None,
            oom: None,
            namespace_init: false,
        }
    }
}
