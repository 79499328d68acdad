//! The victims in flight: what each still owes, and whether it gets on with dying.
//!
//! Only the handle says that a process is gone. State `Z`, an empty `statm` and the like come while
//! the memory is still on its way back.

use std::time::Duration;

use crate::candidate::Identity;
use crate::name::Name;
use crate::policy::Policy;

/// The most victims there can be at once, stuck ones included.
pub const ROOM: usize = 32;

/// Victims smaller than this say nothing about how fast memory comes back.
const TELLING_BYTES: u64 = 64 << 20;

/// How far a victim has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It was asked to end, and may take until then.
    Asked {
        /// When it is killed.
        until: Duration,
    },
    /// It was killed.
    Killed,
    /// Its memory was released; it is not gone yet. What its own end had taken hold of before is
    /// back only a moment later, so what it owes is still counted on for that long.
    Released,
}

/// A process that is to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Victim {
    /// Which process it is.
    pub identity: Identity,
    /// Its name.
    pub name: Name,
    /// The decision it is a part of: a whole cgroup is one.
    pub decision: u64,
    /// How far it has come.
    pub stage: Stage,
    /// What is to come back.
    pub expected_bytes: u64,
    /// What has been seen to come back.
    pub returned_bytes: u64,
    /// When the decision fell.
    pub decided_at: Duration,
    /// When the last signal went out.
    pub signalled_at: Duration,
    /// When its memory was back.
    pub released_at: Option<Duration>,
    /// When it last gave something back.
    pub progress_at: Duration,
    /// Whether all of it is taken to be back, seen or not.
    pub settled: bool,
    /// Whether its deadline passed without progress. Its credit is gone; its handle stays open.
    pub stuck: bool,
    /// Whether others of its decision have the same memory. It comes back with the last of them, and
    /// is owed by one.
    pub shares: bool,
}

impl Victim {
    /// Returns what it still owes.
    pub fn owed_bytes(&self) -> u64 {
        if self.stuck || self.settled {
            return 0;
        }
        self.unseen_bytes()
    }

    /// Returns what was not seen to come back from it.
    fn unseen_bytes(&self) -> u64 {
        self.expected_bytes.saturating_sub(self.returned_bytes)
    }
}

/// All victims in flight.
#[derive(Debug, Clone)]
pub struct Ledger {
    slots: [Option<Victim>; ROOM],
    last_available: Option<u64>,
    rate_bytes: u64,
}

impl Ledger {
    /// Makes an empty one that expects memory to come back at `rate_bytes` a second.
    pub fn new(rate_bytes: u64) -> Self {
        Self {
            slots: [None; ROOM],
            last_available: None,
            rate_bytes: rate_bytes.max(1),
        }
    }

    /// Takes in a victim; `None` where there is no room, or it is there already.
    pub fn admit(&mut self, victim: Victim) -> Option<usize> {
        if self.contains(victim.identity) {
            return None;
        }
        let slot = self.slots.iter().position(Option::is_none)?;
        self.slots[slot] = Some(victim);
        Some(slot)
    }

    /// Says whether this process is a victim already.
    pub fn contains(&self, identity: Identity) -> bool {
        self.find(identity).is_some()
    }

    /// Returns the slot of a process that is a victim.
    pub fn find(&self, identity: Identity) -> Option<usize> {
        let mut victims = self.iter();
        let found = victims.find(|(_, victim)| victim.identity == identity);
        found.map(|(slot, _)| slot)
    }

    /// Returns the victim in a slot.
    pub fn get(&self, slot: usize) -> Option<&Victim> {
        self.slots.get(slot)?.as_ref()
    }

