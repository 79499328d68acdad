//! Who is in the arena.

use exithand_benches::arena::{BYSTANDER, Manner, Part};

/// A course of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    OneHog,
    Background,
    BackgroundBusy,
    TwoHogs,
    IgnoresTerm,
    Frozen,
    Bomb,
    SharedMemory,
    PidStorm,
    ManySmall,
}

/// A large one that nobody needs.
fn victim(large: u64, manner: Manner) -> Part {
    Part {
        name: "victim",
        mib: large,
        threads: 8,
        adj: 600,
        nice: 19,
        should_die: true,
        manner,
        ..BYSTANDER
    }
}

/// One that grows to `large` MiB, all there is.
fn hog(large: u64) -> Part {
    Part {
        name: "hog",
        mib: large / 20,
        grows_to: large,
        should_die: true,
        ..BYSTANDER
    }
}

impl Scenario {
    pub(crate) const ALL: [Self; 10] = [
        Self::OneHog,
        Self::Background,
        Self::BackgroundBusy,
        Self::TwoHogs,
        Self::IgnoresTerm,
        Self::Frozen,
        Self::Bomb,
        Self::SharedMemory,
        Self::PidStorm,
        Self::ManySmall,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::OneHog => "A",
            Self::Background => "B",
            Self::BackgroundBusy => "C",
            Self::TwoHogs => "D",
            Self::IgnoresTerm => "E",
            Self::Frozen => "F",
            Self::Bomb => "G",
            Self::SharedMemory => "H",
            Self::PidStorm => "I",
            Self::ManySmall => "J",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::OneHog => "A one growing hog",
            Self::Background => "B background victim, foreground grows",
            Self::BackgroundBusy => "C the same, busy CPUs",
            Self::TwoHogs => "D two hogs at once",
            Self::IgnoresTerm => "E victim that handles SIGTERM in vain",
            Self::Frozen => "F frozen victim",
            Self::Bomb => "G bomb of children",
            Self::SharedMemory => "H two processes with one memory",
            Self::PidStorm => "I pids come round quickly",
            Self::ManySmall => "J many small ones",
        }
    }

    /// The fewest deaths that cover what is needed in the end; whoever makes children has as many as
    /// it likes.
    pub(crate) fn enough(self, large: u64) -> u64 {
        let parts = self.parts(large);
        let grown: u64 = parts
            .iter()
            .map(|it| it.grows_to.saturating_sub(it.mib))
            .sum();
        match self {
            Self::ManySmall => {
                let needed = grown - self.margin(large) + self.comes_back(large) / 2;
                needed.div_ceil(large / 10)
            }
            Self::Bomb => u64::MAX,
            _ => 1,
        }
    }

    /// All processes, sized around a large one of `large` MiB.
    pub(crate) fn parts(self, large: u64) -> Vec<Part> {
        let mut parts = vec![
            Part {
                mib: large / 20,
                ..BYSTANDER
            };
            6
        ];
        parts.extend(self.actors(large));
        parts
    }

    /// Those that make the scenario what it is.
    fn actors(self, large: u64) -> Vec<Part> {
        let foreground = Part {
            name: "foreground",
            mib: large / 20,
            grows_to: large / 4,
            ..BYSTANDER
        };
        let against = |manner| vec![victim(large, manner), foreground.clone()];
        let beside = |others: usize, manner| {
            let one = Part {
                name: "other",
                manner,
                ..BYSTANDER
            };
            let mut parts = against(Manner::Plain);
            parts.extend(vec![one; others]);
            parts
        };
        match self {
            Self::OneHog => vec![hog(large)],
            Self::TwoHogs => vec![hog(large / 2), hog(large / 2)],
            Self::Background => against(Manner::Plain),
            Self::BackgroundBusy => beside(4, Manner::Spins),
            Self::PidStorm => beside(2, Manner::Storms),
            Self::IgnoresTerm => against(Manner::HandlesTerm),
            Self::Frozen => against(Manner::Frozen),
            Self::SharedMemory => against(Manner::SharesMemory),
            Self::Bomb => vec![Part {
                mib: 1,
                manner: Manner::Bombs,
                ..hog(large)
            }],
            Self::ManySmall => {
                let one = Part {
                    name: "small",
                    mib: large / 10,
                    adj: 600,
                    should_die: true,
                    ..BYSTANDER
                };
                let mut parts = vec![one; 8];
                parts.push(foreground);
                parts
            }
        }
    }

    /// How far below the start the level lies, in MiB: crossed while somebody grows.
    pub(crate) fn margin(self, large: u64) -> u64 {
        match self {
            Self::OneHog | Self::TwoHogs | Self::Bomb => large / 2,
            _ => large / 10,
        }
    }

    /// How much has to come back, in MiB.
    pub(crate) fn comes_back(self, large: u64) -> u64 {
        match self {
            Self::OneHog => large / 4,
            Self::TwoHogs => large / 8,
            Self::ManySmall => large / 16,
            _ => large / 2,
        }
    }
}
