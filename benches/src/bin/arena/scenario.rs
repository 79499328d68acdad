//! What happens in a machine of 512 MiB.

use std::fs;
use std::path::{Path, PathBuf};

use exithand_benches::arena::{BYSTANDER, Limit, Part};

use crate::stage::Stage;

/// So much is to stay available, in MiB.
pub(crate) const LEVEL_MIB: u64 = 64;
/// Memory is back with so much more than that.
pub(crate) const BACK_MIB: u64 = 48;
/// A cgroup's limit.
const LIMIT_MIB: u64 = 160;
/// The share of it that is to stay available.
const PERCENT: u64 = 20;
/// Who grows through everything grows by so much more than there is.
const BEYOND_MIB: u64 = 80;

/// A course of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    Hog,
    Background,
    Limit,
    Unit,
    UnitAtLimit,
}

/// Who takes part.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) parts: Vec<Part>,
    /// The cgroup in which memory runs out, if it is not the machine.
    pub(crate) limit: Option<Limit>,
}

impl Cast {
    /// So many deaths are needed.
    pub(crate) fn deaths(&self) -> usize {
        self.parts.iter().filter(|it| it.should_die).count()
    }
}

impl Scenario {
    pub(crate) const ALL: [Self; 5] = [
        Self::Hog,
        Self::Background,
        Self::Limit,
        Self::Unit,
        Self::UnitAtLimit,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Hog => "a",
            Self::Background => "b",
            Self::Limit => "c",
            Self::Unit => "d",
            Self::UnitAtLimit => "e",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Hog => "a one hog through everything",
            Self::Background => "b background victim, foreground grows",
            Self::Limit => "c hog in a cgroup with a limit",
            Self::Unit => "d unit with memory.oom.group, machine full",
            Self::UnitAtLimit => "e unit with memory.oom.group, at its limit",
        }
    }

    /// Makes the cgroups, and says who lives where. `available_mib` is what all can take together.
    pub(crate) fn cast(self, stage: &Stage, available_mib: u64) -> Cast {
        let mut parts: Vec<Part> = (0..4)
            .map(|number| Part {
                mib: 20,
                cgroup: Some(stage.cgroup(&format!("bystander-{number}"))),
                ..BYSTANDER
            })
            .collect();
        let mut limit = None;
        let alone = |name: &'static str| Part {
            name,
            cgroup: Some(stage.cgroup(name)),
            ..BYSTANDER
        };
        match self {
            Self::Hog => parts.push(Part {
                mib: 10,
                grows_to: available_mib + BEYOND_MIB,
                should_die: true,
                ..alone("hog")
            }),
            Self::Background => {
                parts.push(Part {
                    mib: 200,
                    threads: 8,
                    adj: 600,
                    nice: 19,
                    should_die: true,
                    ..alone("victim")
                });
                let taken: u64 = parts.iter().map(|it| it.mib).sum();
                parts.push(Part {
                    mib: 10,
                    grows_to: available_mib.saturating_sub(taken) + BEYOND_MIB,
                    ..alone("foreground")
                });
            }
            Self::Limit => {
                let unit = stage.cgroup("box");
                parts.extend(members(&unit, LIMIT_MIB + BEYOND_MIB, false));
                limit = Some(limited(unit));
            }
            Self::Unit => {
                let unit = as_one(stage.cgroup("unit"));
                parts.extend(members(&unit, available_mib + BEYOND_MIB, true));
            }
            Self::UnitAtLimit => {
                let unit = as_one(stage.cgroup("unit"));
                parts.extend(members(&unit, LIMIT_MIB + BEYOND_MIB, true));
                limit = Some(limited(unit));
            }
        }
        Cast { parts, limit }
    }
}

/// A hog and two others in one cgroup.
fn members(cgroup: &Path, grows_to: u64, all_should_die: bool) -> Vec<Part> {
    let member = Part {
        name: "member",
        mib: 20,
        should_die: all_should_die,
        cgroup: Some(cgroup.to_owned()),
        ..BYSTANDER
    };
    let hog = Part {
        name: "hog",
        mib: 10,
        grows_to,
        should_die: true,
        ..member.clone()
    };
    vec![member.clone(), member, hog]
}

fn limited(directory: PathBuf) -> Limit {
    let limit = (LIMIT_MIB << 20).to_string();
    fs::write(directory.join("memory.max"), limit).unwrap();
    // Or else it would run into its limit only once all swap is full.
    fs::write(directory.join("memory.swap.max"), "0").unwrap();
    Limit {
        directory,
        limit_mib: LIMIT_MIB,
        percent: PERCENT,
    }
}

fn as_one(directory: PathBuf) -> PathBuf {
    fs::write(directory.join("memory.oom.group"), "1").unwrap();
    directory
}
