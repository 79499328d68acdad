//! What decisions take over from the configuration as it is, whatever the machine.

use std::time::Duration;

use crate::level::Amount;

/// What is killed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// One process.
    Process,
    /// The whole cgroup of the process that was chosen.
    Cgroup,
    /// One process, or the cgroup where that or a rule says so.
    Auto,
}

/// Figures that mean the same on every machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuning {
    /// What is killed at once.
    pub unit: Unit,
    /// How much free swap is too little to count on; a share of all swap.
    pub swap_low: Amount,
    /// The share of the page cache read again within a window that is thrashing, in percent.
    pub thrashing_percent: u32,
    /// How long a program that was asked to end may take.
    pub grace: Duration,
    /// The most victims waited for at once.
    pub max_in_flight: usize,
    /// The most kills within a minute.
    pub max_per_minute: usize,
    /// The smallest process worth killing, in bytes.
    pub min_victim_bytes: u64,
    /// How long any victim may take, whatever its size.
    pub base_deadline: Duration,
    /// How fast memory is expected to come back at first, in bytes a second.
    pub rate_bytes: u64,
    /// How far growth is thought on.
    pub horizon: Duration,
    /// Kills of one name that are a restart loop.
    pub loop_kills: usize,
    /// The time within which they are.
    pub loop_within: Duration,
    /// How long the name is left alone at first; doubles each time.
    pub loop_backoff: Duration,
}
