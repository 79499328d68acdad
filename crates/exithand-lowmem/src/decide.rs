//! The rule: whether somebody has to die now.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::choose::Need;
use crate::ledger::Ledger;
use crate::level::Level;
use crate::limit::Limiter;
use crate::policy::Policy;
use crate::reading::{Reclaim, Stall};

/// How memory stands at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sample {
    /// When, on a clock that never goes back.
    pub at: Duration,
    /// What can be had without swapping.
    pub available_bytes: u64,
    /// All swap.
    pub swap_total_bytes: u64,
    /// Free swap.
    pub swap_free_bytes: u64,
    /// The page cache.
    pub file_bytes: u64,
    /// The stall within the window; `None` where the kernel does not tell.
    pub stall: Option<Stall>,
    /// What reclaim did within the window.
    pub reclaim: Reclaim,
    /// How fast memory gets less, in bytes a second.
    pub fill_bytes: u64,
}

/// Why somebody has to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Memory is low, and there is no swap, or little left.
    LowMemory,
    /// Memory is low, and programs stall.
    Pressure,
    /// The page cache is read again and again.
    Thrashing,
    /// Memory is nearly gone, whatever is on its way back.
    Floor,
    /// A cgroup is near its limit.
    CgroupLimit,
}

impl Why {
    /// Says it in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::LowMemory => "memory is low",
            Self::Pressure => "memory is low and programs stall",
            Self::Thrashing => "the page cache thrashes",
            Self::Floor => "memory is nearly gone",
            Self::CgroupLimit => "a cgroup is near its limit",
        }
    }
}

/// How somebody dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Means {
    /// By `SIGTERM` first, if it handles that.
    Ask,
    /// By `SIGKILL`.
    Kill,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Rest,
    /// Somebody has to die.
    Kill {
        /// Why.
        why: Why,
        /// What is needed.
        need: Need,
        /// By which means.
        means: Means,
    },
    /// A victim that was asked has had its time, or there is none left.
    Escalate {
        /// Its slot.
        slot: usize,
    },
    /// Somebody would have to die, but too many have.
    Held {
        /// Until then.
        until: Duration,
    },
}

/// Returns memory as it will be once all victims have given back what they owe.
pub fn effective_bytes(sample: &Sample, ledger: &Ledger) -> u64 {
    sample.available_bytes.saturating_add(ledger.owed_bytes())
}

/// Returns the level that counts: low memory means nothing while there is swap and nobody stalls.
pub fn level(policy: &Policy, sample: &Sample, bytes: u64) -> (Level, Why) {
    let low = policy.levels.level(bytes);
    let stall = sample.stall.unwrap_or_default();
    let pressed = stall.some_us >= policy.some_us || stall.full_us >= policy.full_us;
    let exhausted = sample.swap_free_bytes <= policy.tuning.swap_low.of(sample.swap_total_bytes);
    match (exhausted, pressed) {
        (true, _) => (low, Why::LowMemory),
        (false, true) => (low, Why::Pressure),
        (false, false) => (low.min(Level::Warn), Why::LowMemory),
    }
}

/// Says whether the page cache thrashes: read again, with reclaim at work, and everybody stalls.
fn thrashes(policy: &Policy, sample: &Sample) -> bool {
    let Reclaim {
        refaulted_bytes,
        scanned_bytes,
    } = sample.reclaim;
    let stalled = sample
        .stall
        .is_some_and(|stall| stall.full_us >= policy.full_us);
    let limit = sample.file_bytes / 100 * u64::from(policy.tuning.thrashing_percent);
    stalled && scanned_bytes > 0 && refaulted_bytes > 0 && refaulted_bytes >= limit
}

