//! Low-memory killers, and the kernel without one, in a machine that does run out of memory.
//!
//! For a virtual machine of 512 MiB with cgroup2 and nothing of worth in it, where it is root:
//! `cargo xtask vm --lowmem` boots one. Processes are in cgroups of their own.
//!
//! Environment: `RUNS` how often each scenario is run (3), `KILLERS` and `SCENARIOS` which ones,
//! separated by blanks, and `LOGS`, if set, has the killers' own words printed, too.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a benchmark prints, and can do nothing better than to panic"
)]

mod scenario;
mod stage;

use std::env;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use exithand_benches::arena::{
    Cost, Killer, Levels, Player, Run, Wanted, available_in_cgroup_mib, available_mib, cost_of,
    dead, head, play, row, settle, stalled_us, swap_mib, watch,
};

use crate::scenario::{BACK_MIB, LEVEL_MIB, Scenario};
use crate::stage::Stage;

/// How long a run is watched: where everything is emulated, memory fills slowly.
const LONGEST: Duration = Duration::from_secs(40);

fn main() {
    let args: Vec<String> = env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("role") => play(&args[2..]),
        Some("inside") => println!("{}", inside(&args[2], &args[3])),
        _ => outside(),
    }
}

fn outside() {
    let words = |name: &str| env::var(name).ok().filter(|it| !it.is_empty());
    let is_asked = |list: &Option<String>, word: &str| {
        list.as_ref()
            .is_none_or(|list| list.split(' ').any(|it| it == word))
    };
    let runs: usize = words("RUNS").map_or(3, |text| text.parse().unwrap());
    let (killers, scenarios) = (words("KILLERS"), words("SCENARIOS"));
    let swap = swap_mib();
    spare(None);
    stage::make_room();
    println!(
        "{} MiB available, {swap} MiB of swap, level {LEVEL_MIB} MiB, {runs} runs each; times in ms from crossing the level: median, worst",
        available_mib()
    );
    println!(
        "then medians: ms that somebody waited for memory; the killer's CPU in ms, its switches, its PSS in KiB"
    );
    let head = head();
    let (names, rule) = head.split_once('\n').unwrap();
    println!("{names} who died |\n{rule}---|");
    let all = Scenario::ALL.into_iter();
    for scenario in all.filter(|it| is_asked(&scenarios, it.word())) {
        let all = Killer::ALL.into_iter();
        let there = all.filter(|it| is_asked(&killers, it.word()) && it.program().exists());
        for killer in there {
            let results: Vec<Run> = (0..runs).map(|_| one_run(scenario, killer)).collect();
            let row = row(scenario.title(), killer.word(), &results);
            println!("{row} {} |", dead(&results));
        }
    }
}

/// Runs a scenario in a process of its own.
fn one_run(scenario: Scenario, killer: Killer) -> Run {
    let output = Command::new(env::current_exe().unwrap())
        .args(["inside", scenario.word(), killer.word()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.parse()
        .unwrap_or_else(|_| panic!("{text:?} {:?}", output.status))
}

/// Runs one scenario.
fn inside(scenario: &str, killer: &str) -> Run {
    let scenario = Scenario::ALL.into_iter().find(|it| it.word() == scenario);
    let killer = Killer::ALL.into_iter().find(|it| it.word() == killer);
    let (scenario, killer) = (scenario.unwrap(), killer.unwrap());
    let folder = env::temp_dir().join(format!("arena-{}-{}", scenario.word(), killer.word()));
    fs::create_dir_all(&folder).unwrap();
    let stage = Stage::set_up();
    let cast = scenario.cast(&stage, available_mib() + swap_mib());
    let (deaths, limit) = (cast.deaths(), cast.limit);
    let mut players: Vec<Player> = cast.parts.into_iter().map(Player::start).collect();
    let left = || match &limit {
        Some(it) => available_in_cgroup_mib(&it.directory, it.limit_mib),
        None => available_mib(),
    };
    let level_mib = limit
        .as_ref()
        .map_or(LEVEL_MIB, |it| it.limit_mib * it.percent / 100);
    let levels = Levels {
        level_mib: LEVEL_MIB,
        back_mib: BACK_MIB,
        cgroup: limit.clone(),
    };
    let daemon = killer.start(&levels, &folder);
    if let Some(pid) = daemon.pid {
        spare(Some(pid));
        settle(pid);
    }
    let taken = || daemon.pid.map_or(Cost::default(), cost_of);
    let (before, stalled) = (taken(), stalled_us());
    for player in &mut players {
        player.go();
    }
    let wanted = Wanted {
        level_mib,
        back_mib: level_mib / 2,
        deaths,
        longest: LONGEST,
    };
    let seen = watch(&mut players, left, &wanted);
    let run = Run {
        stalled_us: stalled_us() - stalled,
        cost: taken().since(before),
        by_kernel: stage.kernel_kills(),
        ..Run::new(&players, seen, u64::try_from(deaths).unwrap())
    };
    for player in &mut players {
        player.end();
    }
    daemon.end();
    if env::var_os("LOGS").is_some() {
        let log = match killer {
            Killer::Oomd => journal_of("systemd-oomd"),
            _ => fs::read_to_string(folder.join("log")).unwrap_or_default(),
        };
        eprintln!("{} {}: {run}\n{log}", scenario.word(), killer.word());
    }
    run
}

fn journal_of(unit: &str) -> String {
    let output = Command::new("journalctl")
        .args(["--unit", unit, "--lines=12", "--output=cat"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Has the kernel, and whoever goes by its marks, never choose this process, or rather not `pid`,
/// which is what units of killers ask for.
fn spare(pid: Option<u32>) {
    let (who, adj) = match pid {
        Some(pid) => (pid.to_string(), "-900"),
        None => ("self".to_owned(), "-1000"),
    };
    fs::write(format!("/proc/{who}/oom_score_adj"), adj).unwrap();
}
