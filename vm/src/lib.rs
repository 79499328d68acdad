//! What the host of a virtual machine and its guest tell each other.
//!
//! The host puts a [`Plan`] into the guest's first filesystem: which programs to run. The guest runs
//! them one after the other and answers over its second serial port with a [`Frame`] a line. The
//! first serial port is the kernel's own, so that what it says never gets into a frame.

mod frame;
mod plan;

pub use frame::{End, Frame, Stream};
pub use plan::{Plan, Program, User};

/// Where the guest finds its plan.
pub const PLAN: &str = "/plan";
/// Where a system on a disk has the program of the guest's init.
pub const PLAYER: &str = "/exithand-vm-init";
/// Its arguments there: run the plan, and say that the guest may be turned off.
pub const PLAYS_LAST: [&str; 2] = ["play", "last"];
/// The folder of the kernel modules to load, in the order of their names.
pub const MODULES: &str = "/modules";
/// The port of the frames, in the guest.
pub const PORT: &str = "/dev/ttyS1";
