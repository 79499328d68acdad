//! Places for values, with keys that are never given out twice.

/// The key of a member of a [`WaitSet`](crate::WaitSet). A key is never given out twice by one
/// set (it holds for four billion members in one place).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    pub(crate) fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(crate) fn from_u64(raw: u64) -> Self {
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Self {
            index: half(raw),
            generation: half(raw >> 32),
        }
    }

    fn at(self) -> usize {
        // No platform of Linux's has pointers of fewer than 32 bits.
        usize::try_from(self.index).unwrap_or(usize::MAX)
    }
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// A vector whose places are used again, under a new generation each time.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slots<T> {
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the key that the next [`insert`](Self::insert) will give.
    pub(crate) fn next_key(&self) -> Key {
        match self.free.last() {
            Some(&index) => {
                let at = Key {
                    index,
                    generation: 0,
                }
                .at();
                Key {
                    index,
                    generation: self.slots[at].generation,
                }
            }
            // Descriptors are numbered by `int`, so a set never has so many members.
            None => Key {
                index: u32::try_from(self.slots.len()).unwrap_or(u32::MAX),
                generation: 0,
            },
        }
    }

    pub(crate) fn insert(&mut self, value: T) -> Key {
        let key = self.next_key();
        match self.free.pop() {
            Some(_) => self.slots[key.at()].value = Some(value),
            None => self.slots.push(Slot {
                generation: 0,
                value: Some(value),
            }),
        }
        key
    }

    /// Returns a value; `None` for a key whose value was taken out.
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(key.at())?;
        slot.value
            .as_ref()
            .filter(|_| slot.generation == key.generation)
    }

    /// Takes a value out; `None` for a key whose value was taken out before.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self
            .slots
            .get_mut(key.at())
            .filter(|slot| slot.generation == key.generation)?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    pub(crate) fn into_entries(self) -> Vec<(Key, T)> {
        let entry = |(at, slot): (usize, Slot<T>)| {
            let index = u32::try_from(at).ok()?;
            Some((
                Key {
                    index,
                    generation: slot.generation,
                },
                slot.value?,
            ))
        };
        self.slots
            .into_iter()
            .enumerate()
            .filter_map(entry)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_one_value_once() {
        let mut slots = Slots::default();
        let first = slots.insert("a");
        assert_eq!(slots.remove(first), Some("a"));
        let second = slots.insert("b");
        assert_ne!(first, second, "the place is the same, the key is not");
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.len(), 1);
        assert_eq!(slots.into_entries(), vec![(second, "b")]);
    }

    #[test]
    fn keys_survive_the_kernel() {
        let key = Key {
            index: 7,
            generation: 9,
        };
        assert_eq!(Key::from_u64(key.to_u64()), key);
    }
}
