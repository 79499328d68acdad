//! What the kernel says about memory: parsers from bytes, without allocation.

mod cgroup;
mod meminfo;
mod process;
mod psi;
mod vmstat;
mod zoneinfo;

pub(crate) use cgroup::cgroup_of;
pub use cgroup::{MemoryEvents, container_of, unit_of};
pub use meminfo::Meminfo;
pub use process::{ProcessStatus, Smaps, TermHandling};
pub use psi::{Pressure, Stall, StallMeter};
pub use vmstat::{Reclaim, ReclaimMeter, Vmstat};
pub use zoneinfo::per_cpu_pages;
