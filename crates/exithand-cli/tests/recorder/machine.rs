//! A recorder on a machine that lacks something: room, a writable disk, the kernel's types.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use exithand_testkit::{Need, Pid, actor, need};

use crate::common::Ran;
use crate::recorder::Recorder;

/// What a file of the recorder's own mount namespace is called from here.
fn inside(recorder: &Recorder, file: &str) -> PathBuf {
    let pid = recorder.handle().pid().unwrap().as_raw_nonzero();
    let disk = recorder.folder().join("disk").join(file);
    let disk = disk.strip_prefix("/").unwrap();
    PathBuf::from(format!("/proc/{pid}/root")).join(disk)
}

/// Runs a process with a command line like no other, and returns its pid.
fn short_lived(number: u32) -> u32 {
    let word = format!("{number:0>3000}");
    let mut child = Command::new("true").arg(word).spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

fn of_pid(pid: u32) -> String {
    format!(r#"{{"do":"query","limit":1,"filter":{{"pids":[{pid}]}}}}"#)
}

#[test]
fn a_full_disk_is_said_and_recorded_as_a_gap_and_nothing_dies_of_it() {
    need!(Need::Bpf, Need::Root, Need::Program("unshare"));
    let mut recorder = Recorder::start_behind("mount -t tmpfs -o size=2m none \"$disk\"");
    let ballast = inside(&recorder, "ballast");
    fs::write(&ballast, vec![0; 4 << 20]).unwrap_err();
    let mut dialogue = recorder.dial();
    let mut failed = false;
    for number in 0..3000 {
        let pid = short_lived(number);
        // A query has all that is known written first.
        dialogue.ask(&of_pid(pid));
        let status = dialogue.ask(r#"{"do":"status"}"#);
        failed = status[0].get("store_error").is_some();
        if failed {
            break;
        }
    }
    assert!(failed, "the disk is never full");
    let said = recorder.complaint();
    assert!(said.contains("no room"), "{said}");
    assert!(said.contains("becomes a gap in the history"), "{said}");
    // By its token an exit is known all the same: that needs no disk.
    let mut three = actor(&["wait-then-exit", "3"]);
    let token = exithand::ExitHandle::open(three.pid()).unwrap().token();
    three.release();
    three.wait();
    let line = &dialogue.ask(&format!(r#"{{"do":"outcome","token":"{token}"}}"#))[0];
    assert_eq!(line["status"], 3, "{line}");
    fs::remove_file(&ballast).unwrap();
    let pid = short_lived(0);
    let lines = dialogue.ask(&of_pid(pid));
    assert!(lines.iter().any(|it| it["pid"] == pid), "{lines:?}");
    let gap = lines.iter().find(|it| it["cause"] == "store-behind");
    let lost = gap.unwrap_or_else(|| panic!("no gap: {lines:?}"))["lost"].as_u64();
    assert!(lost.is_some_and(|it| it > 0), "{lines:?}");
    assert!(recorder.complaint().contains("takes records again"));
    assert_eq!(recorder.end(), 0);
}

#[test]
fn a_store_on_a_read_only_disk_is_refused_with_a_remedy() {
    need!(Need::Bpf, Need::Root, Need::Program("unshare"));
    let recorder = Recorder::prepare_disk();
    let script = "mount -t tmpfs none \"$disk\"; mount -o remount,ro \"$disk\"";
    let ran = Ran::from(recorder.behind(script).output().unwrap());
    ran.exits(125).complains("history.db").complains("--store");
}

#[test]
fn without_the_kernels_types_the_next_best_source_is_taken_and_said() {
    need!(
        Need::Bpf,
        Need::Root,
        Need::ProcConnector,
        Need::Program("unshare")
    );
    let mut recorder = Recorder::start_behind("mount -t tmpfs none /sys/kernel/btf");
    for _ in ["tp_btf", "raw_tp"] {
        let said = recorder.complaint();
        assert!(said.starts_with("exithand: not by bpf ("), "{said}");
        assert!(said.contains("BTF"), "{said}");
    }
    let mut dialogue = recorder.dial();
    let status = dialogue.ask(r#"{"do":"status"}"#);
    assert_eq!(status[0]["source"], "taskstats", "{status:?}");
    let mut child = Command::new("false").spawn().unwrap();
    let pid = Pid::from_child(&child);
    child.wait().unwrap();
    let records = dialogue.records(&of_pid(pid.as_raw_nonzero().get().unsigned_abs()));
    assert_eq!(records[0]["status"], 1, "{records:?}");
}

#[test]
fn a_store_of_a_newer_version_is_left_alone_and_named() {
    need!(Need::Bpf);
    let mut recorder = Recorder::start(&[]);
    assert_eq!(recorder.end(), 0);
    // The version of the schema stands in the header of the file, at byte 60.
    let file = fs::OpenOptions::new().write(true).open(recorder.store());
    file.unwrap().write_all_at(&[0, 0, 0, 99], 60).unwrap();
    let before = fs::read(recorder.store()).unwrap();
    let mut again = crate::common::exithand();
    again.args(recorder.arguments());
    Ran::from(again.output().unwrap())
        .exits(125)
        .complains("version 99");
    assert_eq!(fs::read(recorder.store()).unwrap(), before);
}
