//! How memory stands, as the open files tell.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, pread, retry_on_intr};

use super::files::{open_below, read_from_start};
use crate::decide::Sample;
use crate::guard::FillMeter;
use crate::number::{decimal, field};
use crate::reading::{Meminfo, Pressure, Reclaim, ReclaimMeter, StallMeter, Vmstat, per_cpu_pages};

/// `/proc/vmstat`, the longest file read, has about 4 KiB.
const ROOM: usize = 16 << 10;

/// Whose memory is looked at.
#[derive(Debug)]
enum Files {
    Machine {
        meminfo: OwnedFd,
        vmstat: OwnedFd,
        zoneinfo: Option<OwnedFd>,
    },
    /// Limit, usage, and the statistics that tell how much of it is page cache.
    Cgroup {
        limit: Limit,
        usage: OwnedFd,
        stat: OwnedFd,
    },
}

/// What a cgroup may use.
#[derive(Debug)]
struct Limit {
    most: OwnedFd,
    /// Above that the kernel does not kill but slows down, and leaves the rest to others. Version 2.
    high: Option<OwnedFd>,
}

impl Limit {
    /// Reads it; `None` where there is none.
    fn read(&self, room: &mut [u8]) -> Result<Option<u64>, Errno> {
        let most = decimal(read_from_start(&self.most, room)?);
        match &self.high {
            Some(high) if most.is_none() => Ok(decimal(read_from_start(high, room)?)),
            _ => Ok(most),
        }
    }
}

/// Open files, and what is remembered of the last look.
#[derive(Debug)]
pub(super) struct Eyes {
    files: Files,
    pressure: Option<OwnedFd>,
    room: Box<[u8; ROOM]>,
    page_bytes: u64,
    stall: StallMeter,
    reclaim: ReclaimMeter,
    fill: FillMeter,
}

impl Eyes {
    /// Opens the files about the whole machine.
    ///
    /// # Errors
    ///
    /// `/proc` is not mounted.
    pub(super) fn of_machine(window: Duration) -> io::Result<Self> {
        let read = |path: &str| open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let files = Files::Machine {
            meminfo: read("/proc/meminfo")?,
            vmstat: read("/proc/vmstat")?,
            zoneinfo: read("/proc/zoneinfo").ok(),
        };
        Ok(Self::new(files, read("/proc/pressure/memory").ok(), window))
    }

