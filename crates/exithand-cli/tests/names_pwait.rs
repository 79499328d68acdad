//! The drop-in `pwait`, run on real processes.

mod names_support;

use exithand_testkit::{Need, actor, need, with_descriptor_limit};
use names_support::{ABSENT, Ran, Tools, number, ran};

#[test]
fn says_how_a_foreign_process_ended() {
    need!(Need::PidfdInfoExit);
    let tools = Tools::new();
    let mut first = actor(&["hang"]);
    first.kill();
    first.wait_zombie();
    let (mut second, mut third) = (actor(&["wait-then-exit", "3"]), actor(&["hang"]));
    let pids = [&first, &second, &third].map(number);
    let mut pwait = tools.start(&["pwait", "-v", &pids[0], &pids[1], &pids[2]]);
    // Once it has spoken it holds all three, so that the pids may go.
    assert_eq!(
        pwait.read_line(),
        format!("{}: killed by signal 9.\n", pids[0])
    );
    second.release();
    second.wait();
    assert_eq!(
        pwait.read_line(),
        format!("{}: exited with status 3.\n", pids[1])
    );
    third.kill();
    third.wait();
    let said = format!("{}: killed by signal 9.\n", pids[2]);
    assert_eq!(pwait.finish(), ran(0, &said, ""));
}

#[test]
fn gives_up_after_the_timeout_and_says_who_remains() {
    let tools = Tools::new();
    let (mut one, two, three) = (actor(&["hang"]), actor(&["hang"]), actor(&["hang"]));
    let pids = [&one, &two, &three].map(number);
    one.kill();
    one.wait_zombie();
    let mut remaining: Vec<u32> = pids[1..].iter().map(|pid| pid.parse().unwrap()).collect();
    remaining.sort_unstable();
    let remaining = format!("{}\n{}\n", remaining[0], remaining[1]);
    let killed = format!("{}: killed by signal 9.\n", pids[0]);
    for (options, code, out) in [
        (vec!["-t", "0.02"], 124, String::new()),
        (vec!["-t0.02s", "-p"], 124, remaining.clone()),
        // FreeBSD adds a line about a process that nobody named.
        (vec!["-vt.02"], 124, format!("{killed}timeout\n")),
        (vec!["-o"], 0, String::new()),
        (vec!["-op", "-t1h"], 0, remaining.clone()),
        (vec!["-ov"], 0, killed.clone()),
    ] {
        let mut line = vec!["pwait"];
        line.extend(options);
        line.extend(pids.iter().rev().map(String::as_str));
        assert_eq!(tools.run(&line), ran(code, &out, ""), "{line:?}");
    }
}

#[test]
fn zero_is_no_timeout() {
    let tools = Tools::new();
    let (mut first, mut second) = (actor(&["hang"]), actor(&["hang"]));
    first.kill();
    first.wait_zombie();
    let (one, two) = (number(&first), number(&second));
    let mut pwait = tools.start(&["pwait", "-v", "-t", "0", &one, &two]);
    pwait.read_line();
    assert!(pwait.is_waiting());
    second.kill();
    assert_eq!(pwait.finish().code, Some(0));
}

#[test]
fn a_process_that_is_gone_is_warned_of_and_done() {
    let tools = Tools::new();
    let actor = actor(&["hang"]);
    let pid = number(&actor);
    let gone = format!("pwait: {ABSENT}: No such process\n");
    for (line, expected) in [
        (vec!["pwait", ABSENT], ran(0, "", &gone)),
        (vec!["pwait", ABSENT, ABSENT], ran(0, "", &gone)),
        (vec!["pwait", "-o", &pid, ABSENT], ran(0, "", &gone)),
        (vec!["pwait", "-t.02", &pid, ABSENT], ran(124, "", &gone)),
        (
            vec!["pwait", "-op", ABSENT, &pid],
            ran(0, &format!("{pid}\n"), &gone),
        ),
    ] {
        assert_eq!(tools.run(&line), expected, "{line:?}");
    }
}

#[test]
fn what_is_no_process_id_is_left_out_but_not_alone() {
    let tools = Tools::new();
    let mut actor = actor(&["hang"]);
    let pid = number(&actor);
    let by_path = format!("/proc/{pid}");
    let bad = "pwait: x: bad process id\n";
    let nobody = "pwait: no process to wait for\n";
    for (line, expected) in [
        (vec!["pwait", "-t.02", "x", &pid], ran(124, "", bad)),
        (vec!["pwait", "-t.02", "x", &by_path], ran(124, "", bad)),
        (vec!["pwait", "x"], ran(65, "", &format!("{bad}{nobody}"))),
        (
            vec!["pwait", "-o", "x"],
            ran(65, "", &format!("{bad}{nobody}")),
        ),
        (
            vec!["pwait", "--", "-1"],
            ran(65, "", &format!("pwait: -1: bad process id\n{nobody}")),
        ),
    ] {
        assert_eq!(tools.run(&line), expected, "{line:?}");
    }
    actor.kill();
    actor.wait_zombie();
    assert_eq!(tools.run(&["pwait", &by_path, &pid]), ran(0, "", ""));

    let own = Ran::of(&mut tools.after("set -- \"$1\" $$", &["pwait"]));
    assert_eq!(own.code, Some(65));
    assert!(own.err.contains(": skipping my own pid\n"), "{}", own.err);

    let thread = std::fs::read_link("/proc/thread-self").unwrap();
    let tid = thread.file_name().unwrap().to_str().unwrap();
    let ran = tools.run(&["pwait", tid]);
    assert_eq!(ran.code, Some(65));
    assert!(ran.err.contains("is a thread of process"), "{}", ran.err);
}

#[test]
fn out_of_descriptors_is_a_failure() {
    let tools = Tools::new();
    let actors: Vec<_> = (0..20).map(|_| actor(&["hang"])).collect();
    let pids: Vec<String> = actors.iter().map(number).collect();
    let mut line = vec!["pwait", "-o", "-t.02"];
    line.extend(pids.iter().map(String::as_str));
    let few = Ran::of(&mut with_descriptor_limit(12, tools.command(&line)));
    assert_eq!(few.code, Some(71));
    assert!(
        few.err.contains("out of file descriptors (limit 12)"),
        "{}",
        few.err
    );
    let soft = Ran::of(&mut tools.after("ulimit -S -n 12", &line));
    assert_eq!(soft, ran(124, "", ""), "a soft limit is raised");
}

#[test]
fn bad_usage_ends_with_the_codes_of_sysexits() {
    let tools = Tools::new();
    let usage = "usage: pwait [-t timeout] [-opv] pid ...\n";
    for (line, code, err) in [
        (vec!["pwait"], 64, usage.to_owned()),
        (vec!["pwait", "-v"], 64, usage.to_owned()),
        (
            vec!["pwait", "-z", "1"],
            64,
            format!("pwait: illegal option -- z\n{usage}"),
        ),
        (
            vec!["pwait", "-t"],
            64,
            format!("pwait: option requires an argument -- t\n{usage}"),
        ),
        (
            vec!["pwait", "-t", "1d", "1"],
            65,
            "pwait: timeout unit\n".to_owned(),
        ),
        (
            vec!["pwait", "-t", "-1", "1"],
            65,
            "pwait: timeout value\n".to_owned(),
        ),
        (
            vec!["pwait", "-t", "100000001", "1"],
            65,
            "pwait: timeout value\n".to_owned(),
        ),
    ] {
        assert_eq!(tools.run(&line), ran(code, "", &err), "{line:?}");
    }
}
