//! Records and gaps as JSON: one flat object a line, with the fields of the contract's section 8.
//!
//! ```
//! use exithand_recorder::json::{Line, RecordLine};
//!
//! let text = r#"{"v":1,"pid":42,"token":"42:7","comm":"make","outcome":"exited","status":2,
//!     "ended":"2026-03-01T12:00:00.000000001Z"}"#;
//! let Line::Record(line) = text.parse()? else { panic!() };
//! let record = line.to_record()?;
//! assert_eq!(record.outcome.to_string(), "exited 2");
//! assert!(RecordLine::new(&record).to_string().contains(r#""ended":"2026-03-01T12:00:00.000000001Z""#));
//! # Ok::<(), exithand_recorder::json::JsonError>(())
//! ```

mod gap;
mod record;
mod text;
mod time;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Gap;

pub use gap::GapLine;
pub use record::{KillerLine, LinkLine, RecordLine, outcome_word};
pub use text::readable;
pub use time::{parse_time, rfc3339};

/// The text is no line of the recorder's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// No JSON, or a field of another kind than this version knows.
    #[error("this is no line of exithand's JSON")]
    Form(#[from] serde_json::Error),
    /// The line is of another version.
    #[error(
        "the line is of version {0}, and this exithand reads version 1: use the same version on both sides"
    )]
    Version(u8),
    /// A line that has no place there.
    #[error("this line of exithand's JSON does not belong here")]
    Unexpected,
    /// A field says something that cannot be.
    #[error("the field {field:?} says {text:?}, which makes no sense there")]
    Field {
        /// The field.
        field: &'static str,
        /// What it says.
        text: String,
    },
}

impl JsonError {
    fn field(field: &'static str, text: impl fmt::Display) -> Self {
        Self::Field {
            field,
            text: text.to_string(),
        }
    }
}

/// One line: a record, or a gap between records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// How a process ended; has a `token`.
    Record(Box<RecordLine>),
    /// Where records may be missing; has a `cause`, and no `token`.
    Gap(GapLine),
}

impl From<&Gap> for Line {
    fn from(gap: &Gap) -> Self {
        Self::Gap(GapLine::new(gap))
    }
}

impl FromStr for Line {
    type Err = JsonError;

    fn from_str(text: &str) -> Result<Self, JsonError> {
        Ok(serde_json::from_str(text)?)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(line) => line.fmt(f),
            Self::Gap(line) => line.fmt(f),
        }
    }
}

/// Writes a value that serializes without error.
fn write_json(f: &mut fmt::Formatter<'_>, value: &impl Serialize) -> fmt::Result {
    let text = serde_json::to_string(value).map_err(|_none_of_our_types_fails| fmt::Error)?;
    f.write_str(&text)
}
