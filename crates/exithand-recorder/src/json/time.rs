//! Moments as RFC 3339.

use jiff::Timestamp;

use crate::WallTime;

/// Writes a moment as RFC 3339 in UTC, with nanoseconds.
pub fn rfc3339(time: WallTime) -> String {
    // Every moment that fits is in the years 1677 to 2262.
    Timestamp::from_nanosecond(time.unix_ns.into())
        .map_or_else(|_| String::new(), |time| format!("{time:.9}"))
}

/// Reads a moment written as RFC 3339; `None` for other text, and for years that do not fit.
pub fn parse_time(text: &str) -> Option<WallTime> {
    let time: Timestamp = text.parse().ok()?;
    let unix_ns = i64::try_from(time.as_nanosecond()).ok()?;
    Some(WallTime { unix_ns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_are_always_written() {
        for (unix_ns, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1, "1970-01-01T00:00:00.000000001Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
        ] {
            assert_eq!(rfc3339(WallTime { unix_ns }), text);
            assert_eq!(parse_time(text), Some(WallTime { unix_ns }));
        }
        assert_eq!(parse_time("9999-01-01T00:00:00Z"), None);
        assert_eq!(parse_time("yesterday"), None);
    }
}
