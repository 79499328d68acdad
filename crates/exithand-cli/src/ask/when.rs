//! Moments as people name them: `2 hours ago`, `10:30`, `yesterday`, RFC 3339.

use exithand_recorder::WallTime;
use jiff::civil::{Date, DateTime, Time};
use jiff::{Span, Timestamp, ToSpan, Zoned};

use super::scene::wall;
use crate::duration;

/// The text names no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no moment: write for example '2 hours ago', 1h30m, 10:30, yesterday, \
     '2026-11-24 10:30' or 2026-11-24T10:30:00Z"
)]
pub struct ParseWhenError(String);

/// Reads a moment as of now, in the time zone of this machine.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_now(text: &str) -> Result<WallTime, ParseWhenError> {
    parse(text, &Zoned::now())
}

/// Reads a moment.
///
/// A duration is that long ago; a time of day is the last such time; a date is its midnight; what
/// has no offset of its own is in the time zone of `now`.
///
/// # Errors
///
/// Text of another form, and moments that no clock shows.
pub fn parse(text: &str, now: &Zoned) -> Result<WallTime, ParseWhenError> {
    let text = text.trim();
    word(text, now)
        .or_else(|| ago(text, now))
        .or_else(|| time_of_day(text, now))
        .or_else(|| local(text, now))
        .or_else(|| absolute(text))
        .map(wall)
        .ok_or_else(|| ParseWhenError(text.to_owned()))
}

/// `now`, `today`, `yesterday`, and either day with a time.
fn word(text: &str, now: &Zoned) -> Option<Timestamp> {
    if text == "now" {
        return Some(now.timestamp());
    }
    let (day, time) = match text.split_once(' ') {
        Some((day, time)) => (day, clock(time.trim())?),
        None => (text, Time::midnight()),
    };
    let date = match day {
        "today" => now.date(),
        "yesterday" => now.date().yesterday().ok()?,
        _ => return None,
    };
    on_the_clock(date.to_datetime(time), now)
}

/// `1h30m`, `-1h30m`, `2 hours ago`, `1 day 3 hours ago`.
fn ago(text: &str, now: &Zoned) -> Option<Timestamp> {
    let bare = text.strip_prefix('-').unwrap_or(text);
    // A bare number could as well be a year, or seconds since 1970.
    if !bare.bytes().all(|it| it.is_ascii_digit())
        && let Ok(duration) = duration::parse(bare)
    {
        return now.timestamp().checked_sub(duration).ok();
    }
    let span: Span = text.parse().ok().filter(|_| text.ends_with("ago"))?;
    Some(now.checked_add(span).ok()?.timestamp())
}

/// `10:30`, `10:30:05`: the last such time.
fn time_of_day(text: &str, now: &Zoned) -> Option<Timestamp> {
    let time = clock(text)?;
    let today = on_the_clock(now.date().to_datetime(time), now)?;
    if today <= now.timestamp() {
        return Some(today);
    }
    let yesterday = now.date().checked_sub(1.day()).ok()?;
    on_the_clock(yesterday.to_datetime(time), now)
}

/// `2026-11-24`, `2026-11-24 10:30`.
fn local(text: &str, now: &Zoned) -> Option<Timestamp> {
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (date, clock(time)?),
        None => (text, Time::midnight()),
    };
    let date = Date::strptime("%Y-%m-%d", date).ok()?;
    on_the_clock(date.to_datetime(time), now)
}

/// `2026-11-24T10:30:00Z`, `@1795516200`.
fn absolute(text: &str) -> Option<Timestamp> {
    match text.strip_prefix('@') {
        Some(seconds) => Timestamp::from_second(seconds.parse().ok()?).ok(),
        None => text.parse().ok(),
    }
}

fn clock(text: &str) -> Option<Time> {
    let digits = |it: u8| it.is_ascii_digit() || it == b':' || it == b'.';
    if !text.bytes().all(digits) || !text.contains(':') {
        return None;
    }
    let short = Time::strptime("%H:%M", text);
    short
        .or_else(|_error| Time::strptime("%H:%M:%S%.f", text))
        .ok()
}

fn on_the_clock(moment: DateTime, now: &Zoned) -> Option<Timestamp> {
    let zoned = moment.to_zoned(now.time_zone().clone()).ok()?;
    Some(zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::scene::tests::{at, scene};

    fn read(text: &str) -> Result<WallTime, ParseWhenError> {
        let now: Timestamp = "2026-11-24T12:45:07Z".parse().unwrap();
        parse(text, &now.to_zoned(scene().zone))
    }

    #[test]
    fn reads_what_people_write() {
        for (text, moment) in [
            ("now", "2026-11-24T12:45:07Z"),
            ("today", "2026-11-23T23:00:00Z"),
            ("yesterday", "2026-11-22T23:00:00Z"),
            ("yesterday 10:30", "2026-11-23T09:30:00Z"),
            ("2 hours ago", "2026-11-24T10:45:07Z"),
            ("1 day 2 hours ago", "2026-11-23T10:45:07Z"),
            ("-1h", "2026-11-24T11:45:07Z"),
            ("1h30m", "2026-11-24T11:15:07Z"),
            ("90s", "2026-11-24T12:43:37Z"),
            ("10:30", "2026-11-24T09:30:00Z"),
            ("13:45:07", "2026-11-24T12:45:07Z"),
            ("13:45:08", "2026-11-23T12:45:08Z"),
            ("2026-11-24", "2026-11-23T23:00:00Z"),
            ("2026-11-24 10:30", "2026-11-24T09:30:00Z"),
            ("2026-11-24T10:30:05", "2026-11-24T09:30:05Z"),
            ("2026-11-24T10:30:00Z", "2026-11-24T10:30:00Z"),
            ("2026-11-24T10:30:00.5+02:00", "2026-11-24T08:30:00.5Z"),
            ("@0", "1970-01-01T00:00:00Z"),
            (" 10:30 ", "2026-11-24T09:30:00Z"),
        ] {
            assert_eq!(read(text), Ok(at(moment)), "{text}");
        }
    }

    #[test]
    fn says_what_would_be_a_moment() {
        for text in [
            "",
            " ",
            "soon",
            "10",
            "1030",
            "25:00",
            "10:61",
            "2026-13-01",
            "2026-02-30",
            "2026-11-24 25:00",
            "ago",
            "2 hours",
            "in 2 hours",
            "-",
            "--1h",
            "@",
            "@x",
            "@99999999999999999999",
            "9999999d",
            "yesterday noon",
            "tomorrow",
            "\u{1b}[2J",
        ] {
            let message = read(text).expect_err(text).to_string();
            assert!(
                message.contains("is no moment") && message.contains("10:30"),
                "{message}"
            );
            assert!(!message.contains('\u{1b}'));
        }
    }
}
