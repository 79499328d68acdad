//! How soon a pid comes again: models of pid allocators, and what a script that polls a pid risks.
//!
//! An [`Allocator`] gives numbers to processes and takes them back. [`Linux`], [`NetBsd`],
//! [`OpenBsd`] and [`FreeBsd`] do it as these kernels do, [`Counter`] never gives a number twice.
//! [`simulate`] lets one of them serve a [`Workload`] and tells when numbers came again;
//! [`estimate`] has the formulas, where there are any. All is pure and repeatable: the same seed
//! gives the same processes on every machine.
//!
//! ```
//! use exithand_pidlab::{Allocator, Linux};
//!
//! let mut pids = Linux::new(301);
//! let first = pids.allocate()?;
//! pids.free(first);
//! assert_ne!(pids.allocate()?, first);
//! # Ok::<(), exithand_pidlab::Full>(())
//! ```
//!
//! A number is held by one process here. In the kernels a process group or a session that outlives
//! its leader holds the leader's number, too, and on Linux each thread takes a number.

mod counter;
mod distance;
pub mod estimate;
mod freebsd;
mod ledger;
mod linux;
mod netbsd;
mod number;
mod openbsd;
mod report;
mod rng;
mod simulate;
mod used;
mod workload;

use std::error::Error;
use std::fmt::{self, Debug, Display};

pub use counter::Counter;
pub use distance::Distance;
pub use freebsd::FreeBsd;
pub use linux::Linux;
pub use netbsd::NetBsd;
pub use number::Number;
pub use openbsd::OpenBsd;
pub use report::{Report, Reuse};
pub use rng::Rng;
pub use simulate::simulate;
pub use workload::{Arrivals, Life, Storm, Workload};

/// Gives numbers to processes, as a kernel does.
pub trait Allocator: Debug {
    /// Gives a number that no process has to a new one.
    ///
    /// # Errors
    ///
    /// Every number is in use. Nothing has changed then.
    fn allocate(&mut self) -> Result<Number, Full>;

    /// Takes back the number of a process that has been reaped.
    ///
    /// # Panics
    ///
    /// If no process has the number.
    fn free(&mut self, number: Number);
}

/// Every number is in use; a `fork` would fail with `EAGAIN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("every number is in use")
    }
}

impl Error for Full {}
