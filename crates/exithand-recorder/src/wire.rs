//! What goes over the recorder's socket: one JSON object a line, both ways.
//!
//! `docs/recorder-protocol.md` describes it for those who write their own client.

use exithand::Token;
use serde::{Deserialize, Serialize};

use crate::json::{Line, parse_time, readable, rfc3339};
use crate::kept::chain;
use crate::{Filter, HistoryError, Query, StatsQuery, Tally, WallTime};

/// The longest request, in bytes, its line feed included.
pub const REQUEST_MAX_BYTES: usize = 64 * 1024;

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Request {
    /// How one process ended.
    Outcome {
        /// Its token.
        token: String,
        /// When to answer.
        #[serde(default)]
        when: When,
    },
    /// Records.
    Query(Query),
    /// Counts.
    Stats(StatsQuery),
    /// Records from now on.
    Subscribe {
        /// Which.
        #[serde(default)]
        filter: Filter,
    },
    /// How the recorder fares.
    Status,
}

/// When to answer how a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// At once.
    #[default]
    Now,
    /// When it has ended.
    Ended,
}

/// The last line of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The version, 1.
    pub v: u8,
    /// What was asked for: the word of `do`.
    pub done: String,
    /// Where to go on for more records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// When the oldest record there is was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
}

impl Done {
    /// Ends the answer to a request of this kind.
    pub fn of(kind: &str) -> Self {
        Self {
            v: 1,
            done: kind.to_owned(),
            next: None,
            oldest: None,
        }
    }

    /// Says when the oldest record there is was made.
    #[must_use]
    pub fn with_oldest(self, oldest: Option<WallTime>) -> Self {
        Self {
            oldest: oldest.map(rfc3339),
            ..self
        }
    }
}

/// The last line where there is no answer, or no more of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The version, 1.
    pub v: u8,
    /// Which kind of refusal, for programs.
    pub error: Kind,
    /// The same for people.
    pub message: String,
    /// How many records a subscriber missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The request is malformed.
    Request,
    /// The caller may not know.
    Denied,
    /// The process has not ended, or not been reaped where only that makes its outcome known.
    NotYet,
    /// There is no record of the process.
    NoRecord,
    /// Too many clients.
    Busy,
    /// The subscriber did not keep up.
    TooSlow,
    /// The history cannot be read.
    History,
    /// The recorder ends.
    Ending,
    /// Something that this version does not know.
    #[serde(other)]
    Other,
}

impl Refusal {
    /// Says why there is no answer.
    pub fn new(error: Kind, message: impl Into<String>) -> Self {
        Self {
            v: 1,
            error,
            message: message.into(),
            missed: None,
        }
    }

    /// Says that the history cannot be read.
    pub(crate) fn of_history(error: &HistoryError) -> Self {
        Self::new(Kind::History, chain(error))
    }
}

/// One line of counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TallyLine {
    v: u8,
    start: Option<String>,
    group: Option<String>,
    exits: u64,
    failed: u64,
    oom_kills: u64,
}

impl TallyLine {
    /// Writes a count.
    pub fn new(tally: &Tally) -> Self {
        Self {
            v: 1,
            start: tally.start.map(rfc3339),
            group: tally.group.as_deref().map(readable),
            exits: tally.exits,
            failed: tally.failed,
            oom_kills: tally.oom,
        }
    }

    /// Reads the count.
    pub fn to_tally(&self) -> Tally {
        Tally {
            start: self.start.as_deref().and_then(parse_time),
            group: self.group.as_ref().map(Into::into),
            exits: self.exits,
            failed: self.failed,
            oom: self.oom_kills,
        }
    }
}

/// How the recorder fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusLine {
    /// The version, 1.
    pub v: u8,
    /// Where it sees exits: `bpf`, `taskstats`, `proc-connector`.
    pub source: String,
    /// Since when, RFC 3339.
    pub since: String,
    /// How many exits it saw.
    pub exits: u64,
    /// How many it lost, by cause.
    pub lost: std::collections::BTreeMap<String, u64>,
    /// How many records are not in the store yet.
    pub pending: u64,
    /// What the store takes up, in bytes.
    pub store_bytes: u64,
    /// What is wrong with the store, if something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_error: Option<String>,
    /// How many subscribers were let go because they did not read.
    pub subscribers_too_slow: u64,
    /// How many clients are connected.
    pub clients: u64,
    /// Who may learn outcomes.
    pub status: String,
    /// Who may know details.
    pub details: String,
}

/// One line from the recorder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reply {
    /// The end of an answer that is none.
    Refusal(Refusal),
    /// The end of an answer.
    Done(Done),
    /// How the recorder fares.
    Status(StatusLine),
    /// A count.
    Tally(TallyLine),
    /// A record or a gap.
    Line(Line),
}

/// Reads a token of a request.
///
/// # Errors
///
/// Says how tokens look.
pub fn parse_token(text: &str) -> Result<Token, Refusal> {
    text.parse()
        .map_err(|error: exithand::ParseTokenError| Refusal::new(Kind::Request, error.to_string()))
}
