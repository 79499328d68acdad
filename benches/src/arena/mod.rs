//! An arena for low-memory killers: processes that play parts, killers, a watcher, and a table.
//!
//! The program that watches is started again for every process of the arena, as `role ARG...`.

mod cost;
mod killer;
mod memory;
mod part;
mod player;
mod role;
mod run;
mod table;
mod watch;

pub use cost::{Cost, cost_of, stalled_us};
pub use killer::{Killer, Levels, Limit, Running};
pub use memory::{
    available_in_cgroup_mib, available_mib, plain_available_mib, swap_mib, total_mib,
};
pub use part::{BYSTANDER, Manner, Part};
pub use player::Player;
pub use role::play;
pub use run::Run;
pub use table::{dead, head, row};
pub use watch::{Seen, Wanted, settle, watch};
