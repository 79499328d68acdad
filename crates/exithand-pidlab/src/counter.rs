//! A number that only grows, as the pidfs inode of a process does.

use std::collections::HashSet;

use crate::{Allocator, Full, Number};

/// Gives each process the next of 2^64 numbers and never one twice.
#[derive(Clone, Debug, Default)]
pub struct Counter {
    last: u64,
    used: HashSet<Number>,
}

impl Allocator for Counter {
    fn allocate(&mut self) -> Result<Number, Full> {
        self.last = self.last.checked_add(1).ok_or(Full)?;
        self.used.insert(Number(self.last));
        Ok(Number(self.last))
    }

    fn free(&mut self, number: Number) {
        assert!(self.used.remove(&number), "{number} is in use");
    }
}
