//! FreeBSD: the next number after the last one, or one a random step ahead.

use crate::used::Used;
use crate::{Allocator, Full, Number, Rng};

/// `pid_max`, which is no pid any more.
const PID_MAX: u64 = 99_999;
/// Where a lap begins.
const FIRST: u64 = 2;

/// Numbers in turn, with steps of a random length where `kern.randompid` is set.
///
/// Source: `fork_findpid` in `sys/kern/kern_fork.c`.
#[derive(Clone, Debug)]
pub struct FreeBsd {
    used: Used,
    last: u64,
    step: Option<(u64, Rng)>,
}

impl FreeBsd {
    /// As FreeBSD comes: each number is one more than the last.
    pub fn sequential() -> Self {
        Self {
            used: Used::new(PID_MAX),
            last: 1,
            step: None,
        }
    }

    /// With `kern.randompid` set to `modulus`: steps of 1 to `modulus`.
    pub fn random(modulus: u64, seed: u64) -> Self {
        Self {
            step: Some((modulus, Rng::new(seed))),
            ..Self::sequential()
        }
    }
}

impl Allocator for FreeBsd {
    fn allocate(&mut self) -> Result<Number, Full> {
        let more = match &mut self.step {
            Some((modulus, rng)) => rng.below(*modulus),
            None => 0,
        };
        let from = self.last + 1 + more;
        let free = self
            .used
            .first_free(from)
            .or_else(|| self.used.first_free(FIRST))
            .ok_or(Full)?;
        self.used.insert(free);
        self.last = free;
        Ok(Number(free))
    }

    fn free(&mut self, number: Number) {
        self.used.remove(number.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_round_from_2_to_99998() {
        let mut pids = FreeBsd::sequential();
        for expected in (2..99_999).chain([2]) {
            let number = pids.allocate().expect("a free number");
            assert_eq!(number, Number(expected));
            pids.free(number);
        }
    }

    #[test]
    fn random_steps_are_no_longer_than_asked_for() {
        let mut pids = FreeBsd::random(100, 1);
        let mut last = 1;
        for _ in 0..500 {
            let Number(number) = pids.allocate().expect("a free number");
            assert!((last + 1..=last + 100).contains(&number));
            last = number;
        }
    }
}
