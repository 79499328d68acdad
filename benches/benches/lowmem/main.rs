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
mod scenario;

use std::env;
use std::process::{Command, Stdio};

use exithand_benches::arena::{Killer, Run, head, plain_available_mib, play, row, total_mib};
use scenario::Scenario;

/// Who can be compared where the machine is never short of memory.
const KILLERS: [Killer; 3] = [Killer::Exithand, Killer::Earlyoom, Killer::Nohang];

fn main() {
    let args: Vec<String> = env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("role") => play(&args[2..]),
        Some("inside") => println!("{}", inside(&args[2], &args[3], args[4].parse().unwrap())),
        _ => outside(),
    }
}

/// Runs one scenario as pid 1 of the arena.
fn inside(scenario: &str, killer: &str, victim_mib: u64) -> Run {
    let scenario = Scenario::ALL.into_iter().find(|it| it.word() == scenario);
    let killer = KILLERS.into_iter().find(|it| it.word() == killer);
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
    let asked_for: Vec<Killer> = KILLERS
        .into_iter()
        .filter(|it| asked(&killers, it.word()) && is_there(*it))
        .collect();
    println!("{}", head());
    for scenario in Scenario::ALL
        .into_iter()
        .filter(|it| asked(&scenarios, it.word()))
    {
        let ballast = Ballast::below(scenario, victim_mib);
        let mut results = vec![Vec::new(); asked_for.len()];
        // In turns, so that what happens on the machine meanwhile happens to all.
        for _ in 0..runs {
            for (killer, results) in asked_for.iter().zip(&mut results) {
                results.push(one_run(scenario, *killer, victim_mib));
            }
        }
        drop(ballast);
        for (killer, results) in asked_for.iter().zip(&results) {
            println!("{}", row(scenario.title(), killer.word(), results));
        }
    }
}

/// Memory in no use, so that the level lies well below half of the machine's: nohang takes no higher one.
struct Ballast(Vec<u8>);

impl Ballast {
    /// Takes as much as is too much for a scenario.
    fn below(scenario: Scenario, victim_mib: u64) -> Self {
        let parts = scenario.parts(victim_mib).into_iter();
        let taken: u64 = parts.map(|it| it.mib).sum();
        let level = plain_available_mib() - taken - scenario.margin(victim_mib);
        let highest = total_mib() / 100 * 38;
        let mib = usize::try_from(level.saturating_sub(highest)).unwrap();
        // Not zeros, for which no page would be taken.
        Self(vec![1; mib << 20])
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        std::hint::black_box(&self.0);
    }
}

fn is_there(killer: Killer) -> bool {
    let program = killer.program();
    let there = program.exists();
    if !there {
        println!(
            "| - | {} | is not installed ({}) | | | |",
            killer.word(),
            program.display()
        );
    }
    there
}

/// Runs the arena once, in namespaces of its own.
fn one_run(scenario: Scenario, killer: Killer, victim_mib: u64) -> Run {
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
    text.parse()
        .unwrap_or_else(|_| panic!("{text:?} {:?}", output.status))
}
