//! Subscribers, and what happens to those who do not read.

use std::process::Command;

use exithand::Signal;
use exithand_testkit::{Need, actor, need};

use crate::recorder::Recorder;

const ALL: &str = r#"{"do":"subscribe"}"#;

#[test]
fn a_subscriber_sees_processes_end_as_they_did() {
    need!(Need::Bpf);
    let recorder = Recorder::start(&[]);
    let mut client = recorder.dial();
    assert_eq!(client.ask(ALL)[0]["done"], "subscribe");
    let mut three = actor(&["wait-then-exit", "3"]);
    three.release();
    three.wait();
    let line = client.next_about(three.pid().as_raw_nonzero().get().unsigned_abs());
    assert_eq!(line["status"], 3, "{line}");
    assert_eq!(line["comm"], "exithand-actor", "{line}");
    assert_eq!(line["ppid"], std::process::id(), "{line}");
    assert_eq!(line["killer"], serde_json::Value::Null, "{line}");
    let mut hung = actor(&["hang"]);
    hung.kill();
    hung.wait();
    let line = client.next_about(hung.pid().as_raw_nonzero().get().unsigned_abs());
    assert_eq!(line["signal"], 9, "{line}");
    assert_eq!(line["killer"]["pid"], std::process::id(), "{line}");
}

#[test]
fn a_filter_lets_through_what_was_asked_for() {
    need!(Need::Bpf);
    let recorder = Recorder::start(&[]);
    let mut client = recorder.dial();
    client.ask(r#"{"do":"subscribe","filter":{"names":["exithand-actor"],"failed_only":true}}"#);
    let mut ends = Vec::new();
    for status in ["0", "5"] {
        let mut actor = actor(&["wait-then-exit", status]);
        actor.release();
        actor.wait();
        ends.push(actor.pid());
    }
    let line = client.next_about(ends[1].as_raw_nonzero().get().unsigned_abs());
    assert_eq!(line["status"], 5, "{line}");
    assert_eq!(
        recorder
            .dial()
            .refusal(r#"{"do":"subscribe","filter":{"name":"x"}}"#),
        "request"
    );
}

#[test]
fn who_never_reads_is_let_go_and_told_and_the_others_miss_nothing() {
    need!(Need::Bpf);
    let recorder = Recorder::start(&[]);
    let mut sleepy = recorder.dial();
    sleepy.ask(ALL);
    // Long command lines fill the queue of one who does not read.
    let long = "x".repeat(100_000);
    let mut last = 0;
    for _ in 0..6000 {
        let mut child = Command::new("true").arg(&long).spawn().unwrap();
        last = child.id();
        child.wait().unwrap();
        if !dropped_subscribers(&recorder) {
            continue;
        }
        break;
    }
    let farewell = loop {
        let line = sleepy.next().expect("there is a last word");
        if line["error"] == "too-slow" {
            break line;
        }
    };
    assert!(farewell["missed"].as_u64().unwrap() > 0, "{farewell}");
    assert_eq!(sleepy.next(), None);
    let mut query = recorder.dial();
    let lines = query.records(&format!(
        r#"{{"do":"query","limit":1,"filter":{{"pids":[{last}]}}}}"#
    ));
    assert_eq!(lines[0]["argv_truncated"], true, "{lines:?}");
    assert_eq!(lines[0]["pid"], last);
}

/// Says whether the recorder has begun to let somebody go.
fn dropped_subscribers(recorder: &Recorder) -> bool {
    let status = recorder.dial().ask(r#"{"do":"status"}"#);
    status[0]["subscribers_too_slow"].as_u64().unwrap() > 0
}

#[test]
fn nothing_that_was_seen_is_lost_at_the_end() {
    need!(Need::Bpf);
    let mut recorder = Recorder::start(&[]);
    let mut pids = Vec::new();
    for _ in 0..50 {
        let mut child = Command::new("true").spawn().unwrap();
        pids.push(child.id());
        child.wait().unwrap();
    }
    assert_eq!(recorder.end(), 0);
    recorder.start_again(&[]);
    for pid in pids {
        let query = format!(r#"{{"do":"query","limit":1,"filter":{{"pids":[{pid}]}}}}"#);
        let lines = recorder.dial().records(&query);
        assert_eq!(lines[0]["status"], 0, "{lines:?}");
    }
}

#[test]
fn a_death_by_kill_leaves_a_gap_and_a_socket_that_is_replaced() {
    need!(Need::Bpf);
    let mut recorder = Recorder::start(&[]);
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    recorder.handle().send_signal(Signal::HUP).unwrap();
    // Answered after the hang-up, and with it all before is in the store.
    let query = format!(
        r#"{{"do":"query","limit":1,"filter":{{"pids":[{}]}}}}"#,
        child.id()
    );
    assert_eq!(recorder.dial().records(&query)[0]["pid"], child.id());
    recorder.kill();
    assert!(recorder.socket().exists());
    recorder.start_again(&[]);
    let lines = recorder.dial().ask(&query);
    assert!(
        lines.iter().any(|it| it["cause"] == "not-running"),
        "{lines:?}"
    );
    assert!(lines.iter().any(|it| it["pid"] == child.id()), "{lines:?}");
}
