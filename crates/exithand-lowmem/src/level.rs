//! Levels of memory, from comfort to the floor.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An amount of memory: a share of the machine's, a size, or the smaller of both.
///
/// Written as `4%`, `512M` or `4% or 1G`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Amount {
    /// Thousandths of all memory.
    permille: Option<u32>,
    /// Bytes.
    most_bytes: Option<u64>,
}

impl Amount {
    /// Makes an amount from thousandths of all memory, and no more than so many MiB.
    pub const fn share(permille: u32, most_mib: u64) -> Self {
        Self {
            permille: Some(permille),
            most_bytes: Some(most_mib << 20),
        }
    }

    /// Makes an amount of so many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self {
            permille: None,
            most_bytes: Some(bytes),
        }
    }

    /// Returns the bytes it comes to on a machine with `total_bytes`.
    pub fn of(self, total_bytes: u64) -> u64 {
        let share = self
            .permille
            .map(|permille| total_bytes / 1000 * u64::from(permille));
        let most = self.most_bytes.unwrap_or(u64::MAX);
        share.unwrap_or(u64::MAX).min(most)
    }
}

/// The text is no amount of memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no amount of memory: write for example \"4%\", \"512M\" or \"4% or 1G\"")]
pub struct ParseAmountError(String);

impl FromStr for Amount {
    type Err = ParseAmountError;

    fn from_str(text: &str) -> Result<Self, ParseAmountError> {
        let fail = || ParseAmountError(text.to_owned());
        let mut amount = Self {
            permille: None,
            most_bytes: None,
        };
        for part in text.split(" or ") {
            let part = part.trim();
            match part.strip_suffix('%') {
                Some(number) if amount.permille.is_none() => {
                    amount.permille = Some(permille(number).ok_or_else(fail)?);
                }
                None if amount.most_bytes.is_none() => {
                    amount.most_bytes = Some(size(part).ok_or_else(fail)?);
                }
                _ => return Err(fail()),
            }
        }
        Ok(amount)
    }
}

/// Reads `4` or `2.5` as thousandths.
fn permille(number: &str) -> Option<u32> {
    let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
    let (whole, tenth): (u32, u32) = (whole.parse().ok()?, tenth.parse().ok()?);
    let value = whole.checked_mul(10)?.checked_add(tenth)?;
    (tenth < 10 && value <= 1000).then_some(value)
}

/// Reads `512M`: a number and a binary unit.
pub(crate) fn size(text: &str) -> Option<u64> {
    const UNITS: [(char, u32); 4] = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let text = text.strip_suffix("iB").unwrap_or(text);
    let unit = UNITS.iter().find(|(letter, _)| text.ends_with(*letter));
    let (number, shift) = match unit {
        Some((letter, shift)) => (text.strip_suffix(*letter)?, *shift),
        None => (text, 0),
    };
    let number: u64 = number.trim_end().parse().ok()?;
    number.checked_mul(1 << shift)
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.permille, self.most_bytes) {
            (Some(permille), most) => {
                write!(f, "{}", permille / 10)?;
                if !permille.is_multiple_of(10) {
                    write!(f, ".{}", permille % 10)?;
                }
                f.write_str("%")?;
                most.map_or(Ok(()), |most| write!(f, " or {}", Size(most)))
            }
            (None, most) => write!(f, "{}", Size(most.unwrap_or(0))),
        }
    }
}

/// Prints bytes in the largest unit that is exact.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = *self;
        for (shift, unit) in [(40, "T"), (30, "G"), (20, "M"), (10, "K")] {
            if bytes >= 1 << shift && bytes.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", bytes >> shift);
            }
        }
        write!(f, "{bytes}")
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing to do.
    #[default]
    Calm,
    /// Hooks are told.
    Warn,
    /// Programs are asked to end.
    Soft,
    /// Programs are killed.
    Hard,
    /// Even victims in flight are waited for no more.
    Floor,
}

impl Level {
    /// Returns its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Warn => "warn",
            Self::Soft => "soft",
            Self::Hard => "hard",
            Self::Floor => "floor",
        }
    }
}

/// The levels of one machine: bytes of available memory below which each begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Levels {
    /// Where hooks are told.
    pub warn_bytes: u64,
    /// Where programs are asked to end.
    pub soft_bytes: u64,
    /// Where programs are killed.
    pub hard_bytes: u64,
    /// Where nobody is waited for.
    pub floor_bytes: u64,
    /// What a kill is to bring back at least.
    pub target_bytes: u64,
}

impl Levels {
    /// Returns the level that `bytes` of available memory are at.
    pub fn level(&self, bytes: u64) -> Level {
        match bytes {
            bytes if bytes < self.floor_bytes => Level::Floor,
            bytes if bytes < self.hard_bytes => Level::Hard,
            bytes if bytes < self.soft_bytes => Level::Soft,
            bytes if bytes < self.warn_bytes => Level::Warn,
            _ => Level::Calm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_come_to_the_smaller_of_both() {
        const GIB: u64 = 1 << 30;
        for (text, bytes) in [
            ("512M", 512 << 20),
            ("1G", GIB),
            ("1GiB", GIB),
            ("100", 100),
            ("5%", 100 * GIB / 1000 * 50),
            ("2.5%", 100 * GIB / 1000 * 25),
            ("5% or 1G", GIB),
            ("5% or 50G", 100 * GIB / 1000 * 50),
        ] {
            let amount: Amount = text.parse().unwrap();
            assert_eq!(amount.of(100 * GIB), bytes, "{text}");
            let again: Amount = amount.to_string().parse().unwrap();
            assert_eq!(again, amount, "{text} -> {amount}");
        }
    }

    #[test]
    fn refuses_what_is_no_amount() {
        for text in [
            "",
            "%",
            "101%",
            "-1",
            "5% or 6%",
            "1G or 2G",
            "1X",
            "4.55%",
            "99999999T",
        ] {
            let error = text.parse::<Amount>().unwrap_err();
            assert!(error.to_string().contains("512M"), "{text}");
        }
    }

    #[test]
    fn levels_begin_below_their_mark() {
        let levels = Levels {
            warn_bytes: 50,
            soft_bytes: 40,
            hard_bytes: 30,
            floor_bytes: 10,
            target_bytes: 60,
        };
        for (bytes, level) in [
            (50, Level::Calm),
            (49, Level::Warn),
            (39, Level::Soft),
            (29, Level::Hard),
            (10, Level::Hard),
            (9, Level::Floor),
            (0, Level::Floor),
        ] {
            assert_eq!(levels.level(bytes), level, "{bytes}");
        }
    }
}
