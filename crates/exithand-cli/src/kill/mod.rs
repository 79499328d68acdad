//! The engine of `exithand kill`: signals processes through handles, waits until all are really
//! gone, escalates at the timeout, and says how each ended.
//!
//! A tree or a cgroup is emptied with those that are forked meanwhile. How that is made sure:
//!
//! | who is meant | how forks are seen | what is left open |
//! |---|---|---|
//! | cgroup2, `SIGKILL` | `cgroup.kill`: the kernel kills those being forked too | nothing |
//! | cgroup, any signal | its own list, read again until it names nobody new, and at every end | nothing, but v1 without freezer may be outrun |
//! | tree | the process connector tells every fork in causal order | nothing, unless events are lost |
//! | tree, no connector | everybody is stopped, then `/proc` is read until it shows nobody new | who leaves the tree after the signal |
//!
//! Without the connector all are stopped for every signal, not for `SIGKILL` alone: it is the one
//! way to have the whole tree in hand when the signal goes out. What remains open is said in a
//! [`Note`], never passed over.

mod cgroup;
mod engine;
mod gather;
mod lineage;
mod members;
mod pause;
mod plan;
mod proc;
mod report;
mod tree;

pub use cgroup::{Cgroup, CgroupError};
pub use engine::run;
pub use exithand_recorder::connector::Unwatchable;
pub use report::{
    End, KillError, Note, Observer, Process, Report, Request, Scope, Survivors, Watch,
};
