//! What the C functions add to a wait, set against the Rust API that they stand on.
//!
//! Both open a process by pid and wait for its end; the time runs from just before the target's `exit`
//! to the return of the wait. The functions are called by the C calling convention, with handles that
//! are numbers, as a C program does; only the jump into a shared library is missing.

use std::ffi::c_int;
use std::mem::MaybeUninit;

use exithand::{Deadline, ExitHandle, Pid, Until};
use exithand_benches::{Children, Goal, Spawner, Strangers, Table, in_turns, now, one_wake};
use exithand_capi::handle::{exithand_close, exithand_open};
use exithand_capi::wait::{EXITHAND_UNTIL_ENDED, exithand_wait};

const ROUNDS: usize = 3000;

fn main() {
    let table = Table::new();
    let mut strangers = Strangers::new();
    let mut children = Children::new();
    wake(&table, "C, wake, child", &mut children);
    wake(&table, "C, wake, not our child", &mut strangers);
    whole(&table, "C, open, look, close", &mut children);
}

fn wake(table: &Table, what: &str, spawner: &mut impl Spawner) {
    let [ours, rust] = in_turns(
        ROUNDS,
        spawner,
        |spawner| one_wake(spawner, CHandle::open, CHandle::wait),
        |spawner| one_wake(spawner, open, wait),
    );
    table.times(what, ours, rust, Goal::AtMost(1.05));
}

/// What a wait costs that has nothing to wait for, and so all that the functions add.
fn whole(table: &Table, what: &str, spawner: &mut impl Spawner) {
    let pid = spawner.start();
    let [ours, rust] = in_turns(
        ROUNDS,
        &mut (),
        |()| {
            let begun = now();
            let handle = CHandle::open(pid);
            assert_eq!(handle.look(), 0, "it runs");
            drop(handle);
            now().saturating_sub(begun)
        },
        |()| {
            let begun = now();
            let handle = open(pid);
            let exit = handle.wait(Until::Ended, Deadline::NOW).expect("look");
            assert!(exit.is_none(), "it runs");
            drop(handle);
            now().saturating_sub(begun)
        },
    );
    table.times(what, ours, rust, Goal::None);
}

fn open(pid: Pid) -> ExitHandle {
    ExitHandle::open(pid).expect("open")
}

fn wait(handle: &ExitHandle) {
    let exit = handle.wait(Until::Ended, Deadline::NEVER);
    assert!(exit.expect("wait").is_some(), "it has ended");
}

struct CHandle(c_int);

impl CHandle {
    fn open(pid: Pid) -> Self {
        let handle = exithand_open(pid.as_raw_nonzero().get());
        assert!(handle >= 0, "open: {handle}");
        Self(handle)
    }

    fn wait(&self) {
        let mut how = MaybeUninit::uninit();
        let waited = exithand_wait(self.0, EXITHAND_UNTIL_ENDED, -1, Some(&mut how));
        assert_eq!(waited, 1, "it has ended");
    }

    fn look(&self) -> c_int {
        exithand_wait(
            self.0,
            EXITHAND_UNTIL_ENDED,
            0,
            Some(&mut MaybeUninit::uninit()),
        )
    }
}

impl Drop for CHandle {
    fn drop(&mut self) {
        assert_eq!(exithand_close(self.0), 0);
    }
}
