//! What the benchmarks share: a table, medians, and processes that end when told.
//!
//! A benchmark sets the library against the least that must be done, in one process, in turns, and
//! compares medians. It panics where the machine does not play along.
#![expect(
    clippy::missing_panics_doc,
    reason = "a benchmark can do nothing better than panic"
)]

#[expect(
    clippy::unwrap_used,
    reason = "a benchmark can do nothing better than panic"
)]
pub mod arena;
mod processes;
mod rounds;
mod sys;
mod table;
mod wake;

pub use processes::{Children, Crowd, Spawner, Strangers, storm};
pub use rounds::{cpu_time, in_turns, median, now, raise_descriptor_limit};
pub use sys::{CountingAllocator, allocated_bytes};
pub use table::{Goal, Table};
pub use wake::{bare_end, bare_open, bare_reap, one_wake};
