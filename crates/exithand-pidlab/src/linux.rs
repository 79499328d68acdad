//! Linux: the next number after the last one.

use crate::used::Used;
use crate::{Allocator, Full, Number};

/// Below this no number is given out once a lap is over (`RESERVED_PIDS`).
const RESERVED: u64 = 300;

/// The numbers of one pid namespace, given out in turn.
///
/// The kernel looks from its cursor up for a number that is free, and puts the cursor behind it.
/// At `pid_max` it goes on from 300, or from 1 as long as the cursor has not passed 300. How long
/// ago a number was freed does not matter: where the cursor comes by next, it is taken.
///
/// Source: `alloc_pid` in `kernel/pid.c`, `idr_alloc_cyclic` in `lib/idr.c`.
#[derive(Clone, Debug)]
pub struct Linux {
    used: Used,
    cursor: u64,
}

impl Linux {
    /// A new namespace, in which numbers below `pid_max` are given out.
    pub fn new(pid_max: u64) -> Self {
        Self {
            used: Used::new(pid_max),
            cursor: 0,
        }
    }

    /// A namespace as it was found: `last` was given out last, and `used` are in use.
    pub fn resume(pid_max: u64, last: Number, used: impl IntoIterator<Item = Number>) -> Self {
        let mut found = Self::new(pid_max);
        found.cursor = last.0 + 1;
        for number in used {
            found.used.insert(number.0);
        }
        found
    }
}

impl Allocator for Linux {
    fn allocate(&mut self) -> Result<Number, Full> {
        let lowest = if self.cursor > RESERVED { RESERVED } else { 1 };
        let from_cursor = self.used.first_free(self.cursor.max(lowest));
        let free = from_cursor
            .or_else(|| self.used.first_free(lowest))
            .ok_or(Full)?;
        self.used.insert(free);
        self.cursor = free + 1;
        Ok(Number(free))
    }

    fn free(&mut self, number: Number) {
        self.used.remove(number.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(pids: &mut Linux, count: usize) -> Vec<u64> {
        let mut take = || pids.allocate().expect("a free number").0;
        (0..count).map(|_| take()).collect()
    }

    #[test]
    fn begins_with_1_and_goes_on_from_300_after_a_lap() {
        let mut pids = Linux::new(303);
        assert_eq!(take(&mut pids, 302), (1..=302).collect::<Vec<_>>());
        pids.free(Number(299));
        assert_eq!(pids.allocate(), Err(Full), "299 is never given again");
        pids.free(Number(301));
        pids.free(Number(300));
        assert_eq!(take(&mut pids, 2), [300, 301]);
    }

    #[test]
    fn the_number_freed_last_may_be_the_next_one() {
        let mut pids = Linux::resume(310, Number(304), [Number(305)]);
        pids.free(Number(305));
        assert_eq!(take(&mut pids, 1), [305]);
    }

    #[test]
    fn starts_over_from_1_while_the_cursor_has_not_passed_300() {
        let used = (2..301).map(Number);
        let mut pids = Linux::resume(301, Number(299), used);
        assert_eq!(take(&mut pids, 1), [1]);
    }
}
