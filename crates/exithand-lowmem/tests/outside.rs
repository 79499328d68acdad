//! Text and bytes from outside, whole, cut, changed or made up, never bring a parser down.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

use std::fs;

use exithand_lowmem::config::KEYS;
use exithand_lowmem::fuzz;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const PARSERS: [fn(&[u8]) -> String; 3] = [fuzz::files, fuzz::config, fuzz::trace];

fn all(bytes: &[u8]) {
    for parser in PARSERS {
        parser(bytes);
    }
}

/// What the kernel here says, and a trace and a configuration.
fn real() -> Vec<Vec<u8>> {
    const FILES: [&str; 8] = [
        "meminfo",
        "vmstat",
        "zoneinfo",
        "pressure/memory",
        "self/status",
        "self/smaps_rollup",
        "self/cgroup",
        "self/stat",
    ];
    let files = FILES
        .iter()
        .filter_map(|it| fs::read(format!("/proc/{it}")).ok());
    let config = exithand_lowmem::config::Config::default();
    let snapshot = exithand_lowmem::daemon::snapshot(&config).unwrap();
    let trace = serde_json::to_vec(&snapshot).unwrap();
    let text = "preset = \"ci\"\n[levels]\nhard = \"3% or 700M\"\n[[rule]]\nname = \"a*\"\naction = \"avoid\"\n";
    files.chain([trace, text.as_bytes().to_vec()]).collect()
}

/// Numbers at which something may end.
fn edge() -> impl Strategy<Value = u64> {
    let near = |bits: u32| (1_u64 << bits).wrapping_sub(1);
    select(vec![
        0,
        1,
        2,
        99,
        100,
        101,
        near(31),
        near(32),
        near(53),
        near(63),
        near(63) + 1,
        u64::MAX,
    ])
}

/// A line of a file with an odd number.
fn line() -> impl Strategy<Value = String> {
    const NAMES: [&str; 18] = [
        "MemTotal:",
        "MemAvailable:",
        "SwapTotal:",
        "SwapFree:",
        "Active(file):",
        "Inactive(file):",
        "count:",
        "workingset_refault_file ",
        "pgscan_kswapd ",
        "pgscan_direct ",
        "PPid:",
        "Uid:",
        "RssAnon:",
        "VmSwap:",
        "Private_Dirty:",
        "some total=",
        "full total=",
        "SigCgt:",
    ];
    (select(&NAMES[..]), edge(), any::<bool>()).prop_map(|(name, number, longer)| {
        let more = if longer { "9" } else { "" };
        format!("{name} {number}{more} kB\n")
    })
}

/// A value that is odd for most keys.
fn value() -> impl Strategy<Value = String> {
    let number = edge().prop_map(|it| it.to_string());
    let unit = select(vec![
        "", "K", "M", "G", "T", "%", "ms", "s", "m", "h", "% or 1G",
    ]);
    let text = (edge(), unit).prop_map(|(number, unit)| format!("\"{number}{unit}\""));
    let words = select(vec![
        "true", "[]", "[1, -1]", "[\"a\"]", "{}", "1.5", "-1", "\"\"", "\"auto\"",
    ]);
    prop_oneof![number, text, words.prop_map(str::to_owned)]
}

/// A line of a configuration.
fn setting() -> impl Strategy<Value = String> {
    (select(KEYS), value()).prop_map(|(key, value)| {
        let head = match key.table {
            "" => String::new(),
            table @ ("rule" | "cgroup") => format!("[[{table}]]\n"),
            table => format!("[{table}]\n"),
        };
        format!("{head}{} = {value}\n", key.name)
    })
}

proptest! {
    #[test]
    fn made_up(bytes in vec(any::<u8>(), 0..400), text in "\\PC{0,200}") {
        all(&bytes);
        all(text.as_bytes());
    }

    #[test]
    fn cut_and_changed(which in any::<Index>(), at in any::<Index>(), byte: u8, end in any::<Index>()) {
        let real = real();
        let mut bytes = real[which.index(real.len())].clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        all(&bytes);
        bytes.truncate(end.index(bytes.len()));
        all(&bytes);
    }

    #[test]
    fn numbers_of_all_sizes(lines in vec(line(), 1..20)) {
        fuzz::files(lines.concat().as_bytes());
    }

    #[test]
    fn settings_of_all_sizes(settings in vec(setting(), 1..4)) {
        fuzz::config(settings.concat().as_bytes());
    }

    #[test]
    fn traces_of_all_sizes(
        amounts in vec(edge(), 12),
        victims in vec((edge(), edge(), edge()), 0..5),
    ) {
        let candidates: Vec<_> = victims.into_iter().map(|(memory, swap, growth)| serde_json::json!({
            "identity": {"pid": 7, "mark": memory}, "parent": 1, "uid": 0, "name": "hog",
            "oom_score_adj": 0, "class": 2, "spared": null, "memory_bytes": memory,
            "swap_bytes": swap, "shared_bytes": memory, "growth_bytes": growth, "term": "default",
            "cgroup": 0, "as_unit": false
        })).collect();
        let trace = serde_json::json!({
            "total_bytes": amounts[0],
            "sample": {
                "at": {"secs": amounts[1], "nanos": 0},
                "available_bytes": amounts[2], "swap_total_bytes": amounts[3],
                "swap_free_bytes": amounts[4], "file_bytes": amounts[5],
                "stall": {"some_us": amounts[6], "full_us": amounts[7]},
                "reclaim": {"refaulted_bytes": amounts[8], "scanned_bytes": amounts[9]},
                "fill_bytes": amounts[10],
            },
            "candidates": candidates,
        });
        let told = fuzz::trace(trace.to_string().as_bytes());
        prop_assert!(told.contains("ranking"), "{}", told);
    }
}
