//! Numbers of processes, and conversions that can't go wrong here.

use std::fmt::{self, Display};

/// A number that a simulated kernel gives to a process.
///
/// It is never a pid of this machine to act on, so it may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub u64);

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Turns a number below a table's size into an index.
pub(crate) fn index(number: u64) -> usize {
    usize::try_from(number).expect("tables fit into memory")
}

/// Turns a count into a number to calculate with.
#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "counts are far below 2^53"
)]
pub(crate) fn to_f64(count: u64) -> f64 {
    count as f64
}
