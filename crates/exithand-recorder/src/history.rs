//! Questions about processes that ended, and their answers.

use std::ffi::OsString;
use std::io;
use std::num::NonZeroU64;

use exithand::{Outcome, Token};
use serde::{Deserialize, Serialize};

use crate::store::StoreError;
use crate::{ExitRecord, Filter, Gap, WallTime};

/// How near a gap must be to a record to put it in doubt: a second, which is also what `why` looks
/// at for what else happened.
pub const VICINITY_NS: i64 = 1_000_000_000;

/// Somebody who remembers how processes ended: the store's file, or the recorder behind its socket.
pub trait History {
    /// Returns the records that are asked for, and the gaps that put the answer in doubt.
    ///
    /// # Errors
    ///
    /// Where the history cannot be read, or may not be.
    fn query(&self, query: &Query) -> Result<Answer, HistoryError>;

    /// Returns how this process ended; `None` where there is no record of it.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    fn outcome(&self, token: &Token) -> Result<Option<Outcome>, HistoryError>;

    /// Counts exits over time.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    fn stats(&self, query: &StatsQuery) -> Result<Stats, HistoryError>;
}

/// Which records, in which order, and how many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Which records.
    #[serde(default)]
    pub filter: Filter,
    /// Which come first.
    #[serde(default)]
    pub order: Order,
    /// How many at most.
    pub limit: u32,
    /// Goes on behind an earlier answer to the same question: its [`Answer::next`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// Which records come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The last recorded. That is the order of their ends, whatever the clock said.
    #[default]
    Newest,
    /// The first recorded.
    Oldest,
    /// Those that ran longest. What is not known comes last here and below; an answer in this order
    /// has no [`next`](Answer::next).
    Runtime,
    /// Those that used most CPU time.
    Cpu,
    /// Those that held most memory.
    Memory,
}

/// What there is to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The records, in the order asked for.
    pub records: Vec<ExitRecord>,
    /// The gaps that touch the stretch of time that was looked through, oldest first.
    ///
    /// That is the time asked for; where the limit cut the answer short, it ends at the last record
    /// of the answer (its vicinity included). So a gap that is newer than the newest match is there:
    /// a newer match may have been lost in it.
    pub gaps: Vec<Gap>,
    /// Where to go on for more; `None` where there are no more.
    pub next: Option<u64>,
    /// When the oldest record there is was made; nothing can be said of the time before.
    pub oldest: Option<WallTime>,
}

impl Answer {
    /// Says whether records may be missing around `record`: `gap` of the contract's section 8.
    pub fn has_gap_around(&self, record: &ExitRecord) -> bool {
        self.gaps.iter().any(|gap| gap.touches(record.ended))
    }
}

impl Gap {
    /// Says whether records may be missing within a second ([`VICINITY_NS`]) of the moment `ended`.
    ///
    /// A second because what goes on around an end (a service's other processes, the killer's own
    /// end) mostly happens within it.
    pub fn touches(&self, ended: WallTime) -> bool {
        self.overlaps(ended, ended)
    }

    /// Says whether records may be missing between the two moments, or within a second of them.
    pub fn overlaps(&self, first: WallTime, last: WallTime) -> bool {
        self.from.unix_ns.saturating_sub(VICINITY_NS) <= last.unix_ns
            && first.unix_ns <= self.to.unix_ns.saturating_add(VICINITY_NS)
    }
}

/// What to count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatsQuery {
    /// Which records.
    #[serde(default)]
    pub filter: Filter,
    /// What is counted together.
    pub by: GroupBy,
    /// How long each stretch of time is; the whole time is one where there is none. Stretches begin
    /// at multiples of it since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_ns: Option<NonZeroU64>,
}

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupBy {
    /// All.
    Nothing,
    /// Processes of one name.
    Name,
    /// Those of one systemd unit.
    Unit,
    /// Those of one container.
    Container,
    /// Those of one user; the key is the uid.
    User,
    /// Those that ended alike; the key is as the outcome prints, without reasons: `exited 3`,
    /// `killed 9 KILL`, `killed 11 SEGV core`, `unknown`.
    Outcome,
}

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// One for each stretch and group that has an exit; by time, then by count.
    pub tallies: Vec<Tally>,
    /// The gaps that touch the time asked for, oldest first.
    pub gaps: Vec<Gap>,
    /// When the oldest record there is was made.
    pub oldest: Option<WallTime>,
}

/// The exits of one group in one stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// When the stretch begins; `None` if it is the whole time.
    pub start: Option<WallTime>,
    /// The group; `None` for those that belong to none, and for [`GroupBy::Nothing`].
    pub group: Option<OsString>,
    /// How many ended.
    pub exits: u64,
    /// How many of them by a signal, or with an exit status that is not 0.
    pub failed: u64,
    /// How many of them the kernel killed for want of memory.
    pub oom: u64,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The store's file cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The recorder cannot be reached, or went away.
    #[error("ask the recorder")]
    Recorder(#[source] io::Error),
    /// The recorder refused, in its own words.
    #[error("the recorder says: {0}")]
    Refused(String),
}
