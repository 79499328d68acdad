//! Questions to the recorder: what `why`, `history`, `stats` and `watch` have in common.
//!
//! What is printed is made by pure functions of a record and a [`Scene`](scene::Scene): who reads
//! it, when and where.

pub mod amount;
pub mod buckets;
pub mod crash_loop;
pub mod csv;
pub mod filter_args;
pub mod gap;
#[cfg(test)]
pub(crate) mod kept;
pub mod open;
pub mod pages;
pub mod plot;
pub mod rows;
pub mod scene;
pub mod sent;
pub mod table;
pub mod tale;
pub mod target;
pub mod when;
