//! `exithand why`.

use std::process::Stdio;

use exithand::Outcome;

use crate::common::{exithand, gone};
use crate::stage::{Stage, ago, barked_at, exit, gap, out_of_memory, plain, stopped};

/// A unit that was stopped, an OOM kill, a watchdog, a crash loop, and a process near a gap.
fn stage() -> Stage {
    Stage::with(|now| {
        let mut events = Vec::new();
        for at in 0..6 {
            events.push(exit(plain(
                600 + at,
                "looper",
                Outcome::Exited(3),
                ago(now, 1800 - 10 * i64::from(at)),
            )));
        }
        events.push(exit(out_of_memory(500, ago(now, 1500))));
        for pid in 401..406 {
            events.push(exit(stopped(pid, ago(now, 1200))));
        }
        events.push(exit(barked_at(300, ago(now, 900))));
        events.push(exit(plain(201, "lucky", Outcome::Exited(0), ago(now, 601))));
        events.push(gap(ago(now, 600), ago(now, 598)));
        events.push(exit(plain(100, "job", Outcome::Exited(1), ago(now, 300))));
        events.push(exit(plain(100, "job", Outcome::Exited(2), ago(now, 180))));
        events
    })
}

/// Runs `why`, and returns what it told on one line.
fn told(stage: &Stage, args: &[&str]) -> String {
    stage.run("why", args).exits(0).stdout.replace('\n', " ")
}

#[test]
fn tells_the_newest_end_of_a_name() {
    let stage = stage();
    let text = told(&stage, &["job"]);
    assert!(
        text.starts_with("job (pid 100) ended by itself with exit status 2, 3 minutes ago"),
        "{text}"
    );
    assert!(text.contains("after running for 2.5s"), "{text}");
    assert!(text.contains("journalctl _PID=100 --since '"), "{text}");
    assert!(!text.contains("exit status 1"), "{text}");
}

#[test]
fn tells_every_end_when_asked() {
    let text = told(&stage(), &["job", "--all"]);
    let newest = text.find("exit status 2").unwrap();
    assert!(text.find("exit status 1").unwrap() > newest, "{text}");
}

#[test]
fn tells_of_a_pid_a_token_and_a_unit() {
    let stage = stage();
    let pid = told(&stage, &["403"]);
    assert!(
        pid.contains("nginx (pid 403) was killed by SIGTERM"),
        "{pid}"
    );
    assert!(
        pid.contains("4 others of nginx.service ended in the same second, all killed by SIGTERM from systemd(1)"),
        "{pid}"
    );
    assert!(pid.contains("The signal came from its parent, systemd (pid 1) of root in init.scope, by kill(2). That is how systemd stops a unit."), "{pid}");
    for unit in ["nginx", "nginx.service", "ngi*"] {
        let told = told(&stage, &[unit]);
        assert!(told.starts_with("nginx (pid 40"), "{told}");
    }
    let token = told(&stage, &["403:900403"]);
    assert!(
        pid.starts_with(token.split(" What was logged").next().unwrap()),
        "{token}"
    );
    assert!(!pid.contains("crash loop"), "{pid}");
}

#[test]
fn tells_who_is_behind_a_killer() {
    let text = told(&stage(), &["app"]);
    assert!(text.contains("The signal came from kill (pid 4103) of root in watchdog.service, by kill(2). The parents of that kill: systemd(1) > watchdogd(712) > sh(4101)."), "{text}");
}

#[test]
fn tells_whose_memory_ran_out() {
    let text = told(&stage(), &["java"]);
    assert!(text.contains("because its memory cgroup /system.slice/big.service had reached its limit. It held 512 MiB at its peak."), "{text}");
}

#[test]
fn tells_of_a_crash_loop() {
    let text = told(&stage(), &["looper"]);
    assert!(
        text.contains("It is in a crash loop: looper failed 6 times in a row between"),
        "{text}"
    );
    assert!(text.contains("exithand stats --name looper"), "{text}");
}

#[test]
fn tells_of_gaps() {
    let stage = stage();
    let near = told(&stage, &["lucky"]);
    assert!(
        near.contains("Records may be missing here: 14 records were lost between"),
        "{near}"
    );
    let before = told(&stage, &["app"]);
    assert!(
        before.contains("A later end may be missing: 14 records were lost"),
        "{before}"
    );
    // Nothing comes after the end that a token names, and nothing is missing after the gap.
    let token = told(&stage, &["300:900300"]);
    assert!(!token.contains("missing"), "{token}");
    assert!(!told(&stage, &["job"]).contains("missing"));
}

