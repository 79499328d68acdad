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
pub mod loop_groups;
pub mod notify;
pub mod open;
pub mod own;
pub mod pages;
pub mod plot;
pub mod rows;
pub mod scene;
pub mod sent;
pub mod table;
pub mod tale;
pub mod target;
pub mod when;

use exithand_recorder::ExitRecord;
use exithand_recorder::json::RecordLine;

use tale::Details;

/// Writes a record as JSON, as much of it as the reader may know.
pub fn json_line(record: &ExitRecord, near_gap: bool, details: Details) -> RecordLine {
    let line = RecordLine::new(record);
    let line = if near_gap { line.near_gap() } else { line };
    match details {
        Details::Told => line,
        // What is not told would read as if there were no killer.
        Details::Withheld => line.without_details(),
    }
}
