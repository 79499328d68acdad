//! Every field that `--json` prints is in the table of the contract's section 8, and the reverse.

use std::collections::{BTreeMap, BTreeSet};

use exithand::{Outcome, Signal, Why};
use exithand_recorder::{
    Argv, ExitRecord, Killer, Link, Oom, OomScope, Parent, Place, Usage, WallTime,
};
use exithand_testkit::{FakeFiles, Pid, actor};
use serde_json::Value;

use crate::common::{pid, run, start};
use crate::stage::{Stage, ago, exit, gap, plain};

const CONTRACT: &str = include_str!("../../../../docs/contract.md");

/// The kinds of lines, by the commands that print them.
const KINDS: [&str; 9] = [
    "wait", "kill", "id", "why", "watch", "history", "gaps", "stats", "loops",
];

type Fields = BTreeMap<&'static str, BTreeSet<String>>;

/// Which kinds a word in the table's second column stands for.
fn kinds(word: &str) -> &'static [&'static str] {
    match word {
        "all" => &KINDS,
        "processes" => &KINDS[..6],
        "where ended" | "exited" | "killed" | "unknown" => {
            &["wait", "kill", "why", "watch", "history"]
        }
        "records" => &["why", "watch", "history"],
        word => {
            let at = KINDS.iter().position(|it| *it == word);
            let at = at.unwrap_or_else(|| panic!("no kind of line is called {word:?}"));
            &KINDS[at..=at]
        }
    }
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The table.
fn promised() -> Fields {
    let section = CONTRACT.split("\n## ").find(|it| it.starts_with("8. JSON"));
    let rows = section.unwrap().lines().filter(|it| it.starts_with("| `"));
    let mut fields = Fields::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').collect();
        for kind in cells[2].split(',').flat_map(|word| kinds(word.trim())) {
            let known = fields.entry(kind).or_default();
            known.extend(quoted(cells[1]).map(str::to_owned));
        }
    }
    fields
}

fn keys(lines: &[Value]) -> BTreeSet<String> {
    let objects = lines.iter().map(|it| it.as_object().unwrap());
    objects.flat_map(|it| it.keys().cloned()).collect()
}

/// A record of which everything is known.
fn whole(pid: u32, outcome: Outcome, ended: WallTime) -> ExitRecord {
    ExitRecord {
        parent: Some(Parent {
            pid: 1,
            comm: Some("init".into()),
        }),
        start_ticks: Some(77),
        uid: Some(1),
        gid: Some(2),
        exe: Some("/bin/job".into()),
        argv: Some(Argv {
            words: vec!["job".into()],
            truncated: true,
        }),
        place: Place {
            cgroup: Some("/system.slice/job.service".into()),
            unit: Some("job.service".to_owned()),
            container: Some("0123456789ab".to_owned()),
        },
        started: Some(ago(ended, 1)),
        runtime_ns: Some(1_000_000_000),
        usage: Usage {
            cpu_user_ns: Some(1),
            cpu_system_ns: Some(2),
            max_rss_bytes: Some(3),
            read_bytes: Some(4),
            write_bytes: Some(5),
            voluntary_switches: Some(6),
            involuntary_switches: Some(7),
        },
        killer: Some(Killer {
            pid: 9,
            comm: "sh".into(),
            uid: Some(0),
            exe: Some("/bin/sh".into()),
            unit: Some("ssh.service".to_owned()),
            signal: Signal::KILL,
            code: 0,
            chain: vec![Link {
                pid: 1,
                comm: "init".into(),
            }],
        }),
        oom: Some(Oom {
            scope: OomScope::Memcg,
            cgroup: Some("/system.slice".into()),
        }),
        namespace_init: true,
        ..plain(pid, "job", outcome, ended)
    }
}

fn outcomes() -> [Outcome; 3] {
    [
        Outcome::Exited(1),
        Outcome::Killed {
            signal: Signal::KILL,
            core_dumped: false,
        },
        Outcome::Unknown {
            why: Why::OtherPidNamespace,
        },
    ]
}

