//! Who is in the arena.

/// A course of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    OneHog,
    Background,
    BackgroundBusy,
    TwoHogs,
    IgnoresTerm,
    Frozen,
    ManySmall,
}

/// One process.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) mib: u64,
    /// How much it grows to once the arena begins; less than `mib` is not at all.
    pub(crate) grows_to: u64,
    pub(crate) threads: u32,
    pub(crate) adj: i32,
    pub(crate) nice: i32,
    /// Whether it is one of those that should die.
    pub(crate) should_die: bool,
    pub(crate) manner: Manner,
}

/// How it takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Plain,
    HandlesTerm,
    Frozen,
    Spins,
}

impl Manner {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Plain | Self::Frozen => "plain",
            Self::HandlesTerm => "handles-term",
            Self::Spins => "spins",
        }
    }
}

const BYSTANDER: Part = Part {
    mib: 0,
    grows_to: 0,
    threads: 0,
    adj: 0,
    nice: 0,
    should_die: false,
    manner: Manner::Plain,
};

impl Scenario {
    pub(crate) const ALL: [Self; 7] = [
        Self::OneHog,
        Self::Background,
        Self::BackgroundBusy,
        Self::TwoHogs,
        Self::IgnoresTerm,
        Self::Frozen,
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
            Self::ManySmall => "J many small ones",
        }
    }

    /// How many deaths are enough.
    pub(crate) fn enough(self) -> i64 {
        if self == Self::ManySmall { 3 } else { 1 }
    }

    /// All processes, sized around a large one of `large` MiB.
    pub(crate) fn parts(self, large: u64) -> Vec<Part> {
        let small = Part {
            mib: large / 20,
            ..BYSTANDER
        };
        let victim = Part {
            mib: large,
            threads: 8,
            adj: 600,
            nice: 19,
            should_die: true,
            ..BYSTANDER
        };
        let foreground = Part {
            mib: large / 20,
            grows_to: large / 4,
            ..BYSTANDER
        };
        let hog = Part {
            mib: large / 20,
            grows_to: large,
            should_die: true,
            ..BYSTANDER
        };
        let mut parts = vec![small; 6];
        match self {
            Self::OneHog => parts.push(hog),
            Self::Background => parts.extend([victim, foreground]),
            Self::BackgroundBusy => {
                parts.extend([victim, foreground]);
                parts.extend(vec![
                    Part {
                        manner: Manner::Spins,
                        ..BYSTANDER
                    };
                    4
                ]);
            }
            Self::TwoHogs => {
                let half = Part {
                    grows_to: large / 2,
                    ..hog
                };
                parts.extend([half.clone(), half]);
            }
            Self::IgnoresTerm => {
                parts.push(Part {
                    manner: Manner::HandlesTerm,
                    ..victim
                });
                parts.push(foreground);
            }
            Self::Frozen => {
                parts.push(Part {
                    manner: Manner::Frozen,
                    ..victim
                });
                parts.push(foreground);
            }
            Self::ManySmall => {
                let one = Part {
                    mib: large / 10,
                    adj: 600,
                    should_die: true,
                    ..BYSTANDER
                };
                parts.extend(vec![one; 8]);
                parts.push(foreground);
            }
        }
        parts
    }

    /// How far below the start the level lies, in MiB: crossed while somebody grows.
    pub(crate) fn margin(self, large: u64) -> u64 {
        match self {
            Self::OneHog | Self::TwoHogs => large / 2,
            _ => large / 10,
        }
    }

    /// How much has to come back, in MiB.
    pub(crate) fn comes_back(self, large: u64) -> u64 {
        match self {
            Self::ManySmall | Self::OneHog => large / 4,
            Self::TwoHogs => large / 8,
            _ => large / 2,
        }
    }
}
