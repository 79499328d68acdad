//! Durations as people type them: `10`, `1.5s`, `500ms`, `1h30m`.
//!
//! Our own parser, because humantime and jiff both refuse a bare number of seconds, which every
//! `timeout`-like tool takes, and allow words, blanks, any order and repeated units.

use std::fmt::{self, Write as _};
use std::time::Duration;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// The units, from the largest to the smallest: the order in which they may be combined.
const UNITS: [(&str, u128); 7] = [
    ("d", 86_400 * NANOS_PER_SECOND),
    ("h", 3_600 * NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("s", NANOS_PER_SECOND),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Where the seconds stand in [`UNITS`]: the unit of a bare number.
const SECONDS: usize = 3;

/// The text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no duration: {why}")]
pub struct ParseDurationError {
    text: String,
    why: Why,
}

/// What is wrong with the text; each message shows the right form.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    Empty,
    Negative,
    NoNumber(String),
    NoFraction,
    NoUnit(String),
    UnknownUnit(String),
    Repeated(&'static str),
    Order {
        unit: &'static str,
        after: &'static str,
    },
    FractionInside,
    TooFine,
    TooLong,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "it is empty; write for example 10s"),
            Self::Negative => write!(f, "time does not run backwards; write for example 10s"),
            Self::NoNumber(rest) => write!(
                f,
                "a number is missing before {rest:?}; write for example 1.5s or 1h30m"
            ),
            Self::NoFraction => write!(f, "digits are missing after the point; write 1.5s"),
            Self::NoUnit(number) => {
                write!(f, "{number:?} has no unit; write for example 1h30m")
            }
            Self::UnknownUnit(unit) => write!(
                f,
                "unknown unit {unit:?}; the units are d, h, m, s, ms, us and ns, as in 1h30m"
            ),
            Self::Repeated(unit) => write!(f, "the unit {unit:?} comes twice; write 1h30m"),
            Self::Order { unit, after } => write!(
                f,
                "{unit:?} comes after the smaller {after:?}; write the larger unit first, as in 1h30m"
            ),
            Self::FractionInside => write!(
                f,
                "only the last number may have a fraction; write for example 1m1.5s"
            ),
            Self::TooFine => write!(
                f,
                "it is finer than a nanosecond; the shortest duration is 1ns"
            ),
            Self::TooLong => write!(f, "it is too long; the longest is {}s", u64::MAX),
        }
    }
}

/// Reads a duration: a bare number is seconds, larger units come first, and the last number may
/// have a fraction. The arithmetic is exact: `0.1` is 100 ms and nothing else.
///
/// ```
/// use exithand_cli::duration::parse;
/// use std::time::Duration;
///
/// assert_eq!(parse("1h30m")?, Duration::from_secs(5400));
/// assert_eq!(parse("0.1")?, Duration::from_millis(100));
/// # Ok::<(), exithand_cli::duration::ParseDurationError>(())
/// ```
///
/// # Errors
///
/// Text that is empty, negative, not finite, finer than a nanosecond or longer than a [`Duration`];
/// units that are unknown, repeated or out of order.
pub fn parse(text: &str) -> Result<Duration, ParseDurationError> {
    parse_nanos(text)
        .and_then(to_duration)
        .map_err(|why| ParseDurationError {
            text: text.to_owned(),
            why,
        })
}

fn parse_nanos(text: &str) -> Result<u128, Why> {
    match text.bytes().next() {
        None => return Err(Why::Empty),
        Some(b'-') => return Err(Why::Negative),
        Some(_) => {}
    }
    let mut rest = text;
    let mut total = 0_u128;
    let mut last: Option<usize> = None;
    while !rest.is_empty() {
        let (number, after) = split_number(rest);
        if number.is_empty() {
            return Err(Why::NoNumber(rest.to_owned()));
        }
        let (unit, after) = split_unit(after);
        let unit = match (unit, last) {
            ("", None) if after.is_empty() => SECONDS,
            ("", _) => return Err(Why::NoUnit(number.to_owned())),
            (name, _) => find_unit(name)?,
        };
        check_order(unit, last)?;
        if number.contains('.') && !after.is_empty() {
            return Err(Why::FractionInside);
        }
        let nanos = count(number, UNITS[unit].1)?;
        total = total.checked_add(nanos).ok_or(Why::TooLong)?;
        last = Some(unit);
        rest = after;
    }
    Ok(total)
}

/// Cuts off the leading digits and points.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    text.split_at(end.unwrap_or(text.len()))
}

/// Cuts off everything before the next number.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| c.is_ascii_digit() || c == '.');
    text.split_at(end.unwrap_or(text.len()))
}

