//! What the exithand files of a patched kernel cost, set against the same with bare pidfds.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use exithand::Pid;
use exithand_benches::{Goal, Strangers, Table, bare_end, bare_open, in_turns, one_wake};
use rustix::event::{PollFd, PollFlags, poll};

const WAKES: usize = 2000;

fn main() {
    let table = Table::new();
    if !Path::new("/proc/self/exithand").exists() {
        table.note("# this kernel has no exithand files: nothing is measured");
        return;
    }
    let mut strangers = Strangers::new();
    let mut compare = |what, name, wait: fn(&File), goal| {
        let [ours, bare] = in_turns(
            WAKES,
            &mut strangers,
            |strangers| one_wake(strangers, |pid| open(pid, name), wait),
            |strangers| one_wake(strangers, bare_open, bare_end),
        );
        table.times(what, ours, bare, goal);
    };
    let close = Goal::AtMost(1.05);
    compare("native file, wake of a reader", "exithand", read_end, close);
    compare("native file, wake of a poll", "exithand", poll_end, close);
    compare(
        "native file, wake and outcome",
        "siginfo",
        read_outcome,
        Goal::None,
    );
}

fn open(pid: Pid, name: &str) -> File {
    let path = format!("/proc/{}/{name}", pid.as_raw_nonzero());
    File::open(path).expect("open")
}

fn read_end(mut file: &File) {
    let count = file.read(&mut [0; 1]).expect("read");
    assert_eq!(count, 0, "nothing but an end");
}

fn poll_end(file: &File) {
    let count = poll(&mut [PollFd::new(file, PollFlags::IN)], None).expect("poll");
    assert_eq!(count, 1, "an end");
}

fn read_outcome(mut file: &File) {
    let count = file.read(&mut [0; 128]).expect("read");
    assert_eq!(count, 128, "an outcome");
}
