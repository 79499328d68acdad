//! Which numbers are in use.

use crate::number::index;

const WORD: u64 = 64;

/// A bit for each number below a limit.
#[derive(Clone, Debug)]
pub(crate) struct Used {
    words: Vec<u64>,
    limit: u64,
}

impl Used {
    /// All numbers below `limit`, none of them in use.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            words: vec![0; index(limit.div_ceil(WORD))],
            limit,
        }
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        number < self.limit && self.words[index(number / WORD)] >> (number % WORD) & 1 == 1
    }

    pub(crate) fn insert(&mut self, number: u64) {
        self.words[index(number / WORD)] |= 1 << (number % WORD);
    }

    /// # Panics
    ///
    /// If `number` is not in use.
    pub(crate) fn remove(&mut self, number: u64) {
        assert!(self.contains(number), "{number} is in use");
        self.words[index(number / WORD)] &= !(1 << (number % WORD));
    }

    /// Returns the lowest number from `from` up that is not in use.
    pub(crate) fn first_free(&self, from: u64) -> Option<u64> {
        let mut at = from;
        while at < self.limit {
            let taken = self.words[index(at / WORD)] >> (at % WORD);
            let skipped = u64::from(taken.trailing_ones());
            let left_in_word = WORD - at % WORD;
            if skipped < left_in_word {
                return Some(at + skipped).filter(|free| *free < self.limit);
            }
            at += left_in_word;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_next_free_number_across_words() {
        let mut used = Used::new(200);
        for number in 60..=130 {
            used.insert(number);
        }
        for (from, free) in [
            (0, Some(0)),
            (59, Some(59)),
            (60, Some(131)),
            (64, Some(131)),
            (130, Some(131)),
            (199, Some(199)),
            (200, None),
        ] {
            assert_eq!(used.first_free(from), free, "from {from}");
        }
        used.remove(70);
        assert_eq!(used.first_free(60), Some(70));
        used.insert(199);
        assert_eq!(used.first_free(199), None);
    }
}
