//! `/proc/meminfo`.

use crate::number::kilobytes;

/// How much memory there is. All in bytes.
///
/// Source: `proc_meminfo(5)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Meminfo {
    /// `MemTotal`.
    pub total_bytes: u64,
    /// `MemAvailable`: what can be had without swapping.
    pub available_bytes: u64,
    /// `SwapTotal`.
    pub swap_total_bytes: u64,
    /// `SwapFree`.
    pub swap_free_bytes: u64,
    /// Pages of files in memory: both lists of them.
    pub file_bytes: u64,
}

impl Meminfo {
    /// Parses the text of `/proc/meminfo`; `None` if a line is missing.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let read = |key: &str| kilobytes(text, key.as_bytes());
        Some(Self {
            total_bytes: read("MemTotal:")?,
            available_bytes: read("MemAvailable:")?,
            swap_total_bytes: read("SwapTotal:")?,
            swap_free_bytes: read("SwapFree:")?,
            file_bytes: read("Active(file):")?.saturating_add(read("Inactive(file):")?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_lines_it_needs() {
        let text = b"MemTotal: 8 kB\nMemFree: 1 kB\nMemAvailable: 4 kB\nSwapCached: 0 kB\n\
            Active: 9 kB\nActive(file): 2 kB\nInactive(file): 1 kB\nSwapTotal: 6 kB\nSwapFree: 5 kB\n";
        let meminfo = Meminfo::parse(text).unwrap();
        assert_eq!(
            meminfo,
            Meminfo {
                total_bytes: 8192,
                available_bytes: 4096,
                swap_total_bytes: 6144,
                swap_free_bytes: 5120,
                file_bytes: 3072,
            }
        );
        assert_eq!(Meminfo::parse(b"MemTotal: 8 kB\n"), None);
        assert!(Meminfo::parse(&std::fs::read("/proc/meminfo").unwrap()).is_some());
    }
}