    /// Returns all victims and their slots.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Victim)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(slot, victim)| Some((slot, victim.as_ref()?)))
    }

    /// Counts those whose memory is still being waited for.
    pub fn in_flight(&self) -> usize {
        let waits = |victim: &Victim| !victim.stuck && !victim.settled;
        self.iter().filter(|(_, victim)| waits(victim)).count()
    }

    /// Returns what all victims still owe.
    pub fn owed_bytes(&self) -> u64 {
        self.iter().fold(0, |sum, (_, victim)| {
            sum.saturating_add(victim.owed_bytes())
        })
    }

    /// Returns how fast memory is expected to come back, in bytes a second.
    pub fn rate_bytes(&self) -> u64 {
        self.rate_bytes
    }

    /// Returns when a victim is late, unless it shows progress.
    fn deadline(&self, victim: &Victim, base: Duration) -> Duration {
        let nanos = u128::from(victim.expected_bytes) * 1_000_000_000 / u128::from(self.rate_bytes);
        let teardown = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let by_size = victim
            .signalled_at
            .saturating_add(base)
            .saturating_add(teardown);
        by_size.max(victim.progress_at.saturating_add(base))
    }

    /// Takes in how much memory is available now: a rise is what victims gave back.
    ///
    /// Others take memory meanwhile, so this is at most what came back, and what is owed is never
    /// taken for less than it is. What they take while nothing rises shows in what is available.
    pub fn sample(&mut self, now: Duration, available_bytes: u64) {
        let last = self.last_available.replace(available_bytes);
        let mut rise = available_bytes.saturating_sub(last.unwrap_or(available_bytes));
        let waiting = self.slots.iter_mut().flatten();
        for victim in waiting.filter(|it| it.owed_bytes() > 0) {
            let part = rise.min(victim.owed_bytes());
            if part > 0 {
                victim.returned_bytes += part;
                victim.progress_at = now;
                rise -= part;
            }
        }
    }

    /// Finds a victim that has just become late, and takes its credit away. One that `has_ended` by
    /// what its handle says was in time, and is only not seen to be yet.
    pub fn find_stuck(
        &mut self,
        now: Duration,
        base: Duration,
        has_ended: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let late = |victim: &Victim| {
            victim.stage == Stage::Killed && !victim.stuck && self.deadline(victim, base) <= now
        };
        let is_stuck = |(slot, victim): &(usize, &Victim)| late(victim) && !has_ended(*slot);
        let (slot, _) = self.iter().find(is_stuck)?;
        self.slots[slot].as_mut()?.stuck = true;
        Some(slot)
    }

    /// Takes the memory of victims that was released a while ago to be back.
    pub fn settle(&mut self, now: Duration, base: Duration) {
        for slot in 0..ROOM {
            let over = |at: Duration| at.saturating_add(base) <= now;
            let settles =
                |victim: &&mut Victim| !victim.settled && victim.released_at.is_some_and(over);
            let Some(victim) = self.slots[slot].as_mut().filter(settles) else {
                continue;
            };
            victim.settled = true;
            let unseen = victim.unseen_bytes();
            self.take_back(unseen);
        }
    }

    /// Takes back what others were credited with: `bytes` of it came from a victim that is done.
    ///
    /// Which victim a rise came from is not to be seen, only that it was one of them.
    fn take_back(&mut self, mut bytes: u64) {
        let waiting = |victim: &&mut Victim| !victim.settled && !victim.stuck;
        for victim in self.slots.iter_mut().flatten().filter(waiting) {
            let part = bytes.min(victim.returned_bytes);
            victim.returned_bytes -= part;
            bytes -= part;
        }
    }

    /// Finds a victim that was asked to end, and has had its time.
    pub fn find_overdue(&self, now: Duration) -> Option<usize> {
        let overdue =
            |victim: &Victim| matches!(victim.stage, Stage::Asked { until } if until <= now);
        self.iter()
            .find(|(_, it)| overdue(it))
            .map(|(slot, _)| slot)
    }

    /// Finds a victim that was only asked to end.
    pub fn find_asked(&self) -> Option<usize> {
        let asked = |victim: &Victim| matches!(victim.stage, Stage::Asked { .. });
        self.iter().find(|(_, it)| asked(it)).map(|(slot, _)| slot)
    }

    /// Notes that a victim is being killed now.
    pub fn killed(&mut self, slot: usize, now: Duration) {
        if let Some(victim) = self.slots.get_mut(slot).and_then(Option::as_mut) {
            victim.stage = Stage::Killed;
            victim.signalled_at = now;
            victim.progress_at = now;
        }
    }

    /// Notes that the memory of a victim is back.
    pub fn released(&mut self, slot: usize, now: Duration) {
        let Some(victim) = self.slots.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        if victim.released_at.is_some() {
            return;
        }
        victim.stage = Stage::Released;
        victim.released_at = Some(now);
        let took = now.saturating_sub(victim.signalled_at);
        let seen = u128::from(victim.expected_bytes) * 1_000_000_000 / took.as_nanos().max(1);
        if victim.expected_bytes >= TELLING_BYTES && !victim.stuck {
            let seen = u64::try_from(seen)
                .unwrap_or(u64::MAX)
                .clamp(64 << 20, 16 << 30);
            self.rate_bytes = self.rate_bytes / 4 * 3 + seen / 4;
        }
    }

    /// Has what a victim owes be owed by another that has the same memory and is not gone.
    fn pass_on(&mut self, slot: usize) {
        let owes = |it: &Victim| it.shares && !it.settled;
        let Some(giver) = self.get(slot).copied().filter(owes) else {
            return;
        };
        let has_it = |it: &Victim| it.shares && it.decision == giver.decision;
        let others = self.slots.iter_mut().enumerate();
        let others = others.filter(|(other, _)| *other != slot);
        let heir = others
            .filter_map(|(_, it)| it.as_mut())
            .find(|it| has_it(it));
        let Some(heir) = heir else {
            return;
        };
        heir.expected_bytes = heir.expected_bytes.saturating_add(giver.unseen_bytes());
        if let Some(giver) = self.slots[slot].as_mut() {
            giver.expected_bytes = giver.returned_bytes;
        }
    }

    /// Closes the case of a victim that is gone, and returns what is known of it.
    pub fn gone(&mut self, slot: usize, now: Duration) -> Option<Victim> {
        self.pass_on(slot);
        let asked = matches!(self.get(slot)?.stage, Stage::Asked { .. });
        if !asked {
            self.released(slot, now);
        }
        let victim = self.slots.get_mut(slot)?.take()?;
        if !victim.settled {
            self.take_back(victim.unseen_bytes());
        }
        Some(victim)
    }

    /// Forgets a victim that did not die after all.
    pub fn forget(&mut self, slot: usize) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = None;
        }
    }

    /// Returns when something is to be looked at: a deadline, or the end of a grace.
    pub fn next_deadline(&self, policy: &Policy) -> Option<Duration> {
        let deadline = |victim: &Victim| match victim.stage {
            Stage::Asked { until } => Some(until),
            Stage::Killed if !victim.stuck => {
                Some(self.deadline(victim, policy.tuning.base_deadline))
            }
            Stage::Released if !victim.settled => {
                let at = victim.released_at?;
                Some(at.saturating_add(policy.tuning.base_deadline))
            }
            Stage::Killed | Stage::Released => None,
        };
        self.iter().filter_map(|(_, victim)| deadline(victim)).min()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    const GIB: u64 = 1 << 30;
    const BASE: Duration = Duration::from_millis(200);

    pub(crate) fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    pub(crate) fn victim(pid: u32, bytes: u64) -> Victim {
        Victim {
            identity: Identity { pid, mark: 7 },
            name: Name::new(b"hog"),
            decision: 1,
            stage: Stage::Killed,
            expected_bytes: bytes,
            returned_bytes: 0,
            decided_at: ms(0),
            signalled_at: ms(0),
            released_at: None,
            progress_at: ms(0),
            settled: false,
            stuck: false,
            shares: false,
        }
    }

    fn ledger() -> (Ledger, usize) {
        let mut ledger = Ledger::new(2 * GIB);
        let slot = ledger.admit(victim(1, 2 * GIB)).unwrap();
        ledger.sample(ms(0), GIB);
        (ledger, slot)
    }

    #[test]
    fn nobody_is_a_victim_twice() {
        let (mut ledger, _) = ledger();
        assert_eq!(ledger.admit(victim(1, 5)), None);
        assert!(ledger.admit(victim(2, 5)).is_some());
    }

    #[test]
    fn what_came_back_is_no_longer_owed() {
        let (mut ledger, slot) = ledger();
        assert_eq!(ledger.owed_bytes(), 2 * GIB);
        ledger.sample(ms(50), GIB + GIB / 2);
        assert_eq!(ledger.owed_bytes(), 2 * GIB - GIB / 2);
        ledger.sample(ms(60), GIB);
        assert_eq!(ledger.owed_bytes(), 2 * GIB - GIB / 2, "others took it");
        ledger.released(slot, ms(100));
        ledger.sample(ms(110), GIB + GIB / 2);
        assert_eq!(ledger.owed_bytes(), GIB, "the rest is on its way");
        ledger.settle(ms(299), BASE);
        assert_eq!(ledger.owed_bytes(), GIB);
        ledger.settle(ms(300), BASE);
        assert_eq!(ledger.owed_bytes(), 0);
        assert!(ledger.get(slot).is_some(), "released is not gone");
        let gone = ledger.gone(slot, ms(900)).unwrap();
        assert_eq!(gone.released_at, Some(ms(100)));
        assert_eq!(ledger.iter().count(), 0);
    }

    #[test]
    fn the_deadline_scales_with_the_size_and_progress_extends_it() {
        let (mut ledger, slot) = ledger();
        assert_eq!(
            ledger.find_stuck(ms(1100), BASE, |_| false),
            None,
            "2 GiB take a second, and 200 ms"
        );
        ledger.sample(ms(1100), 2 * GIB);
        assert_eq!(
            ledger.find_stuck(ms(1250), BASE, |_| false),
            None,
            "it gave something back at 1100"
        );
        let seen_late = ledger.find_stuck(ms(1300), BASE, |it| it == slot);
        assert_eq!(seen_late, None, "the loop is late, not the victim");
        assert_eq!(ledger.find_stuck(ms(1300), BASE, |_| false), Some(slot));
        assert_eq!(
            ledger.find_stuck(ms(1300), BASE, |_| false),
            None,
            "told once"
        );
        assert_eq!(ledger.owed_bytes(), 0);
        assert_eq!(ledger.in_flight(), 0);
        let late = ledger.gone(slot, ms(9000)).unwrap();
        assert!(late.stuck, "a late death is seen");
    }

    #[test]
    fn what_several_have_is_owed_until_the_last_of_them_is_gone() {
        let mut ledger = Ledger::new(GIB);
        let sharer = |pid, bytes| Victim {
            shares: true,
            ..victim(pid, bytes)
        };
        let slots =
            [sharer(1, GIB), sharer(2, 0), sharer(3, 0)].map(|it| ledger.admit(it).unwrap());
        let alone = ledger.admit(victim(4, 0)).unwrap();
        ledger.sample(ms(0), 0);
        for slot in [slots[0], alone, slots[2]] {
            ledger.gone(slot, ms(1)).unwrap();
            assert_eq!(ledger.owed_bytes(), GIB, "slot {slot}");
        }
        assert_eq!(ledger.rate_bytes(), GIB, "nothing came back yet");
        ledger.sample(ms(2), GIB / 4);
        assert_eq!(ledger.owed_bytes(), GIB / 4 * 3);
        ledger.gone(slots[1], ms(3)).unwrap();
        assert_eq!(ledger.owed_bytes(), 0);
    }

    #[test]
    fn what_one_gave_back_does_not_pay_for_another() {
        let mut ledger = Ledger::new(2 * GIB);
        ledger.sample(ms(0), 0);
        let first = ledger.admit(victim(1, GIB)).unwrap();
        let second = ledger.admit(victim(2, GIB)).unwrap();
        ledger.sample(ms(10), GIB);
        ledger.gone(second, ms(10));
        assert_eq!(ledger.owed_bytes(), GIB, "it was the second that gave");
        ledger.sample(ms(20), 2 * GIB);
        assert_eq!(ledger.owed_bytes(), 0);
        ledger.gone(first, ms(20));
    }

    #[test]
    fn small_victims_have_less_time() {
        let mut ledger = Ledger::new(2 * GIB);
        let slot = ledger.admit(victim(1, 20 << 20)).unwrap();
        assert_eq!(ledger.find_stuck(ms(211), BASE, |_| false), Some(slot));
    }

    #[test]
    fn whoever_was_asked_is_overdue_after_its_grace() {
        let mut ledger = Ledger::new(GIB);
        let asked = Victim {
            stage: Stage::Asked { until: ms(500) },
            ..victim(1, GIB)
        };
        let slot = ledger.admit(asked).unwrap();
        assert_eq!(ledger.owed_bytes(), GIB, "it is believed until then");
        assert_eq!(ledger.find_overdue(ms(499)), None);
        assert_eq!(
            ledger.find_stuck(ms(5000), BASE, |_| false),
            None,
            "it was not killed"
        );
        assert_eq!(ledger.find_overdue(ms(500)), Some(slot));
        ledger.killed(slot, ms(500));
        assert_eq!(ledger.find_overdue(ms(9000)), None);
    }

    #[test]
    fn learns_how_fast_memory_comes_back() {
        let (mut ledger, slot) = ledger();
        ledger.released(slot, ms(4000));
        assert!(ledger.rate_bytes() < 2 * GIB);
        assert!(ledger.rate_bytes() > GIB);
    }

    proptest! {
        #[test]
        fn no_victim_is_forgotten_before_its_memory_is_back(
            sizes in prop::collection::vec(1_u64..100, 1..8),
            steps in prop::collection::vec((0_usize..8, 1_u64..60), 0..60),
        ) {
            let mut ledger = Ledger::new(GIB);
            let mut available = 50;
            ledger.sample(ms(0), available);
            let slots: Vec<_> = (1..)
                .zip(&sizes)
                .map(|(pid, size)| ledger.admit(victim(pid, *size)).unwrap())
                .collect();
            let in_the_end = available + sizes.iter().sum::<u64>();
            let mut left = sizes.clone();
            for (at, (who, part)) in (1..).zip(steps) {
                let who = who % sizes.len();
                let part = part.min(left[who]);
                left[who] -= part;
                available += part;
                ledger.sample(ms(at), available);
                if left[who] == 0 {
                    ledger.gone(slots[who], ms(at));
                }
                prop_assert_eq!(available + ledger.owed_bytes(), in_the_end);
            }
        }
    }

    #[test]
    fn whoever_did_not_die_teaches_nothing() {
        let (mut ledger, slot) = ledger();
        let other = ledger.admit(victim(2, GIB)).unwrap();
        ledger.sample(ms(10), 2 * GIB);
        ledger.forget(other);
        assert_eq!(ledger.owed_bytes(), GIB);
        ledger.forget(slot);
        assert_eq!(ledger.rate_bytes(), 2 * GIB);
        assert_eq!(ledger.iter().count(), 0);
    }

    #[test]
    fn is_full_at_some_time() {
        let mut ledger = Ledger::new(GIB);
        for pid in 1..=32 {
            assert!(ledger.admit(victim(pid, 1)).is_some());
        }
        assert_eq!(ledger.admit(victim(33, 1)), None);
    }
}
