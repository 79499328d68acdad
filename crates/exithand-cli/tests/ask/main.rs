//! Questions to a history that is known: the command, its exit codes and what it prints.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test's helper can do nothing better than to panic"
)]

#[path = "../common/mod.rs"]
mod common;
mod contract;
mod history;
mod live;
mod stage;
mod stats;
mod why;
