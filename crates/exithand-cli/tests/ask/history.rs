//! `exithand history`.

use exithand::{Outcome, Signal};
use exithand_recorder::Event;

use crate::stage::{Stage, ago, barked_at, exit, gap, out_of_memory, plain, stopped};

fn stage() -> Stage {
    Stage::with(|now| {
        let segv = Outcome::Killed {
            signal: Signal::SEGV,
            core_dumped: true,
        };
        vec![
            exit(out_of_memory(500, ago(now, 1500))),
            exit(stopped(401, ago(now, 1200))),
            exit(barked_at(300, ago(now, 900))),
            gap(ago(now, 600), ago(now, 598)),
            exit(plain(202, "crash", segv, ago(now, 400))),
            exit(plain(201, "lucky", Outcome::Exited(0), ago(now, 300))),
            exit(plain(100, "job", Outcome::Exited(2), ago(now, 180))),
        ]
    })
}

/// The pids that are listed, in order.
fn pids(stage: &Stage, args: &[&str]) -> Vec<u64> {
    let lines = stage
        .run("history", &[&["--json"], args].concat())
        .exits(0)
        .json();
    lines
        .iter()
        .filter_map(|line| line["pid"].as_u64())
        .collect()
}

#[test]
fn filters_choose() {
    let stage = stage();
    for (args, expected) in [
        (&[][..], &[100, 201, 202, 300, 401, 500][..]),
        (&["--since", "10m"], &[100, 201, 202]),
        (
            &["--since", "-1h", "--until", "16 minutes ago"],
            &[401, 500],
        ),
        (&["--name", "l*", "--name", "job"], &[100, 201]),
        (&["--user", "33"], &[401]),
        (&["--unit", "nginx"], &[401]),
        (&["--pid", "100,300"], &[100, 300]),
        (&["--outcome", "exited"], &[100, 201]),
        (&["--outcome", "core", "--status", "2"], &[100, 202]),
        (&["--outcome", "unknown"], &[]),
        (&["--signal", "KILL,segv"], &[202, 300, 500]),
        (&["--killer", "1"], &[401]),
        (&["--killer", "watchdog.service"], &[300]),
        (&["--killer", "kill"], &[300]),
        (&["--killer", "*"], &[300, 401]),
        (&["--oom"], &[500]),
        (&["--oom=global"], &[]),
        (
            &["--failed", "--min-runtime", "2s", "--max-runtime", "1h"],
            &[100, 202, 300, 401, 500],
        ),
        (&["--min-runtime", "3s"], &[]),
        (&["--container", "0f3c"], &[]),
        (&["--sort", "oldest", "--limit", "2"], &[500, 401]),
        (&["--sort", "memory", "--limit", "1"], &[500]),
        (&["--limit", "0", "--name", "job"], &[100]),
    ] {
        assert_eq!(pids(&stage, args), expected, "{args:?}");
    }
}

#[test]
fn rows_are_aligned_and_gaps_stand_among_them() {
    let ran = stage().run("history", &[]).exits(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 8, "{}", ran.stdout);
    assert!(lines[0].starts_with("ENDED "), "{}", ran.stdout);
    assert!(
        lines[4].starts_with("-- 14 records were lost between "),
        "{}",
        ran.stdout
    );
    let outcome = lines[0].find("OUTCOME").unwrap();
    for (line, word) in [
        (1, "exited 2"),
        (3, "killed 11 SEGV core"),
        (6, "killed 15 TERM"),
        (7, "killed 9 KILL oom:memcg"),
    ] {
        assert!(lines[line][outcome..].starts_with(word), "{}", ran.stdout);
    }
    assert_eq!(ran.stderr, "");
}

#[test]
fn gaps_are_lines_of_json_too() {
    let lines = stage().run("history", &["--json"]).exits(0).json();
    let gap = lines
        .iter()
        .find(|line| line.get("cause").is_some())
        .unwrap();
    assert_eq!(gap["cause"], "ring-full");
    assert_eq!(gap["lost"], 14);
    assert!(lines.iter().all(|line| line["v"] == 1));
}

#[test]
fn csv_has_a_header_and_one_line_a_record() {
    let ran = stage()
        .run("history", &["--csv", "--unit", "nginx"])
        .exits(0);
    let lines: Vec<&str> = ran.stdout.split("\r\n").collect();
    assert!(
        lines[0].starts_with("ended,started,runtime_ns,pid,token,comm,"),
        "{}",
        ran.stdout
    );
    assert!(
        lines[1].contains(",nginx,killed,,15,SIGTERM,"),
        "{}",
        ran.stdout
    );
    assert!(
        lines[1].contains(",nginx -g 'daemon off;',"),
        "{}",
        ran.stdout
    );
    assert_eq!(lines[2..], [""]);
    ran.complains("14 records were lost");
}

#[test]
fn no_row_is_an_answer() {
    let ran = stage()
        .run("history", &["--name", "nobody", "--since", "5m"])
        .exits(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
}

#[test]
fn all_of_a_long_history_is_listed_and_cut_only_when_asked() {
    let stage = Stage::with(|now| {
        let one = |at: u32| -> Event {
            let ended = ago(now, 3000 - i64::from(at));
            exit(plain(1 + at, "many", Outcome::Exited(0), ended))
        };
        (0..2500).map(one).collect()
    });
    let all = pids(&stage, &[]);
    assert_eq!(all.len(), 2500);
    assert!(all.is_sorted_by(|one, other| one > other));
    assert_eq!(pids(&stage, &["--limit", "1700"]).len(), 1700);
    assert_eq!(
        pids(&stage, &["--sort", "runtime", "--limit", "0"]).len(),
        2500
    );
    let short = stage.run("history", &["--sort", "runtime"]).exits(0);
    assert_eq!(short.stdout.lines().count(), 51);
    short.complains("--limit 0 lists all");
}

#[test]
fn bad_input_is_refused() {
    let stage = stage();
    for (args, complaint) in [
        (&["--since", "soon"][..], "\"soon\" is no moment"),
        (
            &["--since", "1h", "--until", "2h"],
            "--since is not before --until",
        ),
        (
            &["--min-runtime", "2h", "--max-runtime", "1h"],
            "--min-runtime is longer",
        ),
        (&["--status", "256"], "256"),
        (&["--signal", "NOPE"], "no signal called"),
        (&["--user", "no-such-user"], "no user is called"),
        (&["--pid", "0"], "0"),
        (&["--oom=mine"], "mine"),
        (&["--sort", "size"], "size"),
        (&["--limit", "-1"], "-1"),
        (&["--json", "--csv"], "--csv"),
        (&["job"], "job"),
    ] {
        stage
            .run("history", args)
            .exits(2)
            .prints("")
            .complains(complaint);
    }
}
