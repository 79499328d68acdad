//! What would happen now, without doing it.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Settings;
use super::clock::now;
use super::eyes::Eyes;
use super::scan::{ROOM, Scanner};
use crate::candidate::{Candidate, newest_mark};
use crate::choose::{Need, Ranking, rank};
use crate::config::Config;
use crate::decide::{Sample, Verdict, decide, level};
use crate::family::{self, Turn, turn};
use crate::ledger::{self, Ledger};
use crate::level::{Level, Levels};
use crate::limit::{Kill, Limiter};

/// Memory and processes at one moment: what a decision is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    /// All memory of the machine.
    pub total_bytes: u64,
    /// How memory stands.
    pub sample: Sample,
    /// Who may be killed, and who is spared.
    pub candidates: Vec<Candidate>,
}

/// Takes a snapshot.
///
/// # Errors
///
/// `/proc` cannot be read.
pub fn snapshot(config: &Config) -> io::Result<Snapshot> {
    let mut eyes = Eyes::of_machine(config.psi_window)?;
    let total_bytes = eyes.total_bytes()?;
    let settings = Settings::new(config, total_bytes);
    let mut scanner = Scanner::new(None, ROOM)?;
    let sample = eyes.look(now(), u64::MAX)?;
    scanner.scan(&settings, sample.at);
    Ok(Snapshot {
        total_bytes,
        sample,
        candidates: scanner.table,
    })
}

/// What the rule says of a snapshot.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The levels of this machine.
    pub levels: Levels,
    /// The level that memory is at.
    pub level: Level,
    /// What is to be done now.
    pub verdict: Verdict,
    /// What would have to come back, were memory just below the hard level.
    pub need: Need,
    /// Who would die first then.
    pub ranking: Ranking,
}

/// Applies the rule to a snapshot with nobody in flight.
pub fn explain(config: &Config, snapshot: &Snapshot) -> Explanation {
    let settings = Settings::new(config, snapshot.total_bytes);
    let policy = &settings.policy;
    let ledger = Ledger::new(policy.tuning.rate_bytes);
    let limiter = Limiter::default();
    let verdict = decide(policy, &snapshot.sample, &ledger, &limiter);
    let (level, _) = level(policy, &snapshot.sample, snapshot.sample.available_bytes);
    let need = match verdict {
        Verdict::Kill { need, .. } => need,
        _ => Need {
            deficit_bytes: policy
                .levels
                .target_bytes
                .saturating_sub(policy.levels.hard_bytes),
            growth_bytes: 0,
            horizon_ms: u64::try_from(policy.tuning.horizon.as_millis()).unwrap_or(u64::MAX),
            min_victim_bytes: policy.tuning.min_victim_bytes,
        },
    };
    Explanation {
        levels: policy.levels,
        level,
        verdict,
        need,
        ranking: rank(&snapshot.candidates, &need),
    }
}

/// Replays snapshots one after the other through the same rule, as if every victim died at once and
/// gave back what was expected. Tells each decision to `tell`: the time, the verdict, the victim.
pub fn simulate(
    config: &Config,
    snapshots: impl IntoIterator<Item = Snapshot>,
    mut tell: impl FnMut(Duration, &Verdict, &Candidate),
) {
    let mut limiter = Limiter::default();
    let mut dead: Vec<Candidate> = Vec::new();
    for mut snapshot in snapshots {
        let settings = Settings::new(config, snapshot.total_bytes);
        let ledger = Ledger::new(settings.policy.tuning.rate_bytes);
        // Whoever would be dead by now holds no memory.
        let is_dead = |it: &Candidate| dead.iter().any(|dead| dead.identity == it.identity);
        let newest = newest_mark(&snapshot.candidates);
        let back = snapshot.candidates.iter().filter(|it| is_dead(it));
        let back = back.fold(0_u64, |sum, it| sum.saturating_add(it.memory_bytes));
        snapshot.candidates.retain(|it| !is_dead(it));
        snapshot.sample.available_bytes = snapshot.sample.available_bytes.saturating_add(back);
        loop {
            let verdict = decide(&settings.policy, &snapshot.sample, &ledger, &limiter);
            let Verdict::Kill { why, need, .. } = verdict else {
                break;
            };
            let Some(chosen) = rank(&snapshot.candidates, &need).first() else {
                break;
            };
            let at = snapshot.sample.at;
            let left_alone = limiter.left_alone(snapshot.candidates[chosen].name, at);
            let head = match turn(&snapshot.candidates, chosen, left_alone, why) {
                Turn::Chosen => None,
                Turn::Family { head } => Some(head),
                Turn::Nobody { .. } => break,
            };
            let victim = snapshot.candidates[head.unwrap_or(chosen)];
            tell(at, &verdict, &victim);
            let kill = Kill {
                name: victim.name,
                mark: victim.identity.mark,
                newest,
            };
            limiter.killed(kill, at, &settings.policy);
            let mut dying = vec![victim];
            if let Some(head) = head {
                let mut members = [0; ledger::ROOM];
                let count = family::members(&snapshot.candidates, head, &mut members);
                dying.extend(members[..count].iter().map(|it| snapshot.candidates[*it]));
                limiter.forgive(victim.name);
            }
            snapshot.candidates.retain(|it| !dying.contains(it));
            let back: u64 = dying.iter().map(|it| it.memory_bytes).sum();
            let available = &mut snapshot.sample.available_bytes;
            *available = available.saturating_add(back);
            dead.extend(dying);
        }
    }
}
