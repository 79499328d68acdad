//! A source under test, and what it has told so far.

use std::os::fd::OwnedFd;
use std::process::Command;

use exithand::{ExitHandle, Token};
use exithand_recorder::bpf::{Attach, BpfError, BpfSource};
use exithand_recorder::proc_connector::ProcConnectorSource;
use exithand_recorder::taskstats::TaskstatsSource;
use exithand_recorder::{Event, ExitRecord, Gap, Source};
use exithand_testkit::{Actor, Need, Pid};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use rustix::process::{PidfdFlags, pidfd_open};

/// Every way to see exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    TpBtf,
    RawTp,
    /// As on kernels that give up memory before they tell of an end.
    TpBtfOld,
    RawTpOld,
    Taskstats,
    Connector,
}

impl Way {
    pub(crate) const PROBES: [Self; 4] = [Self::TpBtf, Self::RawTp, Self::TpBtfOld, Self::RawTpOld];

    /// What the way needs of the machine.
    pub(crate) fn need(self) -> Need {
        match self {
            Self::Taskstats => Need::Root,
            Self::Connector => Need::ProcConnector,
            _ => Need::Bpf,
        }
    }

    pub(crate) fn open(self) -> Watch {
        let bpf = |opened: Result<BpfSource, BpfError>| match opened {
            Ok(source) => source,
            Err(error) => panic!("{self:?}: {error}"),
        };
        let source: Box<dyn Source> = match self {
            Self::TpBtf => Box::new(bpf(BpfSource::open(Attach::TpBtf))),
            Self::RawTp => Box::new(bpf(BpfSource::open(Attach::RawTp))),
            Self::TpBtfOld => Box::new(bpf(BpfSource::open_as_before_6_16(Attach::TpBtf))),
            Self::RawTpOld => Box::new(bpf(BpfSource::open_as_before_6_16(Attach::RawTp))),
            Self::Taskstats => Box::new(TaskstatsSource::open().expect("open taskstats")),
            Self::Connector => Box::new(ProcConnectorSource::open().expect("open the connector")),
        };
        Watch {
            source,
            exits: Vec::new(),
            gaps: Vec::new(),
        }
    }
}

pub(crate) struct Watch {
    source: Box<dyn Source>,
    pub(crate) exits: Vec<ExitRecord>,
    pub(crate) gaps: Vec<Gap>,
}

impl Watch {
    /// Drains the source once.
    pub(crate) fn drain(&mut self) {
        let (exits, gaps) = (&mut self.exits, &mut self.gaps);
        self.source
            .drain(&mut |event| match event {
                Event::Exit(record) => exits.push(*record),
                Event::Gap(gap) => gaps.push(gap),
            })
            .expect("drain the source");
    }

    /// The records so far of one process.
    pub(crate) fn told_of(&self, token: &Token) -> Vec<&ExitRecord> {
        let records = self.exits.iter();
        records
            .filter(|it| it.token.is_same_process(token))
            .collect()
    }

    /// The one record of a process that has ended: drained once, as a waiter does.
    #[track_caller]
    pub(crate) fn record_of(&mut self, token: &Token) -> ExitRecord {
        self.drain();
        let told = self.told_of(token);
        assert_eq!(told.len(), 1, "records of {token}: {told:#?}");
        told[0].clone()
    }

    /// Drains until the record is there, for sources that promise no order.
    pub(crate) fn await_record(&mut self, token: &Token) -> ExitRecord {
        loop {
            self.drain();
            if let [record] = self.told_of(token)[..] {
                return record.clone();
            }
            let wake = self.source.wake();
            retry_on_intr(|| poll(&mut [PollFd::new(&wake, PollFlags::IN)], None)).expect("poll");
        }
    }
}

/// The name of a running actor.
pub(crate) fn token_of(pid: Pid) -> Token {
    ExitHandle::open(pid).expect("open an actor").token()
}

/// A pidfd, and its process's end as seen by it.
pub(crate) fn pidfd(pid: Pid) -> OwnedFd {
    pidfd_open(pid, PidfdFlags::empty()).expect("open an actor")
}

pub(crate) fn until_ended(pidfd: &OwnedFd) {
    retry_on_intr(|| poll(&mut [PollFd::new(pidfd, PollFlags::IN)], None)).expect("poll a pidfd");
}

/// Runs a shell script to its end, for tests that need a process with certain words.
pub(crate) fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// Kills an actor by its pidfd.
pub(crate) fn kill(actor: &mut Actor) {
    actor.kill();
}