fn find_unit(name: &str) -> Result<usize, Why> {
    UNITS
        .iter()
        .position(|(unit, _)| *unit == name)
        .ok_or_else(|| Why::UnknownUnit(name.to_owned()))
}

fn check_order(unit: usize, last: Option<usize>) -> Result<(), Why> {
    match last {
        Some(last) if last == unit => Err(Why::Repeated(UNITS[unit].0)),
        Some(last) if last > unit => Err(Why::Order {
            unit: UNITS[unit].0,
            after: UNITS[last].0,
        }),
        _ => Ok(()),
    }
}

/// Multiplies a decimal number, given as text, by a unit; exact or an error.
fn count(number: &str, unit_ns: u128) -> Result<u128, Why> {
    let (whole, fraction) = match number.split_once('.') {
        None => (number, ""),
        Some((_, "")) => return Err(Why::NoFraction),
        Some((_, fraction)) if fraction.contains('.') => {
            return Err(Why::NoNumber(format!(".{fraction}")));
        }
        Some((whole, fraction)) => (whole, fraction.trim_end_matches('0')),
    };
    let whole = match whole {
        "" => 0,
        digits => digits.parse::<u128>().ok().ok_or(Why::TooLong)?,
    };
    let whole = whole.checked_mul(unit_ns).ok_or(Why::TooLong)?;
    let fraction = match fraction {
        "" => 0,
        digits => exact_fraction(digits, unit_ns)?,
    };
    whole.checked_add(fraction).ok_or(Why::TooLong)
}

/// Returns `0.digits` of a unit in nanoseconds.
fn exact_fraction(digits: &str, unit_ns: u128) -> Result<u128, Why> {
    // Without trailing zeros, a fraction that is whole in nanoseconds has at most 16 digits: a day
    // has 16 factors of two and 11 of five. So nothing below overflows for a number that is fine.
    let places = u32::try_from(digits.len()).ok().ok_or(Why::TooFine)?;
    let scale = 10_u128.checked_pow(places).ok_or(Why::TooFine)?;
    let value = digits.parse::<u128>().ok().ok_or(Why::TooFine)?;
    let scaled = value.checked_mul(unit_ns).ok_or(Why::TooFine)?;
    if scaled.is_multiple_of(scale) {
        Ok(scaled / scale)
    } else {
        Err(Why::TooFine)
    }
}

fn to_duration(nanos: u128) -> Result<Duration, Why> {
    let seconds = u64::try_from(nanos / NANOS_PER_SECOND)
        .ok()
        .ok_or(Why::TooLong)?;
    let rest = u32::try_from(nanos % NANOS_PER_SECOND)
        .ok()
        .ok_or(Why::TooLong)?;
    Ok(Duration::new(seconds, rest))
}

/// Writes a duration the short way: `1h30m`, `1.5s`, `350ms`.
///
/// Shows thousandths of the unit below one second, and whole milliseconds above; what is finer is
/// cut off, never rounded up. [`parse`] reads it back.
pub fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let mut text = String::new();
    if nanos < NANOS_PER_SECOND {
        let (unit, size) = UNITS[SECONDS + 1..]
            .iter()
            .find(|(_, size)| nanos >= *size)
            .unwrap_or(&UNITS[SECONDS]);
        push_decimal(&mut text, nanos * 1000 / size, unit);
        return text;
    }
    let mut rest = nanos;
    for (unit, size) in &UNITS[..SECONDS] {
        if rest >= *size {
            push_decimal(&mut text, rest / size * 1000, unit);
        }
        rest %= size;
    }
    let thousandths = rest / 1_000_000;
    if thousandths > 0 {
        push_decimal(&mut text, thousandths, "s");
    }
    text
}

/// Drops the digits that an estimate does not have.
pub fn coarse(time: Duration) -> Duration {
    match time.as_secs() {
        0 => Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        seconds @ 1..600 => Duration::from_secs(seconds),
        seconds @ 600..36_000 => Duration::from_secs(seconds / 60 * 60),
        seconds @ 36_000..864_000 => Duration::from_secs(seconds / 3600 * 3600),
        seconds => Duration::from_secs(seconds / 86_400 * 86_400),
    }
}

