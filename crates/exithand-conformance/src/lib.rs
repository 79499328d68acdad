//! A suite that judges any implementation of the exithand files: it takes a directory that holds
//! `PID/exithand` and holds it to section 5 of the contract.
//!
//! It knows the directory only through system calls, and the truth only from `wait(2)`, so a
//! filesystem in user space and a kernel with the files in its own `/proc` are judged alike. What an
//! implementation may leave out is reported as absent, unless it is required.
//!
//! Each check runs in a process of its own, which is killed when it does not come back: a file
//! that hangs fails its check and no other.

mod args;
mod checks;
mod feature;
mod policy;
mod report;
mod runner;
mod site;
mod sys;
mod verdict;
mod watch;

pub use checks::{Check, all};
pub use feature::Feature;
pub use policy::Policy;
pub use site::Site;
pub use verdict::{Checked, Stop};

use std::process::ExitCode;

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    args::run()
}
