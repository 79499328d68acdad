//! How many others are started before a number comes again.

use std::collections::HashMap;

use crate::{Allocator, Full, Number};

/// An allocator whose uses of numbers are counted.
///
/// The distance of a use is how many other processes were started since the number was freed: 0
/// where the very next process gets it.
#[derive(Debug)]
pub struct Distance<A> {
    allocator: A,
    started: u64,
    freed: HashMap<Number, u64>,
}

impl<A: Allocator> Distance<A> {
    /// Counts what `allocator` does from now on.
    pub fn new(allocator: A) -> Self {
        Self {
            allocator,
            started: 0,
            freed: HashMap::new(),
        }
    }

    /// Starts a process; says its number, and its distance if it had been freed.
    ///
    /// # Errors
    ///
    /// The allocator is full.
    pub fn allocate(&mut self) -> Result<(Number, Option<u64>), Full> {
        let number = self.allocator.allocate()?;
        let freed = self.freed.remove(&number);
        let distance = freed.map(|at| self.started - at);
        self.started += 1;
        Ok((number, distance))
    }

    /// Reaps the process that has `number`.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn free(&mut self, number: Number) {
        self.allocator.free(number);
        self.freed.insert(number, self.started);
    }

    /// Returns the allocator.
    pub fn allocator(&self) -> &A {
        &self.allocator
    }

    /// Returns how many processes were started.
    pub fn started(&self) -> u64 {
        self.started
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Linux;

    #[test]
    fn counts_the_others_between_a_free_and_the_next_use() {
        let mut pids = Distance::new(Linux::resume(303, Number(299), []));
        let (first, distance) = pids.allocate().expect("300 is free");
        assert_eq!((first, distance), (Number(300), None));
        pids.free(first);
        for other in [301, 302] {
            assert_eq!(pids.allocate(), Ok((Number(other), None)));
        }
        assert_eq!(pids.allocate(), Ok((Number(300), Some(2))));
    }
}
