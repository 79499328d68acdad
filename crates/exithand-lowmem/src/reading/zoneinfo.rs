//! `/proc/zoneinfo`: free pages that each processor keeps for itself.

use crate::number::field;

/// Adds up the pages on the lists of all processors, in whole lines of `/proc/zoneinfo`.
///
/// They are free, and `MemAvailable` does not count them. Since Linux 6.7 a list can hold hundreds of
/// MiB for a second after a large process has ended, which then looks as if nothing had come back.
pub fn per_cpu_pages(text: &[u8]) -> u64 {
    let lines = text.split(|byte| *byte == b'\n');
    let counts = lines.filter_map(|line| field(line.trim_ascii_start(), b"count:"));
    counts.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_all_processors() {
        let text = b"Node 0, zone Normal\n  pages free 9\n  pagesets\n    cpu: 0\n              count:    378\n\
                     \x20             high:     12\n    cpu: 1\n              count: 2\n";
        assert_eq!(per_cpu_pages(text), 380);
        assert_eq!(per_cpu_pages(b""), 0);
    }
}
