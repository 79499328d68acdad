//! The short examples say what `wait(2)` says.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

use std::process::Command;

use exithand_testkit::{Need, actor, need};

/// Starts two processes, has `program` wait for both, and compares.
fn check(program: &str) {
    need!(Need::PidfdInfoExit);
    let mut actors = [3, 7].map(|status| actor(&["wait-then-exit", &status.to_string()]));
    let pids = actors
        .each_ref()
        .map(|it| it.pid().as_raw_nonzero().to_string());
    let waiting = Command::new(program)
        .args(&pids)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Zombies tell, too, so it does not matter who is first.
    for actor in &mut actors {
        actor.release();
    }
    let output = waiting.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    for (actor, pid) in actors.iter_mut().zip(pids) {
        let truth = actor.wait() >> 8;
        let line = printed
            .lines()
            .find(|it| it.starts_with(&format!("{pid}:")));
        let outcome = line.and_then(|it| it.split_once(' ')).map(|it| it.1);
        assert_eq!(outcome, Some(&*format!("exited {truth}")), "{printed}");
    }
}

#[test]
fn tokio_says_how_each_ended() {
    check(env!("CARGO_BIN_EXE_wait_tokio"));
}

#[test]
fn smol_says_how_each_ended() {
    check(env!("CARGO_BIN_EXE_wait_smol"));
}
