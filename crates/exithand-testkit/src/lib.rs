//! Test support for exithand: processes with known ends, private pid namespaces, honest skips.
//!
//! Nothing here uses exithand itself: what a test compares with comes from `wait(2)` and `/proc`.
//!
//! ```no_run
//! use exithand_testkit::{actor, need, Need};
//!
//! need!(Need::PidfdInfoExit);
//! let mut actor = actor(&["wait-then-exit", "3"]);
//! actor.release();
//! assert_eq!(actor.wait(), 0x0300);
//! ```
//!
//! The helpers panic when the machine does not do what they stand for: a test can do nothing better.

mod actor;
mod apart;
mod binary;
mod cgroup;
mod command;
mod crowd;
mod fake_files;
mod fake_memory;
mod fuse;
mod isolate;
mod middleman;
mod need;
mod probe;
mod skip;
pub mod sys;
mod wait;

pub use actor::{Actor, actor, actor_command};
pub use apart::{Apart, listen, play_apart, run_apart, say};
pub use cgroup::{Cgroup, Hierarchy};
pub use command::{User, copy_program, run_as, with_descriptor_limit};
pub use crowd::at_most;
pub use fake_files::{FakeFiles, FakeProcess};
pub use fake_memory::{FakeMemory, hide};
pub use fuse::{SilentFilesystem, open_fuse_to_all};
pub use isolate::{Isolation, Report, private_pid_namespace, run_isolated};
pub use middleman::Middleman;
pub use need::Need;
pub use rustix::process::Pid;
pub use skip::skip;
#[doc(hidden)]
pub use skip::test_path;
pub use wait::{wait_ended, wait_status, wait_zombie};