#[test]
fn prints_records_as_json() {
    let lines = stage()
        .run("why", &["--json", "--all", "nginx"])
        .exits(0)
        .json();
    assert_eq!(lines.len(), 5);
    for line in &lines {
        assert_eq!(line["v"], 1);
        assert_eq!(line["signal_name"], "SIGTERM");
        assert_eq!(line["killer"]["comm"], "systemd");
        assert_eq!(line["argv"][2], "daemon off;");
        assert_eq!(line["gap"], false);
    }
    let near = stage().run("why", &["--json", "lucky"]).exits(0).json();
    assert_eq!(near[0]["gap"], true);
}

#[test]
fn says_since_when_nothing_is_recorded() {
    stage()
        .run("why", &["nobody"])
        .exits(127)
        .prints("")
        .complains("no end of nobody is recorded since ")
        .complains("(30 minutes ago), when the history begins; records may be missing: 14 records were lost");
    let empty = Stage::with(|_| Vec::new());
    empty
        .run("why", &["nobody"])
        .exits(127)
        .complains("the history is empty");
}

#[test]
fn says_so_of_a_process_that_has_not_ended() {
    let me = std::process::id().to_string();
    stage().run("why", &[&me]).exits(127).complains(&format!(
        "process {me} has not ended: wait for it with `exithand wait {me}`"
    ));
}

#[test]
fn says_so_where_a_pid_was_given_again() {
    let me = std::process::id();
    let stage =
        Stage::with(|now| vec![exit(plain(me, "earlier", Outcome::Exited(0), ago(now, 60)))]);
    let ran = stage.run("why", &[&me.to_string()]).exits(0);
    assert!(ran.stdout.starts_with("earlier (pid "), "{ran:?}");
    ran.complains("is now that of another process, which is alive");
    let pid = gone();
    let number = pid.parse().unwrap();
    let stage = Stage::with(|now| vec![exit(plain(number, "x", Outcome::Exited(0), ago(now, 60)))]);
    assert_eq!(stage.run("why", &[&pid]).exits(0).stderr, "");
}

#[test]
fn refuses_what_can_be_no_target() {
    let stage = stage();
    for (word, complaint) in [
        ("", "the target is empty"),
        ("0", "pids start at 1"),
        ("4242:", "is no token"),
        ("12:0", "is no token"),
    ] {
        stage
            .run("why", &[word])
            .exits(2)
            .prints("")
            .complains(complaint);
    }
    stage.run("why", &[]).exits(2).complains("<TARGET>");
    stage.run("why", &["a", "b"]).exits(2);
    stage
        .run("why", &["-5"])
        .exits(127)
        .complains("no end of -5");
}

#[test]
fn hostile_words_and_names_do_no_harm() {
    let evil = "\u{1b}[2J\u{7}evil";
    let stage = Stage::with(|now| {
        let mut record = stopped(7, ago(now, 60));
        record.comm = evil.into();
        record.exe = Some(evil.into());
        vec![exit(record)]
    });
    let asked = stage.run("why", &["nginx.service"]).exits(0);
    assert!(asked.stdout.contains("\\u{1b}[2J"), "{asked:?}");
    let unknown = stage.run("why", &["\u{1b}[2Jx"]).exits(127);
    let said = [asked.stdout, asked.stderr, unknown.stderr].concat();
    assert!(!said.contains(['\u{1b}', '\u{7}']), "{said:?}");
}

#[test]
fn says_where_a_store_is_wanted_and_none_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent.db");
    let absent = exithand()
        .args(["why", "x", "--store"])
        .arg(&path)
        .output()
        .unwrap();
    let absent = crate::common::Ran::from(absent).exits(125);
    absent
        .complains("no history at ")
        .complains("`exithand record` makes one");
    std::fs::write(
        &path,
        "this is no database, and long enough to be told from one",
    )
    .unwrap();
    let other = exithand()
        .args(["why", "x", "--store"])
        .arg(&path)
        .output()
        .unwrap();
    crate::common::Ran::from(other)
        .exits(125)
        .complains("is no history");
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let stage = stage();
    let mut child = stage
        .command("why", &["--all", "nginx"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(!said.contains("panic"), "{said}");
}