    /// Opens the files of a cgroup: of version 2, or of the memory controller of version 1.
    ///
    /// # Errors
    ///
    /// It is no such cgroup.
    pub(super) fn of_cgroup(path: &Path, window: Duration) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = open(path, flags, Mode::empty())?;
        let read = |v2: &str, v1: &str| {
            let file =
                |name: &str| open_below(directory.as_fd(), format_args!("{name}"), OFlags::RDONLY);
            file(v2).or_else(|_absent| file(v1))
        };
        let files = Files::Cgroup {
            limit: Limit {
                most: read("memory.max", "memory.limit_in_bytes")?,
                high: read("memory.high", "memory.high").ok(),
            },
            usage: read("memory.current", "memory.usage_in_bytes")?,
            stat: read("memory.stat", "memory.stat")?,
        };
        let pressure = read("memory.pressure", "memory.pressure").ok();
        Ok(Self::new(files, pressure, window))
    }

    fn new(files: Files, pressure: Option<OwnedFd>, window: Duration) -> Self {
        // A kernel that does not count may have the file all the same.
        let counts = |file: &OwnedFd| pread(file, &mut [0; 256], 0).is_ok();
        let pressure = pressure.filter(counts);
        Self {
            files,
            pressure,
            room: Box::new([0; ROOM]),
            page_bytes: u64::try_from(rustix::param::page_size()).unwrap_or(4096),
            stall: StallMeter::new(window),
            reclaim: ReclaimMeter::default(),
            fill: FillMeter::default(),
        }
    }

    /// Says whether the kernel tells of stalls.
    pub(super) fn sees_pressure(&self) -> bool {
        self.pressure.is_some()
    }

    /// Returns all memory there is; that of a cgroup without a limit is the machine's.
    ///
    /// # Errors
    ///
    /// As `read(2)`.
    pub(super) fn total_bytes(&mut self) -> Result<u64, Errno> {
        match &self.files {
            Files::Machine { meminfo, .. } => {
                let text = read_from_start(meminfo, &mut self.room[..])?;
                Ok(Meminfo::parse(text).ok_or(Errno::INVAL)?.total_bytes)
            }
            Files::Cgroup { limit, .. } => {
                let limit = limit.read(&mut self.room[..])?;
                Ok(limit.unwrap_or(u64::MAX))
            }
        }
    }

    /// Looks. Below `near_bytes` it looks closer, which takes longer.
    ///
    /// # Errors
    ///
    /// As `read(2)`; `EINVAL` for a file that lacks a line.
    pub(super) fn look(&mut self, now: Duration, near_bytes: u64) -> Result<Sample, Errno> {
        let mut sample = Sample {
            at: now,
            ..Sample::default()
        };
        match &self.files {
            Files::Machine { meminfo, .. } => {
                let text = read_from_start(meminfo, &mut self.room[..])?;
                let meminfo = Meminfo::parse(text).ok_or(Errno::INVAL)?;
                sample.available_bytes = meminfo.available_bytes;
                sample.swap_total_bytes = meminfo.swap_total_bytes;
                sample.swap_free_bytes = meminfo.swap_free_bytes;
                sample.file_bytes = meminfo.file_bytes;
            }
            Files::Cgroup { limit, usage, stat } => {
                let limit = limit.read(&mut self.room[..])?;
                let usage = decimal(read_from_start(usage, &mut self.room[..])?).unwrap_or(0);
                let text = read_from_start(stat, &mut self.room[..])?;
                let cache = |total: &str, own: &str| {
                    field(text, total.as_bytes()).or_else(|| field(text, own.as_bytes()))
                };
                // What is only cache makes room by itself.
                let inactive = cache("total_inactive_file ", "inactive_file ").unwrap_or(0);
                let active = cache("total_active_file ", "active_file ").unwrap_or(0);
                sample.file_bytes = inactive.saturating_add(active);
                let free = limit.unwrap_or(u64::MAX).saturating_sub(usage);
                sample.available_bytes = free.saturating_add(inactive);
            }
        }
        if sample.available_bytes < near_bytes {
            sample.available_bytes = sample.available_bytes.saturating_add(self.per_cpu_bytes()?);
        }
        // The kernel can be told to stop counting at any time; then levels have to do.
        if let Some(pressure) = &self.pressure
            && let Ok(text) = read_from_start(pressure, &mut self.room[..])
        {
            let total = Pressure::parse(text).unwrap_or_default();
            sample.stall = Some(self.stall.add(now, total));
        }
        sample.reclaim = self.reclaim(&sample)?;
        sample.fill_bytes = self.fill.add(now, sample.available_bytes);
        Ok(sample)
    }

    /// Adds up what processors keep for themselves. The file is as long as there are processors, so
    /// it is read piece by piece, each up to its last whole line.
    fn per_cpu_bytes(&mut self) -> Result<u64, Errno> {
        let Files::Machine {
            zoneinfo: Some(zoneinfo),
            ..
        } = &self.files
        else {
            return Ok(0);
        };
        let (mut pages, mut offset) = (0_u64, 0_u64);
        loop {
            let room = &mut self.room[..];
            let length = retry_on_intr(|| pread(zoneinfo, &mut *room, offset))?;
            let whole = room[..length].iter().rposition(|byte| *byte == b'\n');
            let Some(whole) = whole else {
                return Ok(pages.saturating_mul(self.page_bytes));
            };
            pages = pages.saturating_add(per_cpu_pages(&room[..=whole]));
            offset += u64::try_from(whole + 1).unwrap_or(u64::MAX);
        }
    }

    /// Reads what reclaim did since the last look; where nobody stalls it does not matter.
    fn reclaim(&mut self, sample: &Sample) -> Result<Reclaim, Errno> {
        let stalls = sample.stall.is_some_and(|stall| stall.full_us > 0);
        match &self.files {
            Files::Machine { vmstat, .. } if stalls => {
                let text = read_from_start(vmstat, &mut self.room[..])?;
                Ok(self.reclaim.add(Vmstat::parse(text), self.page_bytes))
            }
            _ => {
                self.reclaim = ReclaimMeter::default();
                Ok(Reclaim::default())
            }
        }
    }

    /// Forgets stalls and rates: memory has come back since.
    pub(super) fn forget(&mut self) {
        self.stall.reset();
        self.fill.reset();
    }
}
