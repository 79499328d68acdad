//! OpenBSD: any number, but not one of the last that were freed.

use std::collections::VecDeque;

use crate::used::Used;
use crate::{Allocator, Full, Number, Rng};

const PID_MAX: u64 = 99_999;
/// How many freed numbers wait (`oldpids`).
const WAITING: usize = 128;

/// Random numbers from 2 to 99999; the last 128 that were freed are not drawn.
///
/// Source: `allocpid`, `freepid` and `ispidtaken` in `sys/kern/kern_fork.c`.
#[derive(Clone, Debug)]
pub struct OpenBsd {
    /// In use, or freed a short while ago.
    taken: Used,
    alive: u64,
    waiting: VecDeque<u64>,
    rng: Rng,
}

impl OpenBsd {
    /// A kernel whose random numbers come from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            taken: Used::new(PID_MAX + 1),
            alive: 0,
            waiting: VecDeque::new(),
            rng: Rng::new(seed),
        }
    }
}

impl Allocator for OpenBsd {
    fn allocate(&mut self) -> Result<Number, Full> {
        let waiting = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        if self.alive + waiting >= PID_MAX - 1 {
            // The kernel would draw for ever; its limit on processes is far lower.
            return Err(Full);
        }
        loop {
            let number = 2 + self.rng.below(PID_MAX - 1);
            if !self.taken.contains(number) {
                self.taken.insert(number);
                self.alive += 1;
                return Ok(Number(number));
            }
        }
    }

    fn free(&mut self, number: Number) {
        let in_use = self.taken.contains(number.0) && !self.waiting.contains(&number.0);
        assert!(in_use, "{number} is in use");
        self.alive -= 1;
        self.waiting.push_back(number.0);
        if self.waiting.len() > WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.taken.remove(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_draws_one_of_the_last_128_freed() {
        let mut pids = OpenBsd::new(1);
        let mut freed = Vec::new();
        for _ in 0..200_000 {
            let number = pids.allocate().expect("a free number");
            let recent = &freed[freed.len().saturating_sub(WAITING)..];
            assert!(!recent.contains(&number) && (2..=PID_MAX).contains(&number.0));
            pids.free(number);
            freed.push(number);
        }
    }

    #[test]
    fn is_full_where_only_waiting_numbers_are_left() {
        let mut pids = OpenBsd::new(1);
        let mut used = Vec::new();
        while let Ok(number) = pids.allocate() {
            used.push(number);
        }
        assert_eq!(used.len(), 99_998);
        pids.free(used[0]);
        assert_eq!(pids.allocate(), Err(Full));
    }
}
