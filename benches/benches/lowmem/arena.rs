//! One run, seen by pid 1 of the arena.

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use exithand_benches::arena::{
    Killer, Levels, Manner, Player, Run, Wanted, available_mib, cost_of, plain_available_mib,
    settle, stalled_us, watch,
};

use crate::scenario::Scenario;

/// How long the arena is watched.
const LONGEST: Duration = Duration::from_secs(25);

/// The cgroup of whoever is frozen.
const FREEZER: &str = "/sys/fs/cgroup/freezer/exithand-bench";

/// Freezes a process in a cgroup of its own.
struct Freezer;

impl Freezer {
    fn freeze(pid: u32) -> Self {
        let path = Path::new(FREEZER);
        fs::create_dir(path).unwrap();
        fs::write(path.join("cgroup.procs"), pid.to_string()).unwrap();
        fs::write(path.join("freezer.state"), "FROZEN").unwrap();
        Self
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        drop(fs::write(
            Path::new(FREEZER).join("freezer.state"),
            "THAWED",
        ));
    }
}

/// Takes away what the arena leaves, once all in it are gone.
pub(crate) fn clean_up() {
    if Path::new(FREEZER).exists() {
        fs::remove_dir(FREEZER).unwrap();
    }
}

/// Runs the arena once.
pub(crate) fn run(scenario: Scenario, killer: Killer, large: u64) -> Run {
    let folder = env::temp_dir().join(format!(
        "exithand-arena-{}-{}",
        scenario.word(),
        killer.word()
    ));
    fs::create_dir_all(&folder).unwrap();
    let parts = scenario.parts(large).into_iter();
    let mut players: Vec<Player> = parts.map(Player::start).collect();
    let frozen = players.iter().find(|it| it.part.manner == Manner::Frozen);
    let freezer = frozen.map(|it| Freezer::freeze(it.id()));
    let level_mib = available_mib() - scenario.margin(large);
    let back_mib = scenario.comes_back(large) / 2;
    // The others go by what the kernel calls available.
    let theirs = if killer == Killer::Exithand {
        level_mib
    } else {
        plain_available_mib() - scenario.margin(large)
    };
    let levels = Levels {
        level_mib: theirs,
        back_mib,
        cgroup: None,
    };
    let daemon = killer.start(&levels, &folder);
    let pid = daemon.pid.unwrap();
    // It has settled once it waits for something.
    settle(pid);
    let (before, stalled) = (cost_of(pid), stalled_us());
    for player in &mut players {
        player.go();
    }
    let wanted = Wanted {
        level_mib,
        back_mib,
        deaths: 1,
        longest: LONGEST,
    };
    let seen = watch(&mut players, available_mib, &wanted);
    let stalled_us = stalled_us() - stalled;
    let cost = cost_of(pid).since(before);
    daemon.end();
    drop(freezer);
    for player in players
        .iter_mut()
        .filter(|it| it.part.manner == Manner::Frozen)
    {
        player.ends_once_thawed();
    }
    Run {
        stalled_us,
        cost,
        ..Run::new(&players, seen, scenario.enough(large))
    }
}
