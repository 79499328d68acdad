//! The model of Linux against Linux: pids of real processes, one by one.

use std::fs;
use std::io::ErrorKind;
use std::process::{Child, Command, Stdio};

use exithand_pidlab::{Allocator, Full, Linux, Number, Rng};
use exithand_testkit::{private_pid_namespace, run_isolated, test_name};

/// A process that lives until its standard input is closed.
fn start() -> std::io::Result<Child> {
    Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    assert!(child.wait().expect("reap a child").success());
}

fn number(child: &Child) -> Number {
    Number(u64::from(child.id()))
}

/// The numbers of all threads here, which are all that is in use.
fn in_use() -> Vec<Number> {
    let processes = fs::read_dir("/proc").expect("list /proc");
    let tasks = processes.filter_map(|it| {
        let path = it.expect("read /proc").path();
        let name = path.file_name()?.to_str()?;
        name.parse::<u64>().ok()?;
        fs::read_dir(path.join("task")).ok()
    });
    tasks
        .flatten()
        .filter_map(|it| it.expect("read a task").file_name().to_str()?.parse().ok())
        .map(Number)
        .collect()
}

fn pid_max() -> u64 {
    let text = fs::read_to_string("/proc/sys/kernel/pid_max").expect("read pid_max");
    text.trim().parse().expect("pid_max is a number")
}

/// The model in the state in which the kernel is, learned from the pid of one process.
fn model() -> Linux {
    let probe = start().expect("start a process");
    let last = number(&probe);
    end(probe);
    Linux::resume(pid_max(), last, in_use())
}

/// Starts and ends processes at random, and compares each pid.
fn compare(starts: u64, most_alive: u64, seed: u64) -> Vec<u64> {
    let mut model = model();
    let mut rng = Rng::new(seed);
    let mut alive = Vec::new();
    let mut trace = Vec::new();
    while u64::try_from(trace.len()).expect("few") < starts {
        let count = u64::try_from(alive.len()).expect("few");
        if rng.below(most_alive) < count {
            let child = alive.swap_remove(usize::try_from(rng.below(count)).expect("few"));
            model.free(number(&child));
            end(child);
        } else {
            let child = start().expect("start a process");
            trace.push(number(&child).0);
            assert_eq!(model.allocate(), Ok(number(&child)), "{trace:?}");
            alive.push(child);
        }
    }
    alive.into_iter().for_each(end);
    trace
}

#[test]
fn gives_the_pids_that_the_kernel_gives_lap_after_lap() {
    private_pid_namespace(360).run(test_name!(), || {
        let trace = compare(700, 50, 1);
        assert!(trace.contains(&359), "the last number is used");
        let laps = trace.windows(2).filter(|it| it[0] > it[1]).count();
        assert!(laps >= 4, "{laps} laps");
    });
}

#[test]
fn wraps_where_the_kernel_wraps_with_the_default_limit() {
    run_isolated(test_name!(), || {
        // A kernel without checkpoint and restore has no such file, and just goes on.
        let near_the_end = (pid_max() - 20).to_string();
        let wraps = fs::write("/proc/sys/kernel/ns_last_pid", near_the_end).is_ok();
        let trace = compare(60, 20, 2);
        let wrapped = trace.windows(2).any(|it| it[0] > it[1]);
        assert_eq!(wraps, wrapped, "{trace:?}");
    });
}

#[test]
fn is_full_when_the_kernel_is_full() {
    private_pid_namespace(310).run(test_name!(), || {
        let mut model = model();
        let mut alive = Vec::new();
        let full = loop {
            match start() {
                Ok(child) => {
                    assert_eq!(model.allocate(), Ok(number(&child)));
                    alive.push(child);
                }
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock, "{full}");
        assert_eq!(model.allocate(), Err(Full));

        // The cursor is beyond 300: what is free below is not found, what is free above is.
        let mut free = |pid| {
            let at = alive.iter().position(|it| it.id() == pid);
            let child = alive.swap_remove(at.expect("every number is in use"));
            model.free(number(&child));
            end(child);
            (start(), model.allocate())
        };
        assert!(matches!(free(200), (Err(_), Err(Full))));
        let (next, expected) = free(305);
        let next = next.expect("a number is free");
        assert_eq!(expected, Ok(number(&next)));
        alive.push(next);
        alive.into_iter().for_each(end);
    });
}
