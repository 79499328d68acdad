//! `/proc/vmstat`: whether the page cache thrashes.

use crate::number::field;

/// Counters since boot, in pages.
///
/// Source: `mm/vmstat.c`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vmstat {
    /// Pages of files read again soon after they were dropped.
    pub refaults: u64,
    /// Pages looked at to be reclaimed.
    pub scanned: u64,
}

impl Vmstat {
    /// Parses the text of `/proc/vmstat`; a kernel without a counter has 0.
    pub fn parse(text: &[u8]) -> Self {
        let read = |key: &str| field(text, key.as_bytes());
        // Before Linux 5.9 there was one counter for both kinds of pages.
        let refaults = read("workingset_refault_file ").or_else(|| read("workingset_refault "));
        let kswapd = read("pgscan_kswapd ").unwrap_or(0);
        let direct = read("pgscan_direct ").unwrap_or(0);
        Self {
            refaults: refaults.unwrap_or(0),
            scanned: kswapd.saturating_add(direct),
        }
    }
}

/// What reclaim did between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reclaim {
    /// Bytes of files that were dropped and read again.
    pub refaulted_bytes: u64,
    /// Bytes looked at to be reclaimed.
    pub scanned_bytes: u64,
}

/// Turns counters into what happened since the last reading.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReclaimMeter {
    last: Option<Vmstat>,
}

impl ReclaimMeter {
    /// Takes in a reading.
    pub fn add(&mut self, now: Vmstat, page_bytes: u64) -> Reclaim {
        let last = self.last.replace(now).unwrap_or(now);
        let since = |now: u64, last: u64| now.saturating_sub(last).saturating_mul(page_bytes);
        Reclaim {
            refaulted_bytes: since(now.refaults, last.refaults),
            scanned_bytes: since(now.scanned, last.scanned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_old_and_new_names() {
        for text in [
            "workingset_refault_file 5\npgscan_kswapd 1\npgscan_direct 2\n",
            "workingset_refault 5\npgscan_direct 3\n",
        ] {
            let vmstat = Vmstat::parse(text.as_bytes());
            assert_eq!((vmstat.refaults, vmstat.scanned), (5, 3), "{text}");
        }
    }

    #[test]
    fn the_first_reading_says_nothing() {
        let mut meter = ReclaimMeter::default();
        let vmstat = |refaults| Vmstat {
            refaults,
            scanned: 0,
        };
        assert_eq!(meter.add(vmstat(100), 4096).refaulted_bytes, 0);
        assert_eq!(meter.add(vmstat(102), 4096).refaulted_bytes, 8192);
    }
}
