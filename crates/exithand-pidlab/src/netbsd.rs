//! NetBSD: the slot that has been free longest, with a higher number than last time.

use crate::number::index;
use crate::{Allocator, Full, Number};

/// How many slots there are at boot, a power of two as ever after.
const FIRST_SIZE: u64 = 32;
/// Where numbers begin again, until the table is larger than this.
const PID_MAX: u64 = 30_000;

/// A table whose slots are indexed by the low bits of numbers.
///
/// Free slots form a queue: the one freed longest ago is taken next, and its number is the one it
/// had last plus the table's size. Beyond the maximum it starts over, with the number of the slot.
/// When 15 of 16 slots are in use the table doubles, so that slots wait in the queue for a while.
///
/// Source: `proc_alloc_pid`, `proc_free_pid` and `expand_pid_table` in `sys/kern/kern_proc.c`, as
/// of 1.221 (2018). In NetBSD 10 threads share the table; the arithmetic is the same.
#[derive(Clone, Debug)]
pub struct NetBsd {
    slots: Vec<Slot>,
    first_free: u64,
    last_free: u64,
    in_use: u64,
    /// In use, when the table doubles.
    most: u64,
    pid_max: u64,
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    Used(u64),
    /// `high` are the high bits of the last number; `next` is the next slot in the queue.
    Free {
        high: u64,
        next: Option<u64>,
    },
}

impl NetBsd {
    /// The table at boot, with process 0 in the first slot.
    pub fn new() -> Self {
        // So high that the first number of each slot is beyond the maximum: it starts over.
        let high = (PID_MAX + FIRST_SIZE) & !(FIRST_SIZE - 1);
        let free = |slot| Slot::Free {
            high,
            next: Some(slot + 1).filter(|next| *next < FIRST_SIZE),
        };
        Self {
            slots: [Slot::Used(0)]
                .into_iter()
                .chain((1..FIRST_SIZE).map(free))
                .collect(),
            first_free: 1,
            last_free: FIRST_SIZE - 1,
            in_use: 0,
            most: FIRST_SIZE - 2,
            pid_max: PID_MAX,
        }
    }

    /// Returns the number of slots.
    pub fn size(&self) -> u64 {
        u64::try_from(self.slots.len()).unwrap_or(u64::MAX)
    }

    /// Returns how many processes there may be before the next start doubles the table.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// Says whether a process has this number: one look at the slot that its low bits name.
    pub fn is_alive(&self, number: Number) -> bool {
        let slot = &self.slots[index(number.0 & (self.size() - 1))];
        matches!(slot, Slot::Used(used) if *used == number.0)
    }

    /// Returns how many others are started at least between the end of a process and the next use
    /// of its number, in a table of `size` slots that does not double meanwhile.
    pub fn least_distance(size: u64) -> u64 {
        let (numbers, waiting) = if size > PID_MAX {
            (2, 1024)
        } else {
            // The last slot has the fewest numbers.
            ((PID_MAX + 1) / size, size / 16)
        };
        numbers * waiting - 1
    }

    /// Doubles the table. A process keeps its number and stays where its low bits, now one more,
    /// point; the other half of its slot is free. So are both halves of a free slot.
    ///
    /// The new free slots are put before the old ones in the queue, the lowest first.
    fn double(&mut self) {
        let size = self.size();
        let mut slots = self.slots.repeat(2);
        for slot in (0..size).rev() {
            let (half, kept, high) = match self.slots[index(slot)] {
                Slot::Used(number) => (number & size, Slot::Used(number), number & !(size - 1)),
                Slot::Free { high, next } => {
                    let high = (high + size) & !size;
                    (0, Slot::Free { high, next }, high)
                }
            };
            let other = slot + (half ^ size);
            slots[index(slot + half)] = kept;
            slots[index(other)] = Slot::Free {
                high: high & !size,
                next: Some(self.first_free),
            };
            self.first_free = other;
        }
        self.slots = slots;
        if size * 2 > PID_MAX + 1 {
            self.pid_max = size * 4 - 1;
            self.most |= self.most << 1;
        } else {
            self.most <<= 1;
        }
    }
}

impl Default for NetBsd {
    fn default() -> Self {
        Self::new()
    }
}

impl Allocator for NetBsd {
    fn allocate(&mut self) -> Result<Number, Full> {
        while self.in_use >= self.most {
            self.double();
        }
        let slot = self.first_free;
        let Slot::Free {
            high,
            next: Some(next),
        } = self.slots[index(slot)]
        else {
            unreachable!("one slot of sixteen is free");
        };
        let mut number = high + self.size() + slot;
        if number > self.pid_max {
            number = slot;
        }
        self.slots[index(slot)] = Slot::Used(number);
        self.first_free = next;
        self.in_use += 1;
        Ok(Number(number))
    }

    fn free(&mut self, number: Number) {
        assert!(self.is_alive(number), "{number} is in use");
        let mask = self.size() - 1;
        let slot = number.0 & mask;
        self.slots[index(slot)] = Slot::Free {
            high: number.0 & !mask,
            next: None,
        };
        if let Slot::Free { next, .. } = &mut self.slots[index(self.last_free)] {
            *next = Some(slot);
        }
        self.last_free = slot;
        self.in_use -= 1;
    }
}
