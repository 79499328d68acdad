//! Sizes and times, rounded as people say them.

use std::time::Duration;

use crate::duration;

const KIB: u64 = 1024;
const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

/// Writes a number of bytes: `512 B`, `1.5 MiB`, `120 MiB`.
///
/// Shows one digit after the point below ten, and none above; what is finer is cut off.
pub fn bytes(bytes: u64) -> String {
    if bytes < KIB {
        return format!("{bytes} B");
    }
    let mut size = KIB;
    let mut unit = 0;
    while bytes / size >= KIB && unit + 1 < UNITS.len() {
        size *= KIB;
        unit += 1;
    }
    let tenths = u128::from(bytes) * 10 / u128::from(size);
    match (tenths / 10, tenths % 10) {
        (whole @ 0..10, tenth @ 1..) => format!("{whole}.{tenth} {}", UNITS[unit]),
        (whole, _) => format!("{whole} {}", UNITS[unit]),
    }
}

/// Writes a duration with no more digits than anybody reads: `2h5m`, `1m3s`, `1.2s`, `35ms`.
pub fn rough(duration: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let whole = |step: u64| Duration::from_secs(duration.as_secs() / step * step);
    let shown = match (duration.as_secs(), duration.subsec_millis()) {
        (DAY.., _) => whole(HOUR),
        (HOUR.., _) => whole(MINUTE),
        (10.., _) => whole(1),
        (seconds @ 1.., millis) => {
            Duration::from_millis(seconds * 1000 + u64::from(millis) / 100 * 100)
        }
        (0, millis @ 1..) => Duration::from_millis(millis.into()),
        (0, 0) => Duration::from_micros(duration.subsec_micros().into()),
    };
    duration::format(shown)
}

/// Writes nanoseconds, roughly.
pub fn rough_ns(nanos: u64) -> String {
    rough(Duration::from_nanos(nanos))
}

/// Writes a count and what is counted: `1 other`, `4 others`.
pub fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_digits_at_most_below_ten() {
        for (size, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (10 * 1024 + 512, "10 KiB"),
            (1024 * 1024 - 1, "1023 KiB"),
            (120 << 20, "120 MiB"),
            (u64::MAX, "16383 PiB"),
        ] {
            assert_eq!(bytes(size), text, "{size}");
        }
    }

    #[test]
    fn durations_lose_what_nobody_reads() {
        for (millis, text) in [
            (0, "0s"),
            (35, "35ms"),
            (1_234, "1.2s"),
            (10_999, "10s"),
            (63_500, "1m3s"),
            (7_503_000, "2h5m"),
            (90_061_000, "1d1h"),
        ] {
            assert_eq!(rough(Duration::from_millis(millis)), text, "{millis}");
        }
        assert_eq!(rough_ns(1_500), "1us");
    }
}
