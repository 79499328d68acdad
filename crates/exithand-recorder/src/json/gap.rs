//! Where records may be missing, as one line.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{JsonError, parse_time, rfc3339, write_json};
use crate::{Gap, LossCause};

/// A gap as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapLine {
    v: u8,
    gap: bool,
    from: String,
    to: String,
    lost: Option<u64>,
    cause: String,
}

impl GapLine {
    /// Writes a gap.
    pub fn new(gap: &Gap) -> Self {
        Self {
            v: 1,
            gap: true,
            from: rfc3339(gap.from),
            to: rfc3339(gap.to),
            lost: gap.lost,
            cause: gap.cause.as_str().to_owned(),
        }
    }

    /// Reads the gap.
    ///
    /// # Errors
    ///
    /// [`JsonError::Version`] and [`JsonError::Field`] for what another program wrote.
    pub fn to_gap(&self) -> Result<Gap, JsonError> {
        if self.v != 1 {
            return Err(JsonError::Version(self.v));
        }
        let time = |field, text: &str| parse_time(text).ok_or(JsonError::field(field, text));
        Ok(Gap {
            from: time("from", &self.from)?,
            to: time("to", &self.to)?,
            lost: self.lost,
            cause: LossCause::from_word(&self.cause)
                .ok_or_else(|| JsonError::field("cause", &self.cause))?,
        })
    }
}

impl fmt::Display for GapLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_json(f, self)
    }
}
