//! The choice of the victim: a pure function of a snapshot.
//!
//! The least important class first. Inside a class the smallest process that covers what is
//! needed, else the largest. Of two that are about as large the faster growing one.
//!
//! What is needed counts growth, as does what a candidate gives: who eats the memory now covers more
//! than somebody who was as large all day, and killing the latter would buy a moment only.

use std::cmp::Reverse;

use crate::candidate::Candidate;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Need {
    /// What has to come back now.
    pub deficit_bytes: u64,
    /// What will have been taken within the horizon.
    pub growth_bytes: u64,
    /// The horizon, in milliseconds.
    pub horizon_ms: u64,
    /// The smallest process worth killing.
    pub min_victim_bytes: u64,
}

impl Need {
    /// Returns all that has to be covered.
    pub fn bytes(&self) -> u64 {
        self.deficit_bytes.saturating_add(self.growth_bytes)
    }
}

/// How many candidates are told of.
pub const SHOWN: usize = 5;

/// The best candidates, the victim first; indices into the snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ranking {
    places: [usize; SHOWN],
    count: usize,
}

impl Ranking {
    /// Returns the indices, best first.
    pub fn as_slice(&self) -> &[usize] {
        &self.places[..self.count]
    }

    /// Puts another candidate before all others.
    pub fn lead(&mut self, index: usize) {
        let found = self.as_slice().iter().position(|it| *it == index);
        self.count = found.map_or(self.count + 1, |_| self.count).min(SHOWN);
        let last = found.unwrap_or(self.count - 1);
        self.places.copy_within(..last, 1);
        self.places[0] = index;
    }

    /// Returns the index of the victim.
    pub fn first(&self) -> Option<usize> {
        self.as_slice().first().copied()
    }
}

/// Says whether killing `candidate` is worth it at all.
pub fn is_eligible(candidate: &Candidate, need: &Need) -> bool {
    let relief = candidate.relief_bytes(0);
    candidate.spared.is_none()
        && relief >= need.min_victim_bytes
        && relief > 0
        && relief.saturating_mul(50) >= need.deficit_bytes
}

/// The place of a candidate: the smaller, the sooner.
fn place(candidate: &Candidate, need: &Need) -> impl Ord + use<> {
    let relief = candidate.relief_bytes(need.horizon_ms);
    let covers = relief >= need.bytes();
    let (smallest, largest) = if covers {
        (bucket(relief), Reverse(0))
    } else {
        (0, Reverse(relief))
    };
    (
        candidate.class,
        !covers,
        smallest,
        largest,
        Reverse(candidate.growth_bytes),
        relief,
        Reverse(candidate.oom_score_adj),
        Reverse(candidate.identity.pid),
    )
}

/// Sizes within an eighth of each other are about as large.
fn bucket(bytes: u64) -> u32 {
    let exponent = bytes.checked_ilog2().unwrap_or(0);
    let eighths = if exponent >= 3 {
        (bytes >> (exponent - 3)) & 7
    } else {
        0
    };
    exponent * 8 + u32::try_from(eighths).unwrap_or(0)
}

