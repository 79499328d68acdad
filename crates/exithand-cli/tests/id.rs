//! `exithand id`: names that no later process can have.

mod common;

use common::{gone, pid, run};
use exithand_testkit::actor;

#[test]
fn prints_a_token_a_target_in_order() {
    let actors = [actor(&["hang"]), actor(&["hang"])];
    let pids = actors.each_ref().map(pid);
    let ran = run(&["id", &pids[1], &pids[0]]).exits(0);
    let tokens: Vec<&str> = ran.stdout.lines().collect();
    let pid_of = |token: &str| token.split([':', '~']).next().unwrap().to_owned();
    assert_eq!(
        tokens.iter().map(|it| pid_of(it)).collect::<Vec<_>>(),
        [&*pids[1], &*pids[0]]
    );
    run(&["id", tokens[0]])
        .exits(0)
        .prints(&format!("{}\n", tokens[0]));
}

#[test]
fn a_storable_token_names_the_boot() {
    let target = actor(&["hang"]);
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let stored = run(&["id", "--boot", &pid(&target)]).exits(0).stdout;
    assert!(stored.ends_with(&format!("@{boot}")), "{stored}");
    run(&["wait", "--timeout", "0", stored.trim()]).exits(124);
}

#[test]
fn json_says_how_each_target_stands() {
    let alive = actor(&["hang"]);
    let mut zombie = actor(&["exit-with", "0"]);
    zombie.wait_zombie();
    let gone = gone();
    let args = [
        "id",
        "--json",
        "--missing",
        "ok",
        &pid(&alive),
        &pid(&zombie),
        &gone,
    ];
    let lines = run(&args).exits(0).json();
    let states: Vec<&str> = lines
        .iter()
        .map(|line| line["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["alive", "ended", "missing"]);
    assert_eq!(lines[0]["comm"], "exithand-actor");
    assert_eq!(lines[2]["target"], gone);
    zombie.wait();
    run(&["id", &gone]).exits(127).prints("");
}