/// Says what is to be done.
///
/// It goes by what is available *and what victims in flight still owe*. So nobody dies as long as
/// that is enough, however slowly it comes back; except at the floor of what is really there.
pub fn decide(policy: &Policy, sample: &Sample, ledger: &Ledger, limiter: &Limiter) -> Verdict {
    let effective = effective_bytes(sample, ledger);
    let (with_credit, reason) = level(policy, sample, effective);
    let (real, _) = level(policy, sample, sample.available_bytes);

    if let Some(slot) = ledger.find_overdue(sample.at) {
        return Verdict::Escalate { slot };
    }
    if real >= Level::Hard
        && let Some(slot) = ledger.find_asked()
    {
        return Verdict::Escalate { slot };
    }
    let in_flight = ledger.in_flight();
    let floor = real == Level::Floor && (in_flight == 0 || floor_again(policy, sample, ledger));
    let thrashing = in_flight == 0 && thrashes(policy, sample);
    let why = match with_credit {
        _ if floor => Why::Floor,
        Level::Soft | Level::Hard | Level::Floor => reason,
        Level::Calm | Level::Warn if thrashing => Why::Thrashing,
        Level::Calm | Level::Warn => return Verdict::Rest,
    };
    if in_flight >= policy.tuning.max_in_flight {
        return Verdict::Rest;
    }
    if let Some(until) = limiter.held_until(sample.at, policy.tuning.max_per_minute) {
        return Verdict::Held { until };
    }
    let gently = with_credit == Level::Soft && !floor;
    Verdict::Kill {
        why,
        need: need(policy, sample, effective, why),
        means: if gently { Means::Ask } else { Means::Kill },
    }
}

/// Says whether the floor is reason for one more: not while the last victim has only just been told.
fn floor_again(policy: &Policy, sample: &Sample, ledger: &Ledger) -> bool {
    let last = ledger.iter().map(|(_, victim)| victim.decided_at).max();
    last.is_none_or(|last| last.saturating_add(policy.tuning.base_deadline) <= sample.at)
}

