//! Random numbers that are the same everywhere and for ever.

use std::time::Duration;

/// Splitmix64: small, fast and good enough to draw lives of processes.
///
/// It is here and not taken from a crate because plots that are checked in hang on its numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Numbers that `seed` alone decides.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Returns a number below `bound`, or 0 where that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let scaled = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(scaled >> 64).unwrap_or_default()
    }

    /// Returns a time that is `mean` on average, and any longer one with a chance that falls
    /// exponentially.
    pub(crate) fn exponential(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-self.unit().ln())
    }

    /// Returns a number between 0 and 1, neither included.
    fn unit(&mut self) -> f64 {
        let high = u32::try_from(self.bits() >> 32).unwrap_or_default();
        (f64::from(high) + 0.5) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_splitmix64() {
        // The first numbers that its authors' program prints for this seed.
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.bits(), 6_457_827_717_110_365_317);
        assert_eq!(rng.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn stays_below_and_has_the_mean_that_was_asked_for() {
        let mut rng = Rng::new(1);
        assert!((0..1000).all(|_| rng.below(7) < 7));
        assert_eq!(rng.below(0), 0);
        let sum: Duration = (0..10_000)
            .map(|_| rng.exponential(Duration::from_millis(10)))
            .sum();
        assert!((95..105).contains(&sum.as_secs()), "{sum:?}");
    }
}
