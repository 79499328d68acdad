//! What a text needs to know beyond the record: who reads it, when and where.

use std::fmt;
use std::io::{self, IsTerminal};
use std::time::Duration;

use exithand_recorder::WallTime;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::amount::counted;
use crate::text::printable;

/// The reader's clock, time zone and users.
#[derive(Clone)]
pub struct Scene {
    /// The moment of reading.
    pub now: WallTime,
    /// The reader's time zone.
    pub zone: TimeZone,
    /// Looks up the name of a user.
    pub user_name: fn(u32) -> Option<String>,
    /// The longest line to print, in letters.
    pub width: usize,
}

impl fmt::Debug for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scene")
            .field("now", &self.now)
            .field("zone", &self.zone)
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}

impl Scene {
    /// The width of a page where there is no terminal.
    const PAGE: usize = 80;
    /// The narrowest text that still reads like one.
    const NARROWEST: usize = 40;
    /// Lines that are longer are hard to read.
    const WIDEST: usize = 100;

    /// Looks at this machine.
    pub fn here() -> Self {
        let columns = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |it| it.ws_col.into());
        let width = match columns {
            0 => Self::PAGE,
            columns => columns.clamp(Self::NARROWEST, Self::WIDEST),
        };
        Self {
            now: wall(Timestamp::now()),
            zone: TimeZone::system(),
            user_name: system_user,
            width,
        }
    }

    /// Says whether results go to a terminal.
    pub fn on_terminal() -> bool {
        io::stdout().is_terminal()
    }

    /// Names a user: `www-data`, or the number where no name is known.
    pub fn user(&self, uid: u32) -> String {
        (self.user_name)(uid).unwrap_or_else(|| uid.to_string())
    }

    /// Writes a moment in local time, to the second: `2026-11-24 13:42:07`.
    pub fn local(&self, moment: WallTime) -> String {
        self.format(moment, "%Y-%m-%d %H:%M:%S")
    }

    /// The same with the name of the time zone: `2026-11-24 13:42:07 CET`.
    pub fn local_with_zone(&self, moment: WallTime) -> String {
        self.format(moment, "%Y-%m-%d %H:%M:%S %Z")
    }

    /// Writes a moment in local time as strftime(3) would.
    pub fn format(&self, moment: WallTime, format: &str) -> String {
        let zoned = timestamp(moment).to_zoned(self.zone.clone());
        zoned.strftime(format).to_string()
    }

    /// Writes how long ago a moment was: `3 minutes ago`.
    pub fn ago(&self, moment: WallTime) -> String {
        const UNITS: [(u64, &str); 4] = [
            (86_400, "day"),
            (3_600, "hour"),
            (60, "minute"),
            (1, "second"),
        ];
        let Ok(nanos) = u64::try_from(self.now.unix_ns.saturating_sub(moment.unix_ns)) else {
            return "in the future by this clock".to_owned();
        };
        let seconds = Duration::from_nanos(nanos).as_secs();
        let unit = UNITS.into_iter().find(|(size, _)| seconds >= *size);
        unit.map_or_else(
            || "a moment ago".to_owned(),
            |(size, name)| format!("{} ago", counted(seconds / size, name)),
        )
    }
}

/// Returns the moment as jiff has it.
pub fn timestamp(moment: WallTime) -> Timestamp {
    // Every number of 64 bits is a moment that jiff knows.
    Timestamp::from_nanosecond(moment.unix_ns.into()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Returns jiff's moment as records have it; the last or first one where it does not fit.
pub fn wall(moment: Timestamp) -> WallTime {
    let nanos = moment.as_nanosecond();
    let edge = if nanos < 0 { i64::MIN } else { i64::MAX };
    WallTime {
        unix_ns: i64::try_from(nanos).unwrap_or(edge),
    }
}

fn system_user(uid: u32) -> Option<String> {
    let user = uzers::get_user_by_uid(uid)?;
    Some(printable(user.name().as_encoded_bytes()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// 2026-11-24 12:45:07 UTC, and in a zone an hour ahead of it.
    pub(crate) fn scene() -> Scene {
        Scene {
            now: at("2026-11-24T12:45:07Z"),
            zone: TimeZone::posix("CET-1").unwrap(),
            user_name: |uid| match uid {
                0 => Some("root".to_owned()),
                33 => Some("www-data".to_owned()),
                1000 => Some("ada".to_owned()),
                _ => None,
            },
            width: 80,
        }
    }

    pub(crate) fn at(text: &str) -> WallTime {
        wall(text.parse().unwrap())
    }

    #[test]
    fn time_is_told_in_the_readers_zone() {
        let moment = at("2026-11-24T12:42:07.9Z");
        assert_eq!(scene().local(moment), "2026-11-24 13:42:07");
        assert_eq!(scene().local_with_zone(moment), "2026-11-24 13:42:07 CET");
    }

    #[test]
    fn the_past_is_counted_in_its_largest_unit() {
        for (moment, text) in [
            ("2026-11-24T12:45:07Z", "a moment ago"),
            ("2026-11-24T12:45:06Z", "1 second ago"),
            ("2026-11-24T12:42:07Z", "3 minutes ago"),
            ("2026-11-24T10:00:00Z", "2 hours ago"),
            ("2026-11-21T10:00:00Z", "3 days ago"),
            ("2026-11-24T12:45:08Z", "in the future by this clock"),
        ] {
            assert_eq!(scene().ago(at(moment)), text, "{moment}");
        }
    }

    #[test]
    fn every_moment_of_a_record_can_be_printed() {
        for unix_ns in [i64::MIN, -1, 0, i64::MAX] {
            let moment = WallTime { unix_ns };
            assert_eq!(wall(timestamp(moment)), moment);
            assert!(!scene().local(moment).is_empty());
        }
    }
}
