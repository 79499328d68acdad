//! Who is killed, once the rule says that somebody has to be.

use std::time::Duration;

use exithand::{ExitHandle, Signal, State as ProcessState};

use super::Settings;
use super::core::Core;
use super::reaper::Then;
use super::scan::{Chosen, Scanner};
use super::state::{Held, State};
use crate::candidate::{Candidate, Spared, newest_mark};
use crate::choose::{Need, SHOWN};
use crate::decide::{Means, Sample, Verdict, Why, decide};
use crate::family::{self, Turn, turn};
use crate::ledger::{ROOM, Stage, Victim};
use crate::limit::Kill;
use crate::reading::TermHandling;
use crate::record::{Decision, Event, Mode, Notice, Together};

/// What those who die by one decision have in common.
#[derive(Debug, Clone, Copy)]
struct Sentence {
    /// The number of the decision.
    decision: u64,
    means: Means,
    why: Why,
    together: Together,
}

impl Core {
    /// Kills whoever the rule chooses; says whether there was somebody.
    pub(super) fn kill(
        &self,
        settings: &Settings,
        scanner: &mut Scanner,
        sample: &Sample,
        (why, need, means): (Why, Need, Means),
    ) -> bool {
        self.mark_in_flight(scanner);
        let Some(mut chosen) = scanner.choose(settings, &need) else {
            self.lock().say_once(sample.at, Notice::NobodyToKill);
            return false;
        };
        let mut members = [0; ROOM];
        let Some((together, count)) =
            self.company(settings, scanner, sample, (why, &mut chosen), &mut members)
        else {
            return false;
        };
        let victim = scanner.table[chosen.index];
        let asks = means == Means::Ask
            && together != Together::Family
            && victim.term == TermHandling::Handles
            && settings.policy.tuning.grace > Duration::ZERO;
        let means = if asks { Means::Ask } else { Means::Kill };
        let event = decision(
            self.mode,
            sample,
            &chosen,
            scanner,
            (why, need, means),
            (together, count + 1),
        );
        let newest = newest_mark(&scanner.table);
        let Chosen { index, handle, .. } = chosen;
        let Some(sentence) = self.admit(settings, sample, &victim, handle, newest, event) else {
            return false;
        };
        scanner.table[index].spared = Some(Spared::InFlight);
        for member in &members[..count] {
            let Some(handle) = scanner.hold(settings, *member) else {
                continue;
            };
            let mut candidate = scanner.table[*member];
            if together == Together::Memory {
                // It comes back once, and is owed by the first.
                candidate.memory_bytes = 0;
            }
            if self.join(settings, sample, &candidate, handle, sentence) {
                scanner.table[*member].spared = Some(Spared::InFlight);
            }
        }
        // Only now that all are held: it leaves nobody who was forked meanwhile.
        if self.mode == Mode::Live && means == Means::Kill {
            match together {
                Together::Cgroup => drop(scanner.kill_unit(settings, index)),
                Together::Memory => self.release(sentence),
                Together::Process | Together::Family => {}
            }
        }
        true
    }

    /// Has the memory of those who die by one decision released, now that all of them have been told.
    fn release(&self, sentence: Sentence) {
        let mut state = self.lock();
        for slot in 0..ROOM {
            let victim = state.ledger.get(slot);
            if victim.is_some_and(|it| it.decision == sentence.decision) {
                self.give(&mut state, slot, None, Then::Release);
            }
        }
    }

    /// Marks who must not be chosen now.
    fn mark_in_flight(&self, scanner: &mut Scanner) {
        let state = self.lock();
        for candidate in &mut scanner.table {
            if state.ledger.contains(candidate.identity) {
                candidate.spared = Some(Spared::InFlight);
            }
        }
    }

    /// Says who dies with whoever was chosen, and puts them into `members`. `None` if it is left
    /// alone: nobody dies in its stead.
    fn company(
        &self,
        settings: &Settings,
        scanner: &mut Scanner,
        sample: &Sample,
        (why, chosen): (Why, &mut Chosen),
        members: &mut [usize],
    ) -> Option<(Together, usize)> {
        let victim = scanner.table[chosen.index];
        let left_alone = self.lock().limiter.left_alone(victim.name, sample.at);
        if left_alone.is_some() {
            scanner.add_ancestors(settings, chosen.index);
        }
        match turn(&scanner.table, chosen.index, left_alone, why) {
            Turn::Chosen => {}
            Turn::Family { head } => {
                // One that is gone by now starts nobody any more.
                chosen.lead(head, scanner.hold(settings, head)?);
                let count = family::members(&scanner.table, head, members);
                return Some((Together::Family, count));
            }
            Turn::Nobody { until } => {
                let mut state = self.lock();
                state.held_until = Some(until);
                state.say_once(sample.at, Notice::LeftAlone);
                return None;
            }
        }
        if victim.as_unit && victim.cgroup != 0 {
            if let Some(count) = scanner.members(settings, chosen.index, members) {
                return Some((Together::Cgroup, count));
            }
            self.lock().notice(
                sample.at,
                Notice::UnitSpared,
                victim.identity.pid,
                victim.name,
            );
        }
        let count = scanner.sharers(chosen.index, members);
        // It was asked about by its pid, which was its own as long as it lives.
        if count > 0 && matches!(chosen.handle.state(), Ok(ProcessState::Alive)) {
            return Some((Together::Memory, count));
        }
        Some((Together::Process, 0))
    }