/// Appends a number given in thousandths, without trailing zeros.
fn push_decimal(text: &mut String, thousandths: u128, unit: &str) {
    let digits = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    // Writing to a string cannot fail.
    write!(text, "{digits}{unit}").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_form() {
        for (text, nanos) in [
            ("0", 0),
            ("0s", 0),
            ("10", 10_000_000_000),
            ("007", 7_000_000_000),
            ("1.5", 1_500_000_000),
            (".5", 500_000_000),
            ("0.1", 100_000_000),
            ("0.1s", 100_000_000),
            ("0.3s", 300_000_000),
            ("1.500000000000000000000000", 1_500_000_000),
            ("0.000000001", 1),
            ("500ms", 500_000_000),
            ("250us", 250_000),
            ("0.001us", 1),
            ("1ns", 1),
            ("2m", 120_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("1d", 86_400_000_000_000),
            ("1d2h3m4s5ms6us7ns", 93_784_005_006_007),
            ("1m1.5s", 61_500_000_000),
        ] {
            assert_eq!(parse(text).map(|it| it.as_nanos()), Ok(nanos), "{text}");
        }
        assert_eq!(
            parse("18446744073709551615.999999999s"),
            Ok(Duration::MAX),
            "the longest"
        );
    }

    #[test]
    fn says_what_is_wrong_and_shows_the_right_form() {
        for (text, part) in [
            ("", "empty"),
            ("-5", "backwards"),
            ("-0", "backwards"),
            ("+5", "number is missing before \"+5\""),
            (" 5", "number is missing before \" 5\""),
            ("s", "number is missing before \"s\""),
            ("nan", "number is missing before \"nan\""),
            ("inf", "number is missing before \"inf\""),
            ("5 ", "unknown unit \" \""),
            ("1e3", "unknown unit \"e\""),
            ("0x10", "unknown unit \"x\""),
            ("5S", "unknown unit \"S\""),
            ("5sec", "unknown unit \"sec\""),
            ("5\u{b5}s", "unknown unit \"\u{b5}s\""),
            ("1h 30m", "unknown unit \"h \""),
            ("1,5s", "unknown unit \",\""),
            ("1h30", "\"30\" has no unit"),
            ("1.", "digits are missing"),
            (".", "digits are missing"),
            ("1.2.3", "number is missing before \".2.3\""),
            ("30m1h", "\"h\" comes after the smaller \"m\""),
            ("1m2m", "\"m\" comes twice"),
            ("1.5h30m", "only the last number"),
            ("0.1ns", "finer than a nanosecond"),
            ("0.00000000000000000000000000000000000000000001", "finer"),
            ("18446744073709551616", "too long"),
            ("18446744073709551615s1000ms", "too long"),
            ("999999999999999999999999999999999999999999999d", "too long"),
        ] {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.contains(part), "{text:?}: {message}");
            assert!(message.starts_with(&format!("{text:?} is no duration")));
            let has_example = message
                .rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '.')
                .find(|word| word.bytes().any(|byte| byte.is_ascii_digit()))
                .is_some_and(|word| parse(word).is_ok());
            assert!(has_example, "no example of the right form: {message}");
        }
    }

    #[test]
    fn writes_the_short_form() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (999, "999ns"),
            (1_500, "1.5us"),
            (350_000_000, "350ms"),
            (1_234_567, "1.234ms"),
            (999_999_999, "999.999ms"),
            (1_500_000_000, "1.5s"),
            (59_999_999_999, "59.999s"),
            (60_000_000_000, "1m"),
            (61_500_000_000, "1m1.5s"),
            (5_400_000_000_000, "1h30m"),
            (86_400_000_000_001, "1d"),
            (90_061_000_000_000, "1d1h1m1s"),
        ] {
            assert_eq!(format(Duration::from_nanos(nanos)), text);
        }
        assert_eq!(
            format(Duration::MAX),
            "213503982334601d7h15.999s",
            "the longest"
        );
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(seconds in 0..u64::MAX, nanos in 0_u32..1_000_000_000, shift in 0_u32..64) {
            let duration = Duration::new(seconds >> shift, nanos);
            let read = parse(&format(duration)).unwrap();
            let precision = match duration.as_nanos() {
                0..1_000_000 => 1,
                1_000_000..1_000_000_000 => 1_000,
                _ => 1_000_000,
            };
            prop_assert!(read <= duration);
            prop_assert!(duration.checked_sub(read).unwrap().as_nanos() < precision);
        }

        #[test]
        fn never_panics(text in ".*") {
            drop(parse(&text));
        }

        #[test]
        fn never_panics_on_nearly_right_text(text in "[-+0-9. dhmsun\u{b5}]{0,30}") {
            drop(parse(&text));
        }

        #[test]
        fn agrees_with_whole_milliseconds(millis in 0..u64::MAX / 1000) {
            let expected = Ok(Duration::from_millis(millis));
            prop_assert_eq!(parse(&format!("{millis}ms")), expected.clone());
            prop_assert_eq!(parse(&format!("{}.{:03}", millis / 1000, millis % 1000)), expected);
        }
    }
}
