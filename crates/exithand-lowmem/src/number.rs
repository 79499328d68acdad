//! Numbers and lines in the text of `/proc` and cgroup files, without allocation.

/// Reads the decimal number that `text` begins with, after blanks.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    leading(text, 10)
}

/// Reads the hexadecimal number that `text` begins with, after blanks.
pub(crate) fn hexadecimal(text: &[u8]) -> Option<u64> {
    leading(text, 16)
}

fn leading(text: &[u8], radix: u32) -> Option<u64> {
    let digits = text.trim_ascii_start();
    let mut value: Option<u64> = None;
    for byte in digits {
        let Some(digit) = char::from(*byte).to_digit(radix) else {
            break;
        };
        let shifted = value.unwrap_or(0).checked_mul(u64::from(radix))?;
        value = Some(shifted.checked_add(u64::from(digit))?);
    }
    value
}

/// Returns what follows `key` on the line that begins with it.
pub(crate) fn after<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    text.split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(key))
}

/// Reads the number on the line that begins with `key`.
pub(crate) fn field(text: &[u8], key: &[u8]) -> Option<u64> {
    decimal(after(text, key)?)
}

/// Reads an amount in kB, as bytes.
pub(crate) fn kilobytes(text: &[u8], key: &[u8]) -> Option<u64> {
    field(text, key)?.checked_mul(1024)
}

/// Reads the number that `text` consists of, a sign included, as `oom_score_adj` has it.
pub(crate) fn signed(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_leading_numbers() {
        for (text, number) in [
            ("12", Some(12)),
            ("  12 kB", Some(12)),
            ("0", Some(0)),
            ("", None),
            ("kB", None),
            ("-1", None),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
        ] {
            assert_eq!(decimal(text.as_bytes()), number, "{text:?}");
        }
        assert_eq!(hexadecimal(b"\t0000000000004002\n"), Some(0x4002));
    }

    #[test]
    fn finds_whole_lines_only() {
        let text = b"MemTotal: 4 kB\nMemFree: 2 kB\n";
        assert_eq!(kilobytes(text, b"MemFree:"), Some(2048));
        assert_eq!(kilobytes(text, b"Free:"), None);
        assert_eq!(signed(b"-1000\n"), Some(-1000));
        assert_eq!(signed(b"x\n"), None);
    }
}
