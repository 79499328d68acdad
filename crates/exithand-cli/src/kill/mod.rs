//! kill
mod fork_events;
mod forks;
mod lineage;
