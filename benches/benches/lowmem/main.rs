//! Low-memory killers side by side, in an arena where the machine is never short of memory.
//!
//! Killer and processes run in a pid namespace of their own, so that the killer sees nobody else,
//! while what is available is the machine's: so the level is put where the arena will cross it.
//!
//! Environment: `EXITHAND` is the program under test, `RUNS` how often each scenario is run (3),
//! `VICTIM_MIB` the size of the large process (512; the tables are made with 4096), `KILLERS` and
//! `SCENARIOS` which ones, separated by blanks. Nothing else on the machine should use memory meanwhile.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and can do nothing better than to panic"
)]

mod arena;
mod cost;
mod killer;
mod role;
mod scenario;

use std::env;
use std::process::{Command, Stdio};
use std::time::Duration;

use killer::Killer;
use scenario::Scenario;

fn main() {
    let args: Vec<String> = env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("role") => role::play(&args[2..]),
        Some("inside") => println!("{}", inside(&args[2], &args[3], args[4].parse().unwrap())),
        _ => outside(),
    }
}

/// Runs one scenario as pid 1 of the arena.
fn inside(scenario: &str, killer: &str, victim_mib: u64) -> String {
    let scenario = Scenario::ALL.into_iter().find(|it| it.word() == scenario);
    let killer = Killer::ALL.into_iter().find(|it| it.word() == killer);
    arena::run(scenario.unwrap(), killer.unwrap(), victim_mib)
}

fn outside() {
    let number = |name: &str, default: u64| {
        let text = env::var(name).ok();
        text.map_or(default, |text| text.parse().unwrap())
    };
    let words = |name: &str| env::var(name).ok();
    let asked = |list: &Option<String>, word: &str| {
        list.as_ref()
            .is_none_or(|list| list.split(' ').any(|it| it == word))
    };
    let (runs, victim_mib) = (number("RUNS", 3), number("VICTIM_MIB", 512));
    if !rustix::process::geteuid().is_root() {
        println!("only root makes namespaces and freezes processes: nothing is measured");
        return;
    }
    let (killers, scenarios) = (words("KILLERS"), words("SCENARIOS"));
    println!(
        "victim of {victim_mib} MiB, {runs} runs each; times in ms from crossing the level: median, worst"
    );
    println!(
        "then medians: ms that somebody waited for memory; the killer's CPU in ms, its switches, its PSS in KiB"
    );
    println!(
        "| scenario | killer | right victim | extra kills | memory back | victim gone | stall | CPU | switches | PSS |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for scenario in Scenario::ALL
        .into_iter()
        .filter(|it| asked(&scenarios, it.word()))
    {
        for killer in Killer::ALL
            .into_iter()
            .filter(|it| asked(&killers, it.word()))
        {
            if !killer.is_there() {
                continue;
            }
            let results: Vec<Vec<i64>> = (0..runs)
                .map(|_| one_run(scenario, killer, victim_mib))
                .collect();
            print_row(scenario, killer, &results);
        }
    }
}

/// Runs the arena once, and returns what [`arena::run`] says.
fn one_run(scenario: Scenario, killer: Killer, victim_mib: u64) -> Vec<i64> {
    let output = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
        .arg(env::current_exe().unwrap())
        .args([
            "inside",
            scenario.word(),
            killer.word(),
            &victim_mib.to_string(),
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    arena::clean_up();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<i64> = text
        .split_whitespace()
        .map(|it| it.parse().unwrap())
        .collect();
    assert_eq!(numbers.len(), 8, "{text:?} {:?}", output.status);
    numbers
}

fn print_row(scenario: Scenario, killer: Killer, results: &[Vec<i64>]) {
    let column = |index: usize| {
        let mut column: Vec<i64> = results.iter().map(|it| it[index]).collect();
        column.sort_unstable();
        column
    };
    let right: i64 = column(0).iter().sum();
    let extra = column(1);
    let (none, most) = (
        extra.iter().filter(|it| **it == 0).count(),
        extra.last().unwrap(),
    );
    let times = |index: usize| {
        let mut times = column(index);
        times.retain(|it| *it >= 0);
        let Some(worst) = times.last() else {
            return "never".to_owned();
        };
        let (median, runs) = (times[times.len() / 2], results.len());
        let missing = runs - times.len();
        let never = if missing > 0 {
            format!(", never in {missing}")
        } else {
            String::new()
        };
        format!("{median}, {worst}{never}")
    };
    let runs = results.len();
    let median = |index: usize| column(index)[runs / 2];
    let ms = |index: usize| Duration::from_micros(median(index).unsigned_abs()).as_secs_f64() * 1e3;
    println!(
        "| {} | {} | {right} of {runs} | none in {none} of {runs}, most {most} | {} | {} | {:.1} | {:.1} | {} | {} |",
        scenario.title(),
        killer.word(),
        times(2),
        times(3),
        ms(4),
        ms(5),
        median(6),
        median(7),
    );
}
