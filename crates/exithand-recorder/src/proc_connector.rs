//! The source that anybody may use: the process connector alone, which needs no privilege since
//! Linux 6.6.
//!
//! It tells numbers: pids, threads, statuses. Everything else is read from `/proc` when a process
//! begins or executes something, if it is still there then. Nobody is told who killed whom. An exit
//! is told after the pidfd has become readable, so a drain may come too early for it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use exithand::{BootId, Token};
use rustix::process::Pid;

use crate::clock::{Clock, of_ticks, suspended_ns, ticks};
use crate::connector::{Connector, Drained, Event as Row, Kinds, Unwatchable};
use crate::facts::{self, Identity};
use crate::lives::{Ended, Kind, Life, Lives, Step};
use crate::record::status_outcome;
use crate::{Event, ExitRecord, Gap, LossCause, Parent, Source, SourceName, Usage, WallTime};

/// Why the process connector cannot be used here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectorError {
    /// It does not answer.
    #[error("{0}")]
    Unwatchable(Unwatchable),
    /// It answers, and then it does not.
    #[error("cannot read from the process connector")]
    Unreadable(#[source] io::Error),
    /// The id of the running boot cannot be read.
    #[error(transparent)]
    Boot(#[from] exithand::Error),
}

/// The process connector, and the processes that live as far as it told.
#[derive(Debug)]
pub struct ProcConnectorSource {
    pub(crate) watch: LifeWatch,
}

/// What both sources that stand on the connector share.
#[derive(Debug)]
pub(crate) struct LifeWatch {
    connector: Connector,
    rows: Vec<Row>,
    pub(crate) lives: Lives,
    pub(crate) boot: BootId,
    complete_until: WallTime,
    /// Ends of which nothing could be told.
    unseen: u64,
}

impl LifeWatch {
    pub(crate) fn start() -> Result<Self, ConnectorError> {
        let boot = BootId::current()?;
        let connector = Connector::start().map_err(ConnectorError::Unwatchable)?;
        connector.only(Kinds::Lives);
        let mut watch = Self {
            connector,
            rows: Vec::new(),
            lives: Lives::default(),
            boot,
            complete_until: Clock::read().now(),
            unseen: 0,
        };
        watch.meet_everybody();
        // Whoever ended before we had met everybody is not ours to tell.
        watch
            .follow(&Clock::read(), &mut drop, |_, _| {})
            .map_err(ConnectorError::Unreadable)?;
        watch.unseen = 0;
        Ok(watch)
    }

    pub(crate) fn wake(&self) -> BorrowedFd<'_> {
        self.connector.as_fd()
    }

    fn meet_everybody(&mut self) {
        for (pid, threads) in facts::everybody() {
            if threads.is_empty() {
                continue;
            }
            if facts::is_kernel_thread(pid) {
                let kind = Kind::KernelThread;
                self.lives.meet(pid, threads, kind, None, Arc::default());
            } else {
                let (identity, facts) = (facts::identity(pid), facts::facts(pid));
                let kind = Kind::Process;
                self.lives.meet(pid, threads, kind, identity, facts);
            }
        }
    }

    /// Takes in all that happened, and gives the ends to `ended`.
    ///
    /// # Errors
    ///
    /// As [`Connector::drain`].
    pub(crate) fn follow(
        &mut self,
        clock: &Clock,
        take: &mut dyn FnMut(Event),
        mut ended: impl FnMut(Ended, &mut dyn FnMut(Event)),
    ) -> io::Result<()> {
        let mut rows = std::mem::take(&mut self.rows);
        let drained = self.connector.drain(&mut rows)?;
        for row in rows.drain(..) {
            match self.lives.observe(row) {
                Step::Begun(pid) => self.look_at(pid),
                Step::Changed(pid) => self.look_again(pid),
                Step::Ended(end) => ended(end, take),
                Step::Unseen => self.unseen += 1,
                Step::Nothing => {}
            }
        }
        self.rows = rows;
        let from = std::mem::replace(&mut self.complete_until, clock.now());
        if drained == Drained::Lost {
            take(gap(from, clock, None));
            self.lives.forget();
            self.meet_everybody();
        }
        Ok(())
    }

    fn look_at(&mut self, pid: u32) {
        if let Some(life) = self.lives.get_mut(pid) {
            let found = facts::identity(pid);
            life.identity = found.filter(|it| is_of(it, life));
        }
    }

    fn look_again(&mut self, pid: u32) {
        if let Some(life) = self.lives.get_mut(pid) {
            let found = facts::facts(pid);
            // One that is gone shows nothing; better nothing than what it was before.
            life.facts = found;
        }
    }
}