/// Says how much has to come back: up to the target, and what will be taken meanwhile.
fn need(policy: &Policy, sample: &Sample, effective: u64, why: Why) -> Need {
    let missing = policy.levels.target_bytes.saturating_sub(effective);
    let deficit_bytes = match why {
        Why::Thrashing => missing.max(sample.reclaim.refaulted_bytes),
        _ => missing,
    };
    let horizon_ms = u64::try_from(policy.tuning.horizon.as_millis()).unwrap_or(u64::MAX);
    Need {
        deficit_bytes,
        growth_bytes: sample.fill_bytes.saturating_mul(horizon_ms) / 1000,
        horizon_ms,
        min_victim_bytes: policy.tuning.min_victim_bytes,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;
    use crate::ledger::tests::{ms, victim};
    use crate::ledger::{Stage, Victim};
    use crate::level::Levels;

    const MIB: u64 = 1 << 20;

    fn policy() -> Policy {
        Policy {
            levels: Levels {
                warn_bytes: 500 * MIB,
                soft_bytes: 400 * MIB,
                hard_bytes: 300 * MIB,
                floor_bytes: 100 * MIB,
                target_bytes: 600 * MIB,
            },
            ..Policy::new(&Config::default(), 16 << 30)
        }
    }

    fn sample(available_mib: u64) -> Sample {
        Sample {
            at: ms(1000),
            available_bytes: available_mib * MIB,
            file_bytes: 100 * MIB,
            ..Sample::default()
        }
    }

    fn with_swap(available_mib: u64) -> Sample {
        Sample {
            swap_total_bytes: 1000 * MIB,
            swap_free_bytes: 900 * MIB,
            ..sample(available_mib)
        }
    }

    fn stalled(sample: Sample) -> Sample {
        Sample {
            stall: Some(Stall {
                some_us: 500_000,
                full_us: 200_000,
            }),
            ..sample
        }
    }

    fn verdict(sample: &Sample, victims: &[Victim]) -> Verdict {
        let mut ledger = Ledger::new(1 << 30);
        for victim in victims {
            ledger.admit(*victim).unwrap();
        }
        decide(&policy(), sample, &ledger, &Limiter::default())
    }

    fn short(verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Rest => "rest",
            Verdict::Kill {
                means: Means::Ask, ..
            } => "ask",
            Verdict::Kill {
                why: Why::Floor, ..
            } => "floor",
            Verdict::Kill {
                why: Why::Thrashing,
                ..
            } => "thrashing",
            Verdict::Kill { .. } => "kill",
            Verdict::Escalate { .. } => "escalate",
            Verdict::Held { .. } => "held",
        }
    }

    #[test]
    fn decides_by_levels_swap_and_stall() {
        let thrash = Reclaim {
            refaulted_bytes: 200 * MIB,
            scanned_bytes: 1,
        };
        let idle_reclaim = Reclaim {
            scanned_bytes: 0,
            ..thrash
        };
        for (what, sample, expected) in [
            ("plenty", sample(600), "rest"),
            ("at warn", sample(450), "rest"),
            ("at soft", sample(350), "ask"),
            ("at hard", sample(250), "kill"),
            ("at the floor", sample(50), "floor"),
            ("swap is left, and nobody stalls", with_swap(50), "rest"),
            (
                "swap is left, and they stall",
                stalled(with_swap(250)),
                "kill",
            ),
            ("stall alone never kills", stalled(with_swap(600)), "rest"),
            ("nor without swap", stalled(sample(600)), "rest"),
            (
                "swap is nearly used up",
                Sample {
                    swap_free_bytes: 50 * MIB,
                    ..with_swap(250)
                },
                "kill",
            ),
            (
                "refaults and stall and reclaim",
                Sample {
                    reclaim: thrash,
                    ..stalled(sample(600))
                },
                "thrashing",
            ),
            (
                "refaults without stall",
                Sample {
                    reclaim: thrash,
                    ..sample(600)
                },
                "rest",
            ),
            (
                "refaults without reclaim",
                Sample {
                    reclaim: idle_reclaim,
                    ..stalled(sample(600))
                },
                "rest",
            ),
        ] {
            assert_eq!(short(verdict(&sample, &[])), expected, "{what}");
        }
    }

    #[test]
    fn waits_for_what_is_owed() {
        let fresh = |mib| Victim {
            decided_at: ms(990),
            ..victim(1, mib * MIB)
        };
        let asked = |until| Victim {
            stage: Stage::Asked { until: ms(until) },
            ..fresh(300)
        };
        let stuck = Victim {
            stuck: true,
            ..fresh(300)
        };
        let released = Victim {
            settled: true,
            ..fresh(300)
        };
        for (what, available, victims, expected) in [
            ("enough is on its way", 250, vec![fresh(300)], "rest"),
            ("too little is on its way", 250, vec![fresh(20)], "kill"),
            ("enough to be gentle", 250, vec![fresh(100)], "ask"),
            ("a stuck victim has no credit", 250, vec![stuck], "kill"),
            ("nor a released one", 250, vec![released], "kill"),
            ("just asked", 350, vec![asked(2000)], "rest"),
            ("its grace is over", 350, vec![asked(1000)], "escalate"),
            (
                "no time to ask any more",
                250,
                vec![asked(2000)],
                "escalate",
            ),
            ("the floor waits a moment", 50, vec![fresh(900)], "rest"),
            ("and no longer", 50, vec![victim(1, 900 * MIB)], "floor"),
        ] {
            assert_eq!(
                short(verdict(&sample(available), &victims)),
                expected,
                "{what}"
            );
        }
    }

    #[test]
    fn no_more_than_allowed_at_once_or_a_minute() {
        let many: Vec<_> = (1..=8).map(|pid| victim(pid, MIB)).collect();
        assert_eq!(short(verdict(&sample(250), &many)), "rest");
        let mut limiter = Limiter::default();
        for _ in 0..20 {
            let kill = crate::limit::Kill {
                name: crate::Name::new(b"x"),
                mark: 1,
                newest: 1,
            };
            limiter.killed(kill, ms(900), &policy());
        }
        let ledger = Ledger::new(1 << 30);
        let held = decide(&policy(), &sample(250), &ledger, &limiter);
        assert_eq!(short(held), "held");
    }

    #[test]
    fn needs_what_leads_to_the_target_and_what_is_taken_meanwhile() {
        let growing = Sample {
            fill_bytes: 100 * MIB,
            ..sample(250)
        };
        let Verdict::Kill { need, .. } = verdict(&growing, &[]) else {
            panic!("memory is low");
        };
        assert_eq!(need.deficit_bytes, 350 * MIB);
        assert_eq!(need.growth_bytes, 200 * MIB);
    }

    proptest! {
        #[test]
        fn nobody_dies_while_the_credit_covers_the_deficit(
            available in 100_u64..1000,
            sizes in prop::collection::vec(1_u64..500, 0..6),
            stall in 0_u64..1_000_000,
            swap in 0_u64..1000,
        ) {
            let victims: Vec<_> =
                (1..).zip(&sizes).map(|(pid, mib)| victim(pid, mib * MIB)).collect();
            let sample = Sample {
                swap_total_bytes: 1000 * MIB,
                swap_free_bytes: swap * MIB,
                stall: Some(Stall { some_us: stall, full_us: stall / 2 }),
                ..sample(available)
            };
            let verdict = verdict(&sample, &victims);
            if available + sizes.iter().sum::<u64>() >= 400 {
                prop_assert_eq!(verdict, Verdict::Rest);
            }
        }
    }
}
