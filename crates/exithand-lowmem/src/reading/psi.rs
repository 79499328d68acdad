//! Pressure stall information.

use std::time::Duration;

use crate::number::{after, field};

/// The stall counted since boot, from `/proc/pressure/memory` or a `memory.pressure`.
///
/// Source: `Documentation/accounting/psi.rst`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Time in which at least one task stalled, in microseconds.
    pub some_us: u64,
    /// Time in which all tasks stalled, in microseconds.
    pub full_us: u64,
}

impl Pressure {
    /// Parses the file; `None` if a total is missing.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let total = |key: &[u8]| {
            let line = after(text, key)?;
            let words = line.split(|byte| *byte == b' ');
            words.into_iter().find_map(|word| field(word, b"total="))
        };
        Some(Self {
            some_us: total(b"some ")?,
            full_us: total(b"full ")?,
        })
    }
}

/// The stall within a window of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stall {
    /// As [`Pressure::some_us`], within the window.
    pub some_us: u64,
    /// As [`Pressure::full_us`], within the window.
    pub full_us: u64,
}

/// How many readings a meter remembers.
const READINGS: usize = 8;

/// Turns totals into the stall of the last window: the averages of the kernel lag behind.
#[derive(Debug, Clone)]
pub struct StallMeter {
    window: Duration,
    readings: [(Duration, Pressure); READINGS],
    count: usize,
}

impl StallMeter {
    /// Makes a meter that looks back over `window`.
    pub fn new(window: Duration) -> Self {
        Self {
            window,
            readings: [(Duration::ZERO, Pressure::default()); READINGS],
            count: 0,
        }
    }

    /// Takes in a reading and returns the stall since the oldest one that is still in the window,
    /// or since the last one before it.
    pub fn add(&mut self, now: Duration, pressure: Pressure) -> Stall {
        let begin = now.saturating_sub(self.window);
        let known = &self.readings[..self.count];
        let before = known.iter().rev().find(|(time, _)| *time <= begin);
        let base = before.or_else(|| known.first()).map(|(_, base)| *base);
        let stale = known
            .iter()
            .take_while(|(time, _)| *time < begin)
            .count()
            .saturating_sub(1);
        self.readings.copy_within(stale..self.count, 0);
        self.count -= stale;
        // Readings that come thick and fast overwrite the newest: the window keeps its length.
        if self.count < READINGS {
            self.count += 1;
        }
        self.readings[self.count - 1] = (now, pressure);
        let base = base.unwrap_or(pressure);
        Stall {
            some_us: pressure.some_us.saturating_sub(base.some_us),
            full_us: pressure.full_us.saturating_sub(base.full_us),
        }
    }

    /// Forgets what was: memory has come back.
    pub fn reset(&mut self) {
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_totals() {
        let text = b"some avg10=0.00 avg60=1.00 avg300=0.00 total=12\n\
                     full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        let pressure = Pressure::parse(text).unwrap();
        assert_eq!((pressure.some_us, pressure.full_us), (12, 7));
        assert_eq!(Pressure::parse(b""), None);
    }

    #[test]
    fn measures_the_last_window() {
        let mut meter = StallMeter::new(Duration::from_secs(2));
        let mut add = |second: u64, some_us| {
            let pressure = Pressure {
                some_us,
                full_us: 0,
            };
            meter.add(Duration::from_secs(second), pressure).some_us
        };
        assert_eq!(add(0, 100), 0, "nothing to compare with");
        assert_eq!(add(1, 150), 50);
        assert_eq!(add(2, 250), 150);
        assert_eq!(add(3, 260), 110, "the first reading is out of the window");
        assert_eq!(add(60, 300), 40, "a long sleep: since the last reading");
    }

    #[test]
    fn keeps_its_base_when_readings_come_fast() {
        let mut meter = StallMeter::new(Duration::from_secs(2));
        let mut last = 0;
        for step in 0..100_u64 {
            let pressure = Pressure {
                some_us: step,
                full_us: 0,
            };
            last = meter.add(Duration::from_millis(step), pressure).some_us;
        }
        assert_eq!(last, 99);
    }
}
