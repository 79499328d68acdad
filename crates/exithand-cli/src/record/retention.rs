//! How much is kept, as people type it: `14`, `512MiB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A number of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(u32);

impl From<Days> for Duration {
    fn from(days: Days) -> Self {
        Self::from_hours(24 * u64::from(days.0))
    }
}

/// The text is no number of days.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no number of days: write a whole number from 1 on, such as 14")]
pub struct ParseDaysError(String);

impl FromStr for Days {
    type Err = ParseDaysError;

    fn from_str(text: &str) -> Result<Self, ParseDaysError> {
        match text.strip_suffix('d').unwrap_or(text).parse() {
            Ok(days) if days > 0 => Ok(Self(days)),
            _ => Err(ParseDaysError(text.to_owned())),
        }
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(u64);

impl Size {
    /// The units, from the largest on.
    const UNITS: [(&'static str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];

    /// Returns the number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

/// The text is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no size: write a whole number and KiB, MiB or GiB, such as 512MiB")]
pub struct ParseSizeError(String);

impl FromStr for Size {
    type Err = ParseSizeError;

    /// Reads a number and a unit; `K`, `M` and `G` will do.
    fn from_str(text: &str) -> Result<Self, ParseSizeError> {
        let digits = text.trim_end_matches(|it: char| it.is_ascii_alphabetic());
        let unit = text.get(digits.len()..).unwrap_or_default();
        let is_unit = |name: &str| name == unit || name.strip_suffix("iB") == Some(unit);
        let shift = Self::UNITS.iter().find(|(name, _)| is_unit(name));
        let number = digits.parse::<u64>().ok().filter(|number| *number > 0);
        let bytes = number
            .zip(shift)
            .and_then(|(number, (_, shift))| number.checked_mul(1_u64 << shift));
        bytes
            .map(Self)
            .ok_or_else(|| ParseSizeError(text.to_owned()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, shift): &&(&str, u32)| self.0.is_multiple_of(1 << shift);
        match Self::UNITS.iter().find(fits) {
            Some((unit, shift)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_printed() {
        for (text, bytes) in [("512MiB", 512 << 20), ("1GiB", 1 << 30), ("5KiB", 5120)] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, text));
        }
        assert_eq!("2G".parse::<Size>().unwrap().bytes(), 2 << 30);
        for text in [
            "",
            "5",
            "MiB",
            "0MiB",
            "-5M",
            "5MB",
            "5 M",
            "99999999999999G",
        ] {
            assert!(text.parse::<Size>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn days_are_whole_and_some() {
        assert_eq!(
            Duration::from("14".parse::<Days>().unwrap()).as_secs(),
            1_209_600
        );
        assert_eq!("7d".parse::<Days>(), Ok(Days(7)));
        for text in ["", "0", "-1", "1.5", "two"] {
            assert!(text.parse::<Days>().is_err(), "{text:?}");
        }
    }
}
