//! `exithand lowmem` as a user sees it. Whatever may kill runs in a pid namespace of its own.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helper can do nothing better than to panic"
)]

#[path = "../common/mod.rs"]
mod common;
mod history;
mod hooks;
mod killer;
mod lacking;
#[path = "../recorder/recorder.rs"]
#[allow(dead_code, reason = "each test program uses a part")]
mod recorder;
mod service;
mod user;

use common::{run, run_with_input};
use exithand_testkit::actor;
use killer::file;

#[test]
fn a_wrong_configuration_is_named_and_nothing_runs() {
    let folder = tempfile::tempdir().unwrap();
    for (text, words) in [
        ("[levels]\nflor = \"1%\"\n", "did you mean levels.floor?"),
        (
            "[levels]\nhard = \"90%\"\n",
            "levels.hard (90%) is above levels.soft",
        ),
        (
            "[[rule]]\nname = \"*\"\naction = \"protect\"\n",
            "rule 1 protects everything",
        ),
        ("levels = [\n", "line"),
    ] {
        let path = file(folder.path(), text);
        for args in [&["--check-config"][..], &["--explain"], &[]] {
            let args = [&["lowmem", "--config", &path], args].concat();
            run(&args)
                .exits(2)
                .complains(words)
                .complains(&path)
                .prints("");
        }
    }
    run(&["lowmem", "--config", "/no/such/file"])
        .exits(2)
        .complains("/no/such/file");
    run(&["lowmem", "--preset", "laptop"])
        .exits(2)
        .complains("desktop");
}

#[test]
fn a_right_configuration_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "preset = \"ci\"\n");
    let words = format!("{path} is right: preset ci, 0 rules\n");
    run(&["lowmem", "--check-config", "--config", &path])
        .exits(0)
        .prints(&words);
}

#[test]
fn explains_without_doing_anything() {
    let hog = actor(&["hold", "40"]);
    let ran = run(&["lowmem", "--explain", "--preset", "desktop"]).exits(0);
    for words in ["memory  ", "levels  warn ", "now     "] {
        assert!(ran.stdout.contains(words), "{ran:?}");
    }
    let ran = run(&["lowmem", "--explain", "--json", "--preset", "server"]).exits(0);
    let [record] = ran.json().try_into().unwrap();
    assert_eq!(record["event"], "explain");
    assert!(record["levels"]["hard_bytes"].as_u64().unwrap() > 0);
    drop(hog);
}

#[test]
fn replays_a_trace_through_the_same_rule() {
    let trace = run(&["lowmem", "trace", "--count", "1", "--preset", "server"]).exits(0);
    let mut snapshot: serde_json::Value = serde_json::from_str(&trace.stdout).unwrap();
    let simulate = ["lowmem", "simulate", "-", "--preset", "server"];
    // What this machine happens to do is replaced by what is known.
    snapshot["candidates"] = serde_json::json!([]);
    snapshot["sample"]["available_bytes"] = serde_json::json!(8_u64 << 30);
    snapshot["sample"]["swap_total_bytes"] = serde_json::json!(0);
    snapshot["total_bytes"] = serde_json::json!(16_u64 << 30);
    run_with_input(&simulate, &snapshot.to_string())
        .exits(0)
        .prints("1 snapshots, 0 kills\n");
    snapshot["sample"]["available_bytes"] = serde_json::json!(500_u64 << 20);
    snapshot["candidates"] = serde_json::json!([{
        "identity": {"pid": 7, "mark": 7}, "parent": 1, "uid": 0, "name": "hog",
        "oom_score_adj": 0, "class": 2, "spared": null, "memory_bytes": 4_u64 << 30,
        "swap_bytes": 0, "shared_bytes": 0, "growth_bytes": 0, "term": "default", "cgroup": 0,
        "as_unit": false
    }]);
    let ran = run_with_input(&simulate, &snapshot.to_string()).exits(0);
    assert!(
        ran.stdout
            .contains("would kill 7 hog (4096 MiB): memory is low"),
        "{ran:?}"
    );
    run_with_input(&simulate, "rubbish\n")
        .exits(2)
        .complains("-:1:");
}
