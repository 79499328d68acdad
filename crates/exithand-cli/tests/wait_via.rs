//! `exithand wait --via DIR`: through exithand files, here made of named pipes.
#![expect(clippy::unwrap_used, reason = "a test's helper can do nothing better")]

mod common;

use common::{Ran, exithand, finish, run, start};
use exithand_testkit::{FakeFiles, FakeProcess, Pid};

/// Numbers that no process of the machine has.
const PIDS: [i32; 3] = [2_000_000_001, 2_000_000_002, 2_000_000_003];

struct Stage {
    files: FakeFiles,
    processes: Vec<FakeProcess>,
}

impl Stage {
    fn new() -> Self {
        let files = FakeFiles::new();
        let start = |pid: i32| {
            let token = format!("{pid}:{}", i64::from(pid) * 10);
            files.start(Pid::from_raw(pid).unwrap(), &token, Some("outcome"))
        };
        let processes = PIDS.map(start).into();
        Self { files, processes }
    }

    fn args(&self, args: &[&str], targets: &[usize]) -> Vec<String> {
        let words = ["wait", "--via", self.files.root().to_str().unwrap()];
        let words = words.into_iter().chain(args.iter().copied());
        let targets = targets.iter().map(|it| PIDS[*it].to_string());
        words.map(str::to_owned).chain(targets).collect()
    }

    fn run(&self, args: &[&str], targets: &[usize]) -> Ran {
        let args = self.args(args, targets);
        run(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Runs the command, and once it holds all `targets` lets some of them end.
    fn run_while(&mut self, args: &[&str], targets: &[usize], ends: &[(usize, &str)]) -> Ran {
        let waiter = start(exithand().args(self.args(args, targets)));
        for target in targets {
            self.processes[*target].until_held();
        }
        for (which, outcome) in ends {
            self.processes[*which].tell(format!("{outcome}\n").as_bytes());
            self.processes[*which].end();
        }
        finish(waiter)
    }
}

#[test]
fn waits_for_all_and_says_how_they_ended() {
    let ends = [(0, "exited 3"), (1, "killed 9 KILL")];
    let ran = Stage::new().run_while(&[], &[0, 1], &ends).exits(0);
    let mut lines: Vec<&str> = ran.stdout.lines().collect();
    lines.sort_unstable();
    let due = ["2000000001  -  exited 3", "2000000002  -  killed 9 KILL"];
    assert_eq!(lines, due);
}

#[test]
fn any_count_timeout_and_propagate_work_as_ever() {
    let run = |args: &[&str], targets: &[usize], ends: &[(usize, &str)]| {
        Stage::new().run_while(args, targets, ends)
    };
    run(&["--any"], &[0, 1, 2], &[(1, "exited 5")])
        .exits(0)
        .prints("2000000002  -  exited 5\n");
    run(
        &["--count", "2", "--timeout", "100ms"],
        &[0, 1, 2],
        &[(1, "exited 5")],
    )
    .exits(124)
    .complains("of 3 still alive");
    let ends = [(0, "exited 0"), (1, "killed 15 TERM")];
    run(&["--propagate", "--quiet"], &[0, 1], &ends)
        .exits(143)
        .prints("");
    run(
        &["--propagate"],
        &[0],
        &[(0, "unknown: other pid namespace")],
    )
    .exits(126)
    .prints("2000000001  -  unknown: other pid namespace\n");
}

#[test]
fn json_names_the_file_as_the_source() {
    let ends = [(0, "killed 6 ABRT core")];
    let json = Stage::new()
        .run_while(&["--json"], &[0], &ends)
        .exits(0)
        .json();
    let line = &json[0];
    assert_eq!(line["pid"], PIDS[0], "{line}");
    assert_eq!(line["token"], "2000000001:20000000010", "{line}");
    assert_eq!(
        (&line["state"], &line["source"]),
        (&"ended".into(), &"file".into())
    );
    assert_eq!(
        (&line["outcome"], &line["signal"]),
        (&"killed".into(), &6.into())
    );
    assert_eq!(line["core_dumped"], true, "{line}");
}

#[test]
fn a_token_opens_its_own_process_or_none() {
    let mut stage = Stage::new();
    stage
        .run_while(&["2000000001:20000000010"], &[0], &[(0, "exited 1")])
        .exits(0)
        .prints("2000000001  -  exited 1\n");
    stage
        .run(&["2000000002:7"], &[])
        .exits(127)
        .complains("process 2000000002:7 has ended");
}

#[test]
fn missing_processes_and_files_are_told_apart() {
    let stage = Stage::new();
    stage
        .run(&["7"], &[0])
        .exits(127)
        .complains("no process with pid 7")
        .prints("");
    stage.run(&["--missing", "ok", "7"], &[]).exits(0);
    run(&["wait", "--via", "/nonexistent", "7"])
        .exits(125)
        .complains("no exithand files in /nonexistent")
        .complains("exithand mount");
}

#[test]
fn refuses_what_files_cannot_do() {
    let stage = Stage::new();
    stage
        .run(&["--until", "reaped"], &[0])
        .exits(2)
        .complains("does not tell when a process is reaped");
    stage
        .run(&["--name", "x"], &[0])
        .exits(2)
        .complains("--via cannot be combined with --name x");
    stage
        .run(&[], &[])
        .exits(2)
        .complains("--via takes pids and tokens");
}