/// What the commands print that read a history, with a gap and a crash loop in it.
fn of_the_history(fields: &mut Fields) {
    let stage = Stage::with(|now| {
        let mut events: Vec<_> = (0_u32..)
            .zip(outcomes())
            .map(|(number, outcome)| exit(whole(700 + number, outcome, ago(now, 900))))
            .collect();
        events.push(gap(ago(now, 850), ago(now, 840)));
        events.extend((0..6).map(|number| {
            let ended = ago(now, 600 - i64::from(number) * 10);
            exit(plain(800 + number, "looper", Outcome::Exited(3), ended))
        }));
        events
    });
    let why = stage
        .run("why", &["--json", "--all", "job"])
        .exits(0)
        .json();
    fields.insert("why", keys(&why));
    let (gaps, records): (Vec<_>, Vec<_>) = stage
        .run("history", &["--json"])
        .exits(0)
        .json()
        .into_iter()
        .partition(|it| it.get("token").is_none());
    fields.insert("history", keys(&records));
    fields.insert("gaps", keys(&gaps));
    let (loops, stats): (Vec<_>, Vec<_>) = stage
        .run("stats", &["--json"])
        .exits(0)
        .json()
        .into_iter()
        .filter(|it| it.get("cause").is_none())
        .partition(|it| it.get("crash_loop").is_some());
    fields.insert("stats", keys(&stats));
    fields.insert("loops", keys(&loops));
    let killer = why[0]["killer"].as_object().unwrap();
    let row = CONTRACT.lines().find(|it| it.starts_with("| `killer`"));
    let promised: Vec<Vec<&str>> = quoted(row.unwrap())
        .filter_map(|it| it.strip_prefix('{')?.strip_suffix('}'))
        .map(|it| it.split(", ").collect())
        .collect();
    let link = killer["chain"][0].as_object().unwrap();
    let printed = [killer, link].map(|it| it.keys().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(promised, printed, "the killer's own fields");
}

/// What the commands print that hold processes.
fn of_processes(fields: &mut Fields) {
    let mut held = Vec::new();
    let mut three = actor(&["wait-then-exit", "3"]);
    held.extend(run(&["id", "--json", &pid(&three)]).exits(0).json());
    fields.insert("id", keys(&held));
    let files = FakeFiles::new();
    let ends = ["exited 3", "killed 9 KILL", "unknown: other pid namespace"];
    let mut waited = Vec::new();
    for (number, end) in (2_000_000_001..).zip(ends) {
        let token = format!("{number}:7");
        let mut process = files.start(Pid::from_raw(number).unwrap(), &token, Some("outcome"));
        let via = files.root().to_str().unwrap();
        let args = ["wait", "--json", "--via", via, &number.to_string()];
        let command = start(crate::common::exithand().args(args));
        process.until_held();
        process.tell(format!("{end}\n").as_bytes());
        process.end();
        waited.extend(crate::common::finish(command).exits(0).json());
    }
    fields.insert("wait", keys(&waited));
    let killed = run(&["kill", "--json", "--signal", "KILL", &pid(&three)]);
    fields.insert("kill", keys(&killed.exits(0).json()));
    three.wait();
}

#[test]
fn every_field_is_in_the_contract_and_every_one_of_the_contract_is_printed() {
    let promised = promised();
    let mut printed = Fields::new();
    of_the_history(&mut printed);
    of_processes(&mut printed);
    for (kind, fields) in &printed {
        let unknown: Vec<_> = fields.difference(&promised[kind]).collect();
        assert!(
            unknown.is_empty(),
            "{kind}: not in the contract: {unknown:?}"
        );
    }
    // `kill` prints the same lines as `wait`; how a process ended there is up to it.
    let mut by_commands = printed["wait"].clone();
    by_commands.extend(printed["kill"].iter().cloned());
    // Those who may not know are told so; the store knows all.
    let told: BTreeSet<String> = ["withheld".to_owned()].into();
    for kind in KINDS {
        let seen = match kind {
            "wait" | "kill" => &by_commands,
            // As `history`, of which the live stream is another view.
            "watch" => &printed["history"],
            kind => &printed[kind],
        };
        let missing: Vec<_> = promised[kind].difference(seen).collect();
        let missing: Vec<_> = missing
            .into_iter()
            .filter(|it| !told.contains(*it))
            .collect();
        assert!(missing.is_empty(), "{kind}: never printed: {missing:?}");
    }
}

#[test]
fn a_withheld_record_has_the_fields_of_the_contract_and_says_so() {
    let record = whole(9, Outcome::Exited(1), WallTime { unix_ns: 5 });
    let line = exithand_recorder::json::RecordLine::new(&record).without_details();
    let line: Value = serde_json::from_str(&line.to_string()).unwrap();
    assert_eq!(line["withheld"], true);
    let fields = keys(&[line]);
    assert!(fields.is_subset(&promised()["history"]), "{fields:?}");
    assert!(!fields.contains("killer") && !fields.contains("oom"));
}
