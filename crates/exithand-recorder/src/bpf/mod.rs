//! The source that knows everything: probes in the kernel.
//!
//! An exit is in the ring before the pidfd of its process becomes readable, so whoever drains after
//! that finds it. The ring wakes a reader that had read everything, once; one that then waits a
//! moment costs the machine far less than one that reads each record by itself.

mod assemble;
mod btf;
mod cgroups;
mod error;
mod load;
mod ring;
mod seed;
mod sys;
mod wire;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use exithand::BootId;
use rustix::param::page_size;

use self::assemble::{Machine, exit_record};
use self::cgroups::{Cgroups, Room};
use self::load::{Exits, Probes};
use self::wire::Record;
use crate::clock::Clock;
use crate::{Event, Fill, Gap, LossCause, Source, SourceName, WallTime};

pub(crate) use self::assemble::words;

/// Says what a record of the ring holds.
pub(crate) fn describe(bytes: &[u8]) -> String {
    format!("{:?}", wire::parse(bytes))
}

/// Says what a tracepoint hands over, by the kernel's types.
pub(crate) fn describe_types(bytes: &[u8], tracepoint: &str) -> String {
    let types = btf::Types::new(bytes);
    format!("{:?}", types.and_then(|it| it.tracepoint(tracepoint)))
}
pub use self::error::{BpfError, Missing};

/// How the probes hold on to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attach {
    /// As programs whose arguments the verifier knows by type; the quickest. Linux 5.11.
    TpBtf,
    /// As programs on raw tracepoints. Linux 5.8.
    RawTp,
}

/// Probes in the kernel, and the ring they write to.
#[derive(Debug)]
pub struct BpfSource {
    probes: Probes,
    machine: Machine,
    cgroups: Cgroups,
    losses: Losses,
}

/// What had been lost when we last looked.
#[derive(Debug)]
struct Losses {
    exits: u64,
    complete_until: WallTime,
}

/// The counters of `bpf/record.h`.
const LOST_EXIT: u32 = 0;

impl BpfSource {
    /// Loads the probes. Every process that ends after the return is told.
    ///
    /// Takes about 40 MB for a moment, for the description of the kernel's types, and gives them
    /// back.
    ///
    /// # Errors
    ///
    /// What is missing: BTF, capabilities, tracepoints; or what blocks the call.
    pub fn open(attach: Attach) -> Result<Self, BpfError> {
        Self::open_for(attach, Exits::AsThisKernel)
    }

    /// As [`BpfSource::open`], in the ways of kernels before 6.16, for the tests.
    ///
    /// # Errors
    ///
    /// As [`BpfSource::open`].
    #[doc(hidden)]
    pub fn open_as_before_6_16(attach: Attach) -> Result<Self, BpfError> {
        Self::open_for(attach, Exits::AsOldKernels)
    }

    fn open_for(attach: Attach, exits: Exits) -> Result<Self, BpfError> {
        let boot = BootId::current()?;
        let probes = load::load(attach, exits);
        sys::give_back_memory();
        Ok(Self {
            probes: probes?,
            machine: Machine {
                boot,
                page_bytes: u64::try_from(page_size()).unwrap_or(4096),
            },
            cgroups: Cgroups::default(),
            losses: Losses {
                exits: 0,
                complete_until: Clock::read().now(),
            },
        })
    }

    /// How much of the ring waits to be read, and how much it holds, in bytes.
    pub fn fill(&self) -> (u64, u64) {
        (self.probes.ring.waiting(), u64::from(load::RING_BYTES))
    }

    /// How many records were lost since the last look.
    fn gap(&mut self, now: WallTime) -> io::Result<Option<Gap>> {
        let counts = self
            .probes
            .losses
            .get(&LOST_EXIT, 0)
            .map_err(io::Error::other)?;
        let exits: u64 = counts.iter().sum();
        let lost = exits.saturating_sub(self.losses.exits);
        let from = std::mem::replace(&mut self.losses.complete_until, now);
        self.losses.exits = exits;
        Ok((lost > 0).then_some(Gap {
            from,
            to: now,
            lost: Some(lost),
            cause: LossCause::RingFull,
        }))
    }
}

impl Source for BpfSource {
    fn name(&self) -> &'static str {
        SourceName::Bpf.as_str()
    }

    fn wake(&self) -> BorrowedFd<'_> {
        self.probes.ring.as_fd()
    }

    fn drain(&mut self, take: &mut dyn FnMut(Event)) -> io::Result<()> {
        let clock = Clock::read();
        let (machine, cgroups) = (&self.machine, &mut self.cgroups);
        let mut begin_anew = false;
        self.probes.ring.read(|bytes| match wire::parse(bytes) {
            Some(Record::Exit(exit)) => {
                let record = exit_record(*exit, &clock, machine, cgroups);
                take(Event::Exit(Box::new(record)));
            }
            Some(Record::Cgroup(cgroup)) => {
                begin_anew |= cgroups.learn(cgroup.id, cgroup.path) == Room::BeginAnew;
            }
            None => {}
        })?;
        if begin_anew {
            self.forget_cgroups();
        }
        if let Some(gap) = self.gap(clock.now())? {
            take(Event::Gap(gap));
        }
        Ok(())
    }

    fn fill(&self) -> Option<Fill> {
        let (used_bytes, size_bytes) = BpfSource::fill(self);
        Some(Fill {
            used_bytes,
            size_bytes,
        })
    }
}

impl BpfSource {
    /// Makes the probes tell the paths of all cgroups again.
    fn forget_cgroups(&mut self) {
        let known = &mut self.probes.known_cgroups;
        let ids: Vec<u64> = known.keys().flatten().collect();
        for id in ids {
            // One that is gone already has been forgotten.
            drop(known.remove(&id));
        }
    }
}