fn gap(from: WallTime, clock: &Clock, lost: Option<u64>) -> Event {
    Event::Gap(Gap {
        from,
        to: clock.now(),
        lost,
        cause: LossCause::SocketFull,
    })
}

/// Whether what has the pid now is the process that was forked then.
fn is_of(identity: &Identity, life: &Life) -> bool {
    life.forked_ns.is_none_or(|forked_ns| {
        let told = ticks(forked_ns + suspended_ns());
        // The kernel notes the start a moment before it tells of it.
        told.abs_diff(identity.start_ticks) <= 1
    })
}

/// The name of a process that has ended.
pub(crate) fn token(pid: u32, life: &Life, boot: BootId) -> Option<Token> {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let token = match (life.identity, life.forked_ns) {
        (
            Some(Identity {
                inode: Some(inode), ..
            }),
            _,
        ) => Token::of_inode(raw, inode),
        (Some(identity), _) => Token::of_start(raw, identity.start_ticks),
        // Gone before anybody could look; it began a moment before it was told.
        (None, Some(forked_ns)) => Token::of_start(raw, ticks(forked_ns + suspended_ns())),
        (None, None) => return None,
    };
    Some(token.of_boot(boot))
}

/// The record of an end, with what the connector and `/proc` told.
pub(crate) fn record(ended: &Ended, boot: BootId, clock: &Clock) -> Option<ExitRecord> {
    let facts = &ended.life.facts;
    let at_ns = ended.at_ns + suspended_ns();
    let start_ticks = ended.life.identity.map(|it| it.start_ticks);
    let started_ns = ended
        .life
        .forked_ns
        .map(|it| it + suspended_ns())
        .or_else(|| start_ticks.map(of_ticks));
    let token = token(ended.pid, &ended.life, boot)?;
    Some(ExitRecord {
        token,
        start_ticks: start_ticks.filter(|_| token.inode().is_some()),
        outcome: status_outcome(ended.status),
        parent: (ended.parent != 0).then(|| Parent {
            pid: ended.parent,
            comm: facts::name(ended.parent),
        }),
        uid: facts.uid,
        gid: facts.gid,
        comm: facts.comm.clone(),
        exe: facts.exe.clone(),
        argv: facts.argv.clone(),
        place: facts.place.clone(),
        started: started_ns.map(|it| clock.wall(it)),
        ended: clock.wall(at_ns),
        runtime_ns: started_ns.map(|it| at_ns.saturating_sub(it)),
        usage: Usage::default(),
        killer: None,
        oom: None,
        namespace_init: false,
    })
}

impl ProcConnectorSource {
    /// Subscribes to forks, execs and exits, and looks at everybody who lives.
    ///
    /// # Errors
    ///
    /// What is missing: the connector, permission (before Linux 6.6), the initial namespaces.
    pub fn open() -> Result<Self, ConnectorError> {
        Ok(Self {
            watch: LifeWatch::start()?,
        })
    }
}

impl Source for ProcConnectorSource {
    fn name(&self) -> &'static str {
        SourceName::ProcConnector.as_str()
    }

    fn wake(&self) -> BorrowedFd<'_> {
        self.watch.wake()
    }

    fn drain(&mut self, take: &mut dyn FnMut(Event)) -> io::Result<()> {
        let clock = Clock::read();
        let boot = self.watch.boot;
        let mut unnamed = 0;
        self.watch.follow(&clock, take, |ended, take| {
            if ended.life.kind == Kind::KernelThread {
                return;
            }
            match record(&ended, boot, &clock) {
                Some(record) => take(Event::Exit(Box::new(record))),
                None => unnamed += 1,
            }
        })?;
        self.watch.tell_unseen(unnamed, &clock, take);
        Ok(())
    }
}

impl LifeWatch {
    /// Ends that could not be told are lost.
    pub(crate) fn tell_unseen(&mut self, more: u64, clock: &Clock, take: &mut dyn FnMut(Event)) {
        let unseen = std::mem::take(&mut self.unseen) + more;
        if unseen > 0 {
            take(gap(self.complete_until, clock, Some(unseen)));
        }
    }
}
