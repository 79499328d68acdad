//! `exithand lowmem` as a user sees it. Whatever may kill runs in a pid namespace of its own.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helper can do nothing better than to panic"
)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStdout};

use common::{exithand, run, run_with_input, start};
use exithand_testkit::{Pid, actor, run_isolated, test_name};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

fn file(folder: &Path, text: &str) -> String {
    let path = folder.join("lowmem.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

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

/// A killer among processes of our own.
struct Killer {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Killer {
    /// Starts it and waits until it says that it is ready.
    fn start(folder: &Path, config: &str) -> Self {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let mut command = exithand();
        command.env("NOTIFY_SOCKET", path);
        let mut child = start(command.args(["lowmem", "--json", "--config", config]));
        let mut room = [0; 256];
        let length = socket.recv(&mut room).unwrap();
        assert!(room[..length].starts_with(b"READY=1"));
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    fn signal(&self, signal: Signal) {
        let pidfd = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty()).unwrap();
        pidfd_send_signal(pidfd, signal).unwrap();
    }

    /// Reads records until one has `words`.
    fn read_until(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(
                self.out.read_line(&mut line).unwrap() > 0,
                "ended without {words}"
            );
        }
    }

    fn stop(mut self) {
        self.signal(Signal::TERM);
        assert!(self.child.wait().unwrap().success());
    }
}

/// Levels by which memory is low until `mib` more of it are there.
fn short_of(mib: u64) -> String {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .unwrap();
    let available: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    let zoneinfo = fs::read("/proc/zoneinfo").unwrap();
    let kept = exithand_lowmem::reading::per_cpu_pages(&zoneinfo) >> 8;
    let hard = (available >> 10) + kept + mib;
    let (more, floor) = (hard + 50, hard / 4);
    format!(
        "[levels]\nwarn = \"{more}M\"\nsoft = \"{hard}M\"\nhard = \"{hard}M\"\n\
         floor = \"{floor}M\"\ntarget = \"{more}M\"\n"
    )
}

#[test]
fn kills_tells_hooks_and_reads_its_configuration_again() {
    run_isolated(test_name!(), || {
        let folder = tempfile::tempdir().unwrap();
        let seen = folder.path().join("seen");
        mknodat(CWD, &seen, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let metrics = folder.path().join("metrics");
        let tail = format!(
            "[hook]\nafter = [\"sh\", \"-c\", \"cat > {0}\"]\n\
             [metrics]\nfile = \"{1}\"\n",
            seen.display(),
            metrics.display()
        );
        let config = file(folder.path(), &tail);
        let mut killer = Killer::start(folder.path(), &config);
        killer.signal(Signal::HUP);
        killer.read_until("\"notice\":\"reloaded\"");
        fs::write(&config, "[levels]\nflor = \"1%\"\n").unwrap();
        killer.signal(Signal::HUP);
        killer.read_until("\"notice\":\"reload-failed\"");

        let mut hog = actor(&["hold", "600"]);
        fs::write(&config, short_of(300) + &tail).unwrap();
        killer.signal(Signal::HUP);
        killer.read_until("\"event\":\"outcome\"");
        assert_eq!(hog.wait(), 9);
        let record = fs::read_to_string(seen).unwrap();
        assert!(record.contains("\"event\":\"outcome\""), "{record}");
        killer.stop();
        let metrics = fs::read_to_string(metrics).unwrap();
        assert!(
            metrics.contains("exithand_lowmem_decisions_total 1\n"),
            "{metrics}"
        );
    });
}