    /// Enters a victim of a new decision and has it signalled. Returns what holds for all of them;
    /// `None` if nobody has to die any more.
    fn admit(
        &self,
        settings: &Settings,
        sample: &Sample,
        victim: &Candidate,
        handle: ExitHandle,
        newest: u64,
        mut event: Decision,
    ) -> Option<Sentence> {
        let mut state = self.lock();
        let state = &mut *state;
        // The watchdog, or the loop, may have been quicker.
        let verdict = decide(&settings.policy, sample, &state.ledger, &state.limiter);
        if !matches!(verdict, Verdict::Kill { .. }) {
            return None;
        }
        let sentence = Sentence {
            decision: state.decisions + 1,
            means: event.means,
            why: event.why,
            together: event.together,
        };
        let owed_bytes = state.ledger.owed_bytes();
        if !self.enter(state, settings, sample, victim, handle, sentence) {
            return None;
        }
        state.decisions = sentence.decision;
        let kill = Kill {
            name: victim.name,
            mark: victim.identity.mark,
            newest,
        };
        let mut backoff = state.limiter.killed(kill, sample.at, &settings.policy);
        if event.together == Together::Family {
            state.limiter.forgive(victim.name);
            backoff = None;
        }
        event.decision = sentence.decision;
        event.owed_bytes = owed_bytes;
        state.tell(sample.at, &Event::Decision(event));
        if backoff.is_some() {
            state.notice(
                sample.at,
                Notice::RestartLoop,
                victim.identity.pid,
                victim.name,
            );
        }
        Some(sentence)
    }

    /// Enters another victim of a decision.
    fn join(
        &self,
        settings: &Settings,
        sample: &Sample,
        victim: &Candidate,
        handle: ExitHandle,
        sentence: Sentence,
    ) -> bool {
        let mut state = self.lock();
        self.enter(&mut state, settings, sample, victim, handle, sentence)
    }

    fn enter(
        &self,
        state: &mut State,
        settings: &Settings,
        sample: &Sample,
        victim: &Candidate,
        handle: ExitHandle,
        Sentence {
            decision,
            means,
            why,
            together,
        }: Sentence,
    ) -> bool {
        let now = super::clock::now();
        let begins = match means {
            Means::Ask => Stage::Asked {
                until: now.saturating_add(settings.policy.tuning.grace),
            },
            Means::Kill => Stage::Killed,
        };
        let slot = state.ledger.admit(Victim {
            identity: victim.identity,
            name: victim.name,
            decision,
            stage: begins,
            expected_bytes: victim.memory_bytes,
            returned_bytes: 0,
            decided_at: now,
            signalled_at: now,
            released_at: None,
            progress_at: now,
            settled: false,
            stuck: false,
            shares: together == Together::Memory,
        });
        let Some(slot) = slot else {
            return false;
        };
        let (signal, then) = match means {
            Means::Ask => (Signal::TERM, Then::Nothing),
            // The kernel releases nothing that others have who live on.
            Means::Kill if together == Together::Memory => (Signal::KILL, Then::Nothing),
            Means::Kill => (Signal::KILL, Then::Release),
        };
        self.watch.victim(self.scope, slot, &handle);
        state.held[slot] = Some(Held::new(handle, sample.available_bytes, why));
        state.kills += 1;
        if self.mode == Mode::Live {
            self.give(state, slot, Some(signal), then);
        }
        true
    }
}

fn decision(
    mode: Mode,
    sample: &Sample,
    chosen: &Chosen,
    scanner: &Scanner,
    (why, need, means): (Why, Need, Means),
    (together, victims): (Together, usize),
) -> Decision {
    let mut candidates = [None; SHOWN];
    for (place, index) in candidates.iter_mut().zip(chosen.ranking.as_slice()) {
        *place = Some(scanner.table[*index]);
    }
    let stall = sample.stall.unwrap_or_default();
    Decision {
        decision: 0,
        why,
        means,
        mode,
        available_bytes: sample.available_bytes,
        owed_bytes: 0,
        deficit_bytes: need.deficit_bytes,
        growth_bytes: need.growth_bytes,
        swap_free_bytes: sample.swap_free_bytes,
        some_us: stall.some_us,
        full_us: stall.full_us,
        together,
        victims,
        candidates,
    }
}
