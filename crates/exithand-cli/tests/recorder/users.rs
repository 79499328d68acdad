//! Each user learns what the policy allows.

use std::os::unix::process::CommandExt;
use std::process::Command;

use exithand_testkit::{Need, User, actor, need};
use serde_json::Value;

use crate::recorder::Recorder;

/// Runs a program that is over at once as somebody, who is also its parent; returns its pid.
fn ran_as(user: User) -> u32 {
    let mut shell = Command::new("sh");
    shell.args(["-c", "true & echo $!; wait"]);
    let output = shell.uid(user.uid).gid(user.gid).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    said.trim().parse().unwrap()
}

fn query(pid: u32) -> String {
    format!(r#"{{"do":"query","limit":10,"filter":{{"pids":[{pid}]}}}}"#)
}

/// The records of an answer that has its end.
fn records(mut lines: Vec<Value>) -> Vec<Value> {
    let end = lines.pop().unwrap();
    assert_eq!(end["done"], "query", "{end}");
    lines.retain(|line| line.get("token").is_some());
    lines
}

/// The token that the recorder knows a process by.
fn token(recorder: &Recorder, pid: u32) -> String {
    let lines = records(recorder.dial().ask(&query(pid)));
    lines[0]["token"].as_str().unwrap().to_owned()
}

#[test]
fn by_default_one_sees_ones_own_and_root_sees_all() {
    need!(Need::Bpf, Need::OtherUsers);
    let recorder = Recorder::start(&[]);
    let (own, others) = (ran_as(User::NOBODY), ran_as(User::STRANGER));
    let mut nobody = recorder.dial_as(User::NOBODY.uid);
    let seen = records(nobody.ask(&query(own)));
    assert!(seen[0]["argv"].is_array(), "{seen:?}");
    assert_eq!(records(nobody.ask(&query(others))), Vec::<Value>::new());
    assert_eq!(records(recorder.dial().ask(&query(others))).len(), 1);
    let stats = nobody.ask(r#"{"do":"stats","by":"user"}"#);
    let groups: Vec<_> = stats.iter().filter_map(|it| it["group"].as_str()).collect();
    assert_eq!(groups, ["65534"]);
}

#[test]
fn by_default_the_outcome_is_for_all_once_the_process_is_reaped() {
    need!(Need::Bpf, Need::OtherUsers, Need::PidfdInfoExit);
    let recorder = Recorder::start(&[]);
    let mut nobody = recorder.dial_as(User::NOBODY.uid);
    let mut parent = actor(&["zombie-parent", "5"]);
    let zombie = exithand::ExitHandle::open(parent.told_pid()).unwrap();
    let ask = format!(r#"{{"do":"outcome","token":"{}"}}"#, zombie.token());
    assert_eq!(nobody.refusal(&ask), "not-yet");
    parent.release();
    parent.wait();
    let lines = nobody.ask(&ask);
    assert_eq!(lines[0]["status"], 5, "{lines:?}");
    assert_eq!(lines[0]["withheld"], true, "{lines:?}");
    assert_eq!(lines[0].get("argv"), None, "{lines:?}");
}

#[test]
fn the_policies_open_and_close_as_they_say() {
    need!(Need::Bpf, Need::OtherUsers);
    for (policy, records_of_others, outcome_of_others) in [
        ("all", Some(true), true),
        ("user", Some(false), false),
        ("parent", None, false),
        ("root", None, false),
    ] {
        let recorder = Recorder::start(&["--status", policy]);
        let pid = ran_as(User::STRANGER);
        let mut nobody = recorder.dial_as(User::NOBODY.uid);
        match records_of_others {
            Some(told) => {
                let seen = records(nobody.ask(&query(pid)));
                assert_eq!(seen.len(), usize::from(told), "{policy}");
                for line in seen {
                    assert_eq!(line["withheld"], true, "{line}");
                    assert_eq!((line.get("argv"), line.get("ppid")), (None, None), "{line}");
                }
            }
            None => assert_eq!(nobody.refusal(&query(pid)), "denied", "{policy}"),
        }
        let token = token(&recorder, pid);
        let ask = format!(r#"{{"do":"outcome","token":"{token}"}}"#);
        if outcome_of_others {
            assert_eq!(nobody.ask(&ask)[0]["status"], 0, "{policy}");
        } else {
            assert_eq!(nobody.refusal(&ask), "denied", "{policy}");
        }
        let mut root = recorder.dial_as(0);
        assert_eq!(records(root.ask(&query(pid))).len(), 1, "{policy}");
    }
}

#[test]
fn a_parent_learns_of_its_children_under_parent() {
    need!(Need::Bpf, Need::OtherUsers);
    let recorder = Recorder::start(&["--status", "parent"]);
    let mut child = Command::new("true").uid(61234).gid(61234).spawn().unwrap();
    child.wait().unwrap();
    let pid = child.id();
    // This process is the parent, whoever it connects as.
    let mut parent = recorder.dial_as(User::NOBODY.uid);
    let token = token(&recorder, pid);
    let lines = parent.ask(&format!(r#"{{"do":"outcome","token":"{token}"}}"#));
    assert_eq!(lines[0]["status"], 0, "{lines:?}");
}

#[test]
fn a_filter_does_not_tell_what_is_withheld() {
    need!(Need::Bpf, Need::OtherUsers);
    let recorder = Recorder::start(&["--status", "all"]);
    ran_as(User::STRANGER);
    let mut nobody = recorder.dial_as(User::NOBODY.uid);
    for filter in [r#""killer":"known""#, r#""units":["*"]"#, r#""oom":"any""#] {
        let ask = format!(r#"{{"do":"query","limit":9,"filter":{{"users":[61234],{filter}}}}}"#);
        assert_eq!(nobody.refusal(&ask), "denied");
    }
}

#[test]
fn details_can_be_opened_to_all_or_to_a_group() {
    need!(Need::Bpf, Need::OtherUsers);
    for (details, told) in [("all", true), ("group:nogroup", true), ("group:adm", false)] {
        let recorder = Recorder::start(&["--details", details]);
        let pid = ran_as(User::STRANGER);
        // The group of this user is nogroup.
        let seen = records(recorder.dial_as(User::NOBODY.uid).ask(&query(pid)));
        let argv: Vec<_> = seen.iter().filter(|it| it["argv"].is_array()).collect();
        assert_eq!(argv.len(), usize::from(told), "{details}");
    }
}

#[test]
fn one_user_cannot_take_all_places() {
    need!(Need::Bpf, Need::OtherUsers);
    let recorder = Recorder::start(&[]);
    let mut guests: Vec<_> = (0..33).map(|_| recorder.dial_as(65534)).collect();
    let status = r#"{"do":"status"}"#;
    for guest in &mut guests[..32] {
        assert_eq!(guest.ask(status)[0]["source"], "bpf");
    }
    let refused = guests[32].next().unwrap();
    assert_eq!(refused["error"], "busy", "{refused}");
    assert_eq!(guests[32].next(), None);
    recorder.dial_as(61234).ask(status);
}