/// Ranks the best of `candidates`; empty if none may, or is worth to, be killed.
pub fn rank(candidates: &[Candidate], need: &Need) -> Ranking {
    let mut ranking = Ranking::default();
    for (index, candidate) in candidates.iter().enumerate() {
        if !is_eligible(candidate, need) {
            continue;
        }
        let better = |other: &usize| place(candidate, need) < place(&candidates[*other], need);
        let at = ranking
            .as_slice()
            .iter()
            .position(better)
            .unwrap_or(ranking.count);
        if at < SHOWN {
            ranking.count = (ranking.count + 1).min(SHOWN);
            ranking.places.copy_within(at..ranking.count - 1, at + 1);
            ranking.places[at] = index;
        }
    }
    ranking
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::candidate::{Identity, Spared};
    use crate::name::Name;
    use crate::reading::TermHandling;

    const MIB: u64 = 1 << 20;

    pub(crate) fn process(pid: u32, class: u8, mib: u64) -> Candidate {
        Candidate {
            identity: Identity {
                pid,
                mark: u64::from(pid),
            },
            parent: 1,
            uid: 0,
            name: Name::new(b"test"),
            oom_score_adj: 0,
            class,
            spared: None,
            memory_bytes: mib * MIB,
            swap_bytes: 0,
            shared_bytes: 0,
            growth_bytes: 0,
            term: TermHandling::Default,
            cgroup: 0,
            as_unit: false,
        }
    }

    fn need(mib: u64) -> Need {
        Need {
            deficit_bytes: mib * MIB,
            growth_bytes: 0,
            horizon_ms: 2000,
            min_victim_bytes: MIB,
        }
    }

    fn victim(candidates: &[Candidate], need: &Need) -> Option<u32> {
        let first = rank(candidates, need).first();
        first.map(|index| candidates[index].identity.pid)
    }

    #[test]
    fn chooses_as_the_rule_says() {
        let table: [(&str, &[Candidate], u64, Option<u32>); 7] = [
            ("nobody is there", &[], 10, None),
            (
                "the smallest that covers",
                &[process(1, 2, 900), process(2, 2, 300), process(3, 2, 100)],
                200,
                Some(2),
            ),
            (
                "else the largest",
                &[process(1, 2, 90), process(2, 2, 30)],
                200,
                Some(1),
            ),
            (
                "the class goes before the size",
                &[process(1, 2, 900), process(2, 1, 30)],
                200,
                Some(2),
            ),
            (
                "not for next to nothing",
                &[process(1, 2, 900), process(2, 1, 3)],
                200,
                Some(1),
            ),
            ("none too small", &[process(1, 2, 0)], 0, None),
            (
                "exactly enough covers",
                &[process(1, 2, 200), process(2, 2, 800)],
                200,
                Some(1),
            ),
        ];
        for (what, candidates, mib, expected) in table {
            assert_eq!(victim(candidates, &need(mib)), expected, "{what}");
        }
    }

    #[test]
    fn spares_a_protected_process_however_large() {
        let mut large = process(1, 1, 9000);
        large.spared = Some(Spared::Rule);
        assert_eq!(victim(&[large, process(2, 2, 300)], &need(200)), Some(2));
        assert_eq!(victim(&[large], &need(200)), None);
    }

    #[test]
    fn whoever_grows_covers_more_than_whoever_does_not() {
        let mut hog = process(1, 2, 2000);
        hog.growth_bytes = 500 * MIB;
        let bystander = process(2, 2, 400);
        let growing = Need {
            growth_bytes: 1000 * MIB,
            ..need(300)
        };
        assert_eq!(victim(&[bystander, hog], &growing), Some(1));
        assert_eq!(
            victim(&[bystander, hog], &need(300)),
            Some(2),
            "nothing grows"
        );
    }

    #[test]
    fn growth_breaks_ties() {
        let mut growing = process(2, 2, 410);
        growing.growth_bytes = 1;
        assert_eq!(victim(&[process(1, 2, 400), growing], &need(300)), Some(2));
    }

    #[test]
    fn ranks_five() {
        let many: Vec<_> = (1..=9)
            .map(|pid| process(pid, 2, u64::from(pid) * 100))
            .collect();
        let ranking = rank(&many, &need(450));
        let pids: Vec<_> = ranking
            .as_slice()
            .iter()
            .map(|it| many[*it].identity.pid)
            .collect();
        assert_eq!(pids, [5, 6, 7, 8, 9]);
    }

    #[test]
    fn whoever_leads_goes_before_the_others() {
        let many: Vec<_> = (1..=4)
            .map(|pid| process(pid, 2, u64::from(pid) * 100))
            .collect();
        let mut ranking = rank(&many, &need(50));
        ranking.lead(2);
        assert_eq!(ranking.as_slice(), [2, 0, 1, 3]);
        ranking.lead(7);
        ranking.lead(8);
        assert_eq!(ranking.as_slice(), [8, 7, 2, 0, 1]);
    }

    prop_compose! {
        fn any_process()(
            pid in 1_u32..9,
            class in 0_u8..4,
            mib in 0_u64..2000,
            growth in 0_u64..(64 << 20),
            spared in any::<bool>(),
        ) -> Candidate {
            let mut it = process(pid, class, mib);
            it.growth_bytes = growth;
            it.spared = spared.then_some(Spared::Rule);
            it
        }
    }

    proptest! {
        #[test]
        fn the_victim_is_what_the_rule_says(
            candidates in prop::collection::vec(any_process(), 0..20),
            deficit in 0_u64..3000,
        ) {
            let need = need(deficit);
            let eligible: Vec<_> =
                candidates.iter().filter(|it| is_eligible(it, &need)).collect();
            let Some(victim) = rank(&candidates, &need).first() else {
                prop_assert!(eligible.is_empty());
                return Ok(());
            };
            let victim = &candidates[victim];
            prop_assert!(victim.spared.is_none());
            let class: Vec<_> = eligible.iter().filter(|it| it.class == victim.class).collect();
            prop_assert!(eligible.iter().all(|it| it.class >= victim.class));
            let relief = |it: &Candidate| it.relief_bytes(need.horizon_ms);
            let smallest_covering =
                class.iter().filter(|it| relief(it) >= need.bytes()).map(|it| relief(it)).min();
            match smallest_covering {
                Some(smallest) => {
                    prop_assert!(relief(victim) >= need.bytes());
                    prop_assert!(relief(victim) - smallest <= smallest / 8);
                }
                None => prop_assert!(class.iter().all(|it| relief(it) <= relief(victim))),
            }
        }
    }
}
