//! Gets the probes into the kernel, and keeps nothing of what that took.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use aya::maps::{HashMap, Map, MapData, PerCpuArray};
use aya::programs::{BtfTracePoint, ProgramError, RawTracePoint, links::FdLink};
use aya::{Btf, Ebpf, EbpfLoader, Endianness};

use super::Attach;
use super::btf::{Parameter, Types};
use super::error::{BpfError, check_capabilities, from_load, from_program};
use super::ring::Ring;
use super::seed::{self, IMAGE_BYTES, KEY_BYTES};

const KERNEL_TYPES: &str = "/sys/kernel/btf/vmlinux";
const TP_BTF: &[u8] = aya::include_bytes_aligned!("../../bpf/tp_btf.o");
const RAW_TP: &[u8] = aya::include_bytes_aligned!("../../bpf/raw_tp.o");

/// How often to try to load a program.
const LOADS_MAX: u32 = 1_000;

/// What the ring can hold. It is memory of the kernel; we map a small piece of it at a time.
pub(super) const RING_BYTES: u32 = 8 << 20;
/// Of this, how much calls a reader who takes their time.
const WAKE_AT_BYTES: u64 = 2 << 20;

/// The probes in the kernel; they are gone when this is dropped.
pub(super) struct Probes {
    pub(super) ring: Ring,
    pub(super) losses: PerCpuArray<MapData, u64>,
    pub(super) known_cgroups: HashMap<MapData, u64, u8>,
    _links: Vec<FdLink>,
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probes")
            .field("ring", &self.ring)
            .finish_non_exhaustive()
    }
}

/// What the running kernel's tracepoints hand over: decided by its types, never by its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kernel {
    /// `sched_process_exit` says whether the process ends with the thread, and comes while the
    /// memory is still there.
    exit_tells_group_dead: bool,
    /// `mark_victim` hands over the victim, not only its pid.
    victim_is_task: bool,
}

/// Loads and attaches all probes. Every exit after the return is told.
pub(super) fn load(attach: Attach, exits: Exits) -> Result<Probes, BpfError> {
    check_capabilities()?;
    let bytes = fs::read(KERNEL_TYPES).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => BpfError::NoBtf,
        _ => BpfError::UnreadableBtf(error),
    })?;
    let mut kernel = Kernel::of(&bytes)?;
    if exits == Exits::AsOldKernels {
        kernel.exit_tells_group_dead = false;
    }
    let btf = Btf::parse(&bytes, Endianness::default())
        .map_err(|error| BpfError::UnreadableBtf(io::Error::other(error)))?;
    drop(bytes);

    let mut ebpf = EbpfLoader::new()
        .btf(Some(&btf))
        .override_global(
            "exit_tells_group_dead",
            &u32::from(kernel.exit_tells_group_dead),
            true,
        )
        .override_global("wake_at_bytes", &WAKE_AT_BYTES, true)
        .map_max_entries("ring", RING_BYTES)
        .load(attach.object())
        .map_err(|error| from_load(&error))?;
    let ring_fd = duplicate(ebpf.map("ring"))?;
    let ring_bytes = usize::try_from(RING_BYTES).unwrap_or(usize::MAX);
    let ring = Ring::new(ring_fd, ring_bytes).map_err(BpfError::Ring)?;

    let mut links = Vec::new();
    for (probe, point) in kernel.probes() {
        links.push(attach.probe(&mut ebpf, &btf, probe, point)?);
    }
    if !kernel.exit_tells_group_dead {
        seed_images(&mut ebpf)?;
    }
    let losses = PerCpuArray::try_from(take(&mut ebpf, "losses")?);
    let known_cgroups = HashMap::try_from(take(&mut ebpf, "known_cgroups")?);
    Ok(Probes {
        ring,
        losses: losses.map_err(|_other_kind| BpfError::Incomplete("losses"))?,
        known_cgroups: known_cgroups
            .map_err(|_other_kind| BpfError::Incomplete("known_cgroups"))?,
        _links: links,
    })
}

