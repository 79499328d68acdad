//! Waits that the tests of several topics make.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test program uses a part"
)]

use std::time::Duration;

use exithand::{Deadline, Exit, ExitHandle, Until, WaitOptions};

/// Waits for an event that must come.
pub(crate) fn wait(handle: &ExitHandle, until: Until) -> Exit {
    let deadline = Deadline::after(Duration::from_mins(1));
    let exit = handle.wait(until, deadline).unwrap();
    exit.expect("no end was seen")
}

/// Waits without the grace that a reap may bring an answer in.
pub(crate) fn at_once(handle: &ExitHandle) -> Exit {
    let options = WaitOptions {
        deadline: Deadline::after(Duration::from_mins(1)),
        grace: Duration::ZERO,
        ..WaitOptions::default()
    };
    let exit = handle.wait_with(&options).unwrap();
    exit.expect("no end was seen")
}
