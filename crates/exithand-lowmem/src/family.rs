//! Who keeps starting whoever is killed again and again.
//!
//! Of a bomb of children each kill buys a moment only, and so it is with the workers of a server that
//! replaces them. They have one name, from the first of their line on, and end together. A supervisor
//! has another name than what it starts, and is left alone.

use std::time::Duration;

use crate::candidate::Candidate;
use crate::decide::Why;

/// How many generations are looked at.
pub(crate) const GENERATIONS: usize = 32;

/// Whose turn it is, once somebody was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Whoever was chosen.
    Chosen,
    /// The first of its line, with all the others.
    Family {
        /// Its index.
        head: usize,
    },
    /// Nobody's: the chosen one is left alone, and nobody dies in its stead.
    Nobody {
        /// Until then.
        until: Duration,
    },
}

/// Says who dies if `candidates[chosen]` would have to, which is left alone until `left_alone`, if it is.
pub fn turn(
    candidates: &[Candidate],
    chosen: usize,
    left_alone: Option<Duration>,
    why: Why,
) -> Turn {
    let Some(until) = left_alone else {
        return Turn::Chosen;
    };
    match head(candidates, chosen) {
        Some(head) => Turn::Family { head },
        None if why == Why::Floor => Turn::Chosen,
        None => Turn::Nobody { until },
    }
}

/// Finds the first of a candidate's line: the farthest ancestor of the same name and user that may
/// be killed, and is no more important. `None` if that is the candidate itself.
pub fn head(candidates: &[Candidate], of: usize) -> Option<usize> {
    let child = &candidates[of];
    let parent = |of: &usize| {
        let is_kin = |it: &Candidate| {
            it.identity.pid == candidates[*of].parent
                && it.name == child.name
                && it.uid == child.uid
                && it.class <= child.class
                && !it.stays()
        };
        candidates.iter().position(is_kin)
    };
    let line = std::iter::successors(parent(&of), parent);
    line.take(GENERATIONS).last().filter(may_die(candidates))
}

fn may_die(candidates: &[Candidate]) -> impl Fn(&usize) -> bool {
    |it| candidates[*it].spared.is_none()
}

/// Finds the descendants of `head` that have its name and may be killed. Returns how many found room
/// in `out`.
pub fn members(candidates: &[Candidate], head: usize, out: &mut [usize]) -> usize {
    let namesake = |it: &usize| candidates[*it].name == candidates[head].name;
    let descends = |it: &usize| self::head(candidates, *it) == Some(head);
    let all = (0..candidates.len()).filter(may_die(candidates));
    let found = all.filter(namesake).filter(descends);
    let mut count = 0;
    for (place, member) in out.iter_mut().zip(found) {
        *place = member;
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidate::Spared;
    use crate::choose::tests::process;
    use crate::config::Config;
    use crate::limit::{Kill, Limiter};
    use crate::name::Name;
    use crate::policy::Policy;

    fn child(pid: u32, parent: u32) -> Candidate {
        Candidate {
            parent,
            ..process(pid, 2, 50)
        }
    }

    /// A bomb with two children and a grandchild, its shell, and a stranger.
    fn bomb() -> Vec<Candidate> {
        let shell = Candidate {
            name: Name::new(b"shell"),
            ..child(1, 0)
        };
        vec![
            shell,
            child(2, 1),
            child(3, 2),
            child(4, 2),
            child(5, 4),
            child(9, 1),
        ]
    }

    #[test]
    fn whoever_is_killed_again_and_again_takes_its_family_along_or_is_left_alone() {
        let policy = Policy::new(&Config::default(), 16 << 30);
        let now = Duration::from_secs(9);
        let mut limiter = Limiter::default();
        let bomb = bomb();
        let turn = |limiter: &Limiter, of: usize, why| {
            turn(&bomb, of, limiter.left_alone(bomb[of].name, now), why)
        };
        assert_eq!(turn(&limiter, 2, Why::LowMemory), Turn::Chosen);
        for mark in 1..=3 {
            let (name, newest) = (bomb[2].name, mark);
            limiter.killed(Kill { name, mark, newest }, now, &policy);
        }
        assert_eq!(turn(&limiter, 2, Why::LowMemory), Turn::Family { head: 1 });
        assert_eq!(turn(&limiter, 2, Why::Floor), Turn::Family { head: 1 });
        let until = now + policy.tuning.loop_backoff;
        assert_eq!(turn(&limiter, 5, Why::LowMemory), Turn::Nobody { until });
        assert_eq!(turn(&limiter, 5, Why::Floor), Turn::Chosen);
        assert_eq!(turn(&limiter, 0, Why::LowMemory), Turn::Chosen, "the shell");
    }

    fn all_of(candidates: &[Candidate], head: usize) -> Vec<usize> {
        let mut room = [0; 8];
        let count = members(candidates, head, &mut room);
        room[..count].to_vec()
    }

    #[test]
    fn a_family_ends_with_the_first_of_its_name() {
        let bomb = bomb();
        for (of, expected) in [(1, None), (2, Some(1)), (4, Some(1)), (5, None), (0, None)] {
            assert_eq!(head(&bomb, of), expected, "{of}");
        }
        assert_eq!(all_of(&bomb, 1), [2, 3, 4]);
    }

    #[test]
    fn nobody_spared_or_more_important_or_of_another_user_is_the_head() {
        let changes: [fn(&mut Candidate); 3] = [
            |it| it.spared = Some(Spared::Rule),
            |it| it.class = 3,
            |it| it.uid = 7,
        ];
        for change in changes {
            let mut bomb = bomb();
            change(&mut bomb[1]);
            assert_eq!(head(&bomb, 2), None);
            assert_eq!(head(&bomb, 4), Some(3), "the line begins later");
        }
    }

    #[test]
    fn whoever_dies_already_is_no_member_but_a_link() {
        let mut bomb = bomb();
        bomb[3].spared = Some(Spared::InFlight);
        assert_eq!(all_of(&bomb, 1), [2, 4]);
        bomb[1].spared = Some(Spared::InFlight);
        assert_eq!(head(&bomb, 2), None, "the head dies already");
    }

    #[test]
    fn parents_that_go_round_in_a_circle_end_the_search() {
        // A table is not read at one moment, so a pid may have passed on.
        let circle = [child(2, 3), child(3, 2)];
        assert!(head(&circle, 0).is_some());
        let room: &mut [usize] = &mut [];
        assert_eq!(members(&circle, 0, room), 0);
    }
}
