//! `exithand doctor --reuse`: how soon a pid comes again.

mod common;

use std::fs;

use common::run;

#[test]
fn tells_how_soon_a_pid_comes_again_and_how_often_that_fools_a_script() {
    let ran = run(&["doctor", "--reuse"]).exits(0);
    for words in [
        "Pid reuse\n",
        "alive, numbers up to",
        "started a second now:",
        "started a second since boot:",
        "a token or an exithand handle is never fooled",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {ran:?}");
    }
    // Something was started since boot: this test, at least.
    for script in ["every 1s ", "every 100ms ", "every 10ms "] {
        assert!(ran.stdout.contains(script), "{script}: {ran:?}");
    }
}

#[test]
fn json_agrees_with_proc_and_with_itself() {
    let ran = run(&["doctor", "--reuse", "--json"]).exits(0);
    let lines = ran.json();
    let rates: Vec<_> = lines.iter().map(|it| it["rate"].as_str()).collect();
    assert_eq!(rates, [Some("now"), Some("since boot")]);
    let pid_max = fs::read_to_string("/proc/sys/kernel/pid_max").unwrap();
    for line in lines {
        assert_eq!(line["v"], 1, "{line}");
        assert_eq!(line["pid_max"].to_string(), pid_max.trim(), "{line}");
        let chances = ["1s", "100ms", "10ms"].map(|interval| {
            let chance = line[format!("poller_fooled_{interval}")].as_f64();
            chance.expect("a chance")
        });
        let is_chance = |it: &f64| (0.0..1.0).contains(it);
        assert!(chances.iter().all(is_chance), "{line}");
        assert!(chances.is_sorted_by(|a, b| a >= b), "{line}");
    }
}