/// How exits are told from those of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exits {
    /// As the running kernel allows.
    AsThisKernel,
    /// As on kernels before 6.16.
    AsOldKernels,
}

impl Kernel {
    fn of(bytes: &[u8]) -> Result<Self, BpfError> {
        let unreadable = || BpfError::UnreadableBtf(io::ErrorKind::InvalidData.into());
        let types = Types::new(bytes).ok_or_else(unreadable)?;
        let point = |name: &'static str| types.tracepoint(name).ok_or(BpfError::NoTracepoint(name));
        Ok(Self {
            exit_tells_group_dead: point("sched_process_exit")?.len() > 1,
            victim_is_task: point("mark_victim")?.first() == Some(&Parameter::Pointer),
        })
    }

    /// The probes to attach, each with its tracepoint. That of exits comes last: what it tells is
    /// complete from its first record on.
    fn probes(self) -> Vec<(&'static str, &'static str)> {
        let mut probes = vec![
            ("process_exec", "sched_process_exec"),
            ("signal_generate", "signal_generate"),
        ];
        probes.push(if self.victim_is_task {
            ("mark_victim", "mark_victim")
        } else {
            ("mark_victim_pid", "mark_victim")
        });
        if !self.exit_tells_group_dead {
            probes.push(("process_fork", "sched_process_fork"));
        }
        probes.push(("process_exit", "sched_process_exit"));
        probes
    }
}

impl Attach {
    fn object(self) -> &'static [u8] {
        match self {
            Self::TpBtf => TP_BTF,
            Self::RawTp => RAW_TP,
        }
    }

    fn probe(
        self,
        ebpf: &mut Ebpf,
        btf: &Btf,
        probe: &'static str,
        point: &'static str,
    ) -> Result<FdLink, BpfError> {
        let program = ebpf.program_mut(probe).ok_or(BpfError::Incomplete(probe))?;
        let wrong = |error| from_program(probe, &error);
        match self {
            Self::TpBtf => {
                let program: &mut BtfTracePoint = program.try_into().map_err(wrong)?;
                patiently(|| program.load(point, btf)).map_err(wrong)?;
                let id = program.attach().map_err(wrong)?;
                Ok(program.take_link(id).map_err(wrong)?.into())
            }
            Self::RawTp => {
                let program: &mut RawTracePoint = program.try_into().map_err(wrong)?;
                patiently(|| program.load()).map_err(wrong)?;
                let id = program.attach(point).map_err(wrong)?;
                Ok(program.take_link(id).map_err(wrong)?.into())
            }
        }
    }
}

/// The kernel gives up checking a program when a signal comes in between.
fn patiently(mut load: impl FnMut() -> Result<(), ProgramError>) -> Result<(), ProgramError> {
    for _ in 1..LOADS_MAX {
        match load() {
            Err(ProgramError::LoadError { io_error, .. })
                if io_error.kind() == io::ErrorKind::WouldBlock => {}
            loaded => return loaded,
        }
    }
    load()
}

fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<Map, BpfError> {
    ebpf.take_map(name).ok_or(BpfError::Incomplete(name))
}

fn duplicate(map: Option<&Map>) -> Result<OwnedFd, BpfError> {
    let Some(Map::RingBuf(data)) = map else {
        return Err(BpfError::Incomplete("ring"));
    };
    data.fd()
        .as_fd()
        .try_clone_to_owned()
        .map_err(BpfError::Ring)
}

fn seed_images(ebpf: &mut Ebpf) -> Result<(), BpfError> {
    let map = take(ebpf, "images")?;
    let mut images: HashMap<_, [u8; KEY_BYTES], [u8; IMAGE_BYTES]> =
        HashMap::try_from(map).map_err(|_other_kind| BpfError::Incomplete("images"))?;
    // A process that cannot be told here has no command line in its record.
    seed::each(|(key, image)| drop(images.insert(key, image, 0))).map_err(BpfError::Ring)
}
