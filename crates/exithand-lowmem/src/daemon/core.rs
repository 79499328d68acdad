//! What the main loop and the watchdog share, and one round of the rule.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use exithand::{ExitHandle, Signal};

use super::Settings;
use super::eyes::Eyes;
use super::reaper::{Job, Reapers, Report, Then};
use super::scan::{Chosen, Scanner};
use super::watch::Watch;
use crate::candidate::{Candidate, Spared, newest_mark};
use crate::choose::{Need, SHOWN};
use crate::decide::{Means, Sample, Verdict, Why, decide, effective_bytes, level};
use crate::ledger::{Ledger, ROOM, Stage, Victim};
use crate::level::Level;
use crate::limit::{Kill, Limiter};
use crate::reading::TermHandling;
use crate::record::{Decision, Event, LevelChange, Mode, Notice, Outcome, Release, Stuck};

/// The most events that wait to be told.
const EVENTS: usize = 24;
/// The most decisions in one round.
const DECISIONS: usize = 16;
/// How long after the last scan processes are read again to decide once more.
const FRESH: Duration = Duration::from_millis(50);
/// How often a partly released victim is tried again.
const RETRY: Duration = Duration::from_millis(10);
const RETRIES: u32 = 50;

/// What is known of a victim besides its entry in the ledger.
#[derive(Debug)]
struct Held {
    handle: ExitHandle,
    release: Release,
    available_then: u64,
    retry_at: Option<Duration>,
    retries: u32,
}

/// Everything that changes.
#[derive(Debug)]
pub(super) struct State {
    pub(super) settings: Arc<Settings>,
    pub(super) ledger: Ledger,
    limiter: Limiter,
    held: [Option<Held>; ROOM],
    events: [Option<(Duration, Event)>; EVENTS],
    pub(super) events_lost: u64,
    pub(super) decisions: u64,
    pub(super) kills: u64,
    pub(super) gone: u64,
    pub(super) stuck: u64,
    last_level: Level,
    /// What was said already, so that it is said once until memory is calm.
    said: [Option<Notice>; 4],
    pub(super) last_sample: Sample,
    pub(super) held_until: Option<Duration>,
}

/// The shared half of one watched memory: the machine's, or a cgroup's.
#[derive(Debug)]
pub(super) struct Core {
    state: Mutex<State>,
    pub(super) reapers: Arc<Reapers>,
    watch: Arc<Watch>,
    scope: usize,
    mode: Mode,
    /// Why victims of this scope die, if not for the machine's memory.
    cgroup: Option<Why>,
}

impl Core {
    pub(super) fn new(
        settings: Settings,
        reapers: Arc<Reapers>,
        watch: Arc<Watch>,
        scope: usize,
        mode: Mode,
    ) -> Self {
        let rate = settings.policy.rate_bytes;
        let state = State {
            settings: Arc::new(settings),
            ledger: Ledger::new(rate),
            limiter: Limiter::default(),
            held: [const { None }; ROOM],
            events: [const { None }; EVENTS],
            events_lost: 0,
            decisions: 0,
            kills: 0,
            gone: 0,
            stuck: 0,
            last_level: Level::Calm,
            said: [None; 4],
            last_sample: Sample::default(),
            held_until: None,
        };
        Self {
            state: Mutex::new(state),
            reapers,
            watch,
            scope,
            mode,
            cgroup: (scope > 0).then_some(Why::CgroupLimit),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at memory and does what the rule says, as often as it says so.
    pub(super) fn round(&self, eyes: &mut Eyes, scanner: &mut Scanner) {
        let now = super::clock::now();
        let Ok(sample) = eyes.look(now, self.near_bytes()) else {
            self.lock().say_once(now, Notice::Blind);
            return;
        };
        let settings = self.note(&sample, scanner);
        keep_growth(&settings, &sample, scanner);
        let mut is_fresh = false;
        for _ in 0..DECISIONS {
            let mut state = self.lock();
            let verdict = decide(&settings.policy, &sample, &state.ledger, &state.limiter);
            state.held_until = None;
            match verdict {
                Verdict::Rest => return,
                Verdict::Held { until } => {
                    state.held_until = Some(until);
                    state.say_once(now, Notice::RateLimit);
                    return;
                }
                Verdict::Escalate { slot } => self.escalate(&mut state, slot, now),
                Verdict::Kill { why, need, means } => {
                    drop(state);
                    let fresh = |at: Duration| now.saturating_sub(at) < FRESH;
                    if !is_fresh && !scanner.scanned_at().is_some_and(fresh) {
                        scanner.scan(&settings, now);
                    }
                    is_fresh = true;
                    let why = self.cgroup.unwrap_or(why);
                    if !self.kill(&settings, scanner, &sample, (why, need, means)) {
                        return;
                    }
                }
            }
        }
    }

    /// Returns the amount of memory below which it is worth a closer look.
    fn near_bytes(&self) -> u64 {
        let levels = self.lock().settings.policy.levels;
        levels.warn_bytes.max(levels.target_bytes)
    }

    /// Takes in a sample: progress, stuck victims, levels.
    fn note(&self, sample: &Sample, scanner: &mut Scanner) -> Arc<Settings> {
        let now = sample.at;
        let mut state = self.lock();
        let state = &mut *state;
        let settings = Arc::clone(&state.settings);
        state.last_sample = *sample;
        state.ledger.sample(now, sample.available_bytes);
        state.ledger.settle(now, settings.policy.base_deadline);
        if self.mode == Mode::Live {
            while let Some(slot) = state.ledger.find_stuck(now, settings.policy.base_deadline) {
                state.stuck += 1;
                state.tell_stuck(slot, now, scanner);
            }
        }
        let retry = |held: &Held| held.retry_at.is_some_and(|at| at <= now);
        for slot in 0..ROOM {
            if state.held[slot].as_ref().is_some_and(retry) {
                self.give(state, slot, None, Then::Release);
            }
        }
        let effective = effective_bytes(sample, &state.ledger);
        let (reached, _) = level(&settings.policy, sample, effective);
        let levels = &settings.policy.levels;
        let recovered = effective >= levels.target_bytes.max(levels.warn_bytes);
        if reached > state.last_level || (recovered && state.last_level > Level::Calm) {
            state.last_level = if recovered { Level::Calm } else { reached };
            state.tell(
                now,
                &Event::Level(LevelChange {
                    level: state.last_level,
                    available_bytes: sample.available_bytes,
                    swap_free_bytes: sample.swap_free_bytes,
                }),
            );
            if recovered {
                state.said = [None; 4];
                if self.mode == Mode::DryRun {
                    state.forget_all(&self.watch);
                }
            }
        }
        settings
    }

    /// Kills whoever the rule chooses; says whether there was somebody.
    fn kill(
        &self,
        settings: &Settings,
        scanner: &mut Scanner,
        sample: &Sample,
        (why, need, means): (Why, Need, Means),
    ) -> bool {
        self.mark_spared(scanner, sample, why);
        let Some(chosen) = scanner.choose(settings, &need) else {
            self.lock().say_once(sample.at, Notice::NobodyToKill);
            return false;
        };
        let mut members = [0; ROOM];
        let mut count = 0;
        let victim = scanner.table[chosen.index];
        if victim.as_unit && victim.cgroup != 0 {
            match scanner.members(chosen.index, &mut members) {
                Some(found) => count = found,
                None => self.lock().notice(sample.at, Notice::UnitSpared, &victim),
            }
        }
        let asks = means == Means::Ask
            && victim.term == TermHandling::Handles
            && settings.policy.grace > Duration::ZERO;
        let means = if asks { Means::Ask } else { Means::Kill };
        if self.mode == Mode::Live && count > 0 && means == Means::Kill {
            scanner.kill_cgroup(chosen.index);
        }
        let event = decision(
            self.mode,
            sample,
            &chosen,
            scanner,
            (why, need, means),
            count + 1,
        );
        let newest = newest_mark(&scanner.table);
        let Chosen { index, handle, .. } = chosen;
        let Some(number) = self.admit(settings, sample, &victim, handle, (means, newest), event)
        else {
            return false;
        };
        scanner.table[index].spared = Some(Spared::InFlight);
        for member in &members[..count] {
            let Some(handle) = scanner.hold(settings, *member) else {
                continue;
            };
            let candidate = scanner.table[*member];
            if self.join(settings, sample, &candidate, handle, (means, number)) {
                scanner.table[*member].spared = Some(Spared::InFlight);
            }
        }
        true
    }

    /// Marks who must not be chosen now.
    fn mark_spared(&self, scanner: &mut Scanner, sample: &Sample, why: Why) {
        let state = self.lock();
        for candidate in &mut scanner.table {
            if state.ledger.contains(candidate.identity) {
                candidate.spared = Some(Spared::InFlight);
            }
            let left_alone = state
                .limiter
                .left_alone(candidate.name, sample.at)
                .is_some();
            if left_alone && why != Why::Floor && candidate.spared.is_none() {
                candidate.spared = Some(Spared::RestartLoop);
            }
        }
    }

    /// Enters a victim of a new decision and has it signalled. Returns the number of the decision;
    /// `None` if nobody has to die any more.
    fn admit(
        &self,
        settings: &Settings,
        sample: &Sample,
        victim: &Candidate,
        handle: ExitHandle,
        (means, newest): (Means, u64),
        mut event: Decision,
    ) -> Option<u64> {
        let mut state = self.lock();
        let state = &mut *state;
        // The watchdog, or the loop, may have been quicker.
        let verdict = decide(&settings.policy, sample, &state.ledger, &state.limiter);
        if !matches!(verdict, Verdict::Kill { .. }) {
            return None;
        }
        let number = state.decisions + 1;
        let owed_bytes = state.ledger.owed_bytes();
        if !self.enter(state, settings, sample, victim, handle, (means, number)) {
            return None;
        }
        state.decisions = number;
        let kill = Kill {
            name: victim.name,
            mark: victim.identity.mark,
            newest,
        };
        let backoff = state.limiter.killed(kill, sample.at, &settings.policy);
        event.decision = number;
        event.owed_bytes = owed_bytes;
        state.tell(sample.at, &Event::Decision(event));
        if backoff.is_some() {
            state.notice(sample.at, Notice::RestartLoop, victim);
        }
        Some(number)
    }

    /// Enters another victim of a decision.
    fn join(
        &self,
        settings: &Settings,
        sample: &Sample,
        victim: &Candidate,
        handle: ExitHandle,
        decision: (Means, u64),
    ) -> bool {
        let mut state = self.lock();
        self.enter(&mut state, settings, sample, victim, handle, decision)
    }

    fn enter(
        &self,
        state: &mut State,
        settings: &Settings,
        sample: &Sample,
        victim: &Candidate,
        handle: ExitHandle,
        (means, decision): (Means, u64),
    ) -> bool {
        let now = super::clock::now();
        let begins = match means {
            Means::Ask => Stage::Asked {
                until: now.saturating_add(settings.policy.grace),
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
        });
        let Some(slot) = slot else {
            return false;
        };
        let (signal, then) = match means {
            Means::Ask => (Signal::TERM, Then::Nothing),
            Means::Kill => (Signal::KILL, Then::Release),
        };
        let job = handle.try_clone();
        self.watch.victim(self.scope, slot, &handle);
        state.held[slot] = Some(Held {
            handle,
            release: Release::NotTried,
            available_then: sample.available_bytes,
            retry_at: None,
            retries: 0,
        });
        state.kills += 1;
        if self.mode == Mode::Live {
            match job {
                Ok(handle) => {
                    let identity = victim.identity;
                    let job = Job {
                        slot,
                        identity,
                        handle,
                        signal: Some(signal),
                        then,
                    };
                    self.reapers.give(job);
                }
                // Out of descriptors: from here, without the memory's release.
                Err(_) => state.signal_here(slot, signal),
            }
        }
        true
    }

    /// Gives a job about a victim that is held.
    fn give(&self, state: &mut State, slot: usize, signal: Option<Signal>, then: Then) {
        let identity = state.ledger.get(slot).map(|victim| victim.identity);
        let Some((held, identity)) = state.held[slot].as_mut().zip(identity) else {
            return;
        };
        held.retry_at = None;
        match (held.handle.try_clone(), signal) {
            (Ok(handle), _) => {
                self.reapers.give(Job {
                    slot,
                    identity,
                    handle,
                    signal,
                    then,
                });
            }
            (Err(_), Some(signal)) => state.signal_here(slot, signal),
            (Err(_), None) => {}
        }
    }

    /// Kills a victim that was asked.
    fn escalate(&self, state: &mut State, slot: usize, now: Duration) {
        let Some(victim) = state.ledger.get(slot).copied() else {
            return;
        };
        state.ledger.killed(slot, now);
        let event = Event::Notice {
            notice: Notice::Escalated,
            pid: victim.identity.pid,
            name: victim.name,
        };
        state.tell(now, &event);
        if self.mode == Mode::Live {
            self.give(state, slot, Some(Signal::KILL), Then::Release);
        }
    }

    /// Takes in what a reaper says.
    pub(super) fn reported(&self, report: &Report, eyes: &mut Eyes, scanner: &mut Scanner) {
        let mut state = self.lock();
        let state = &mut *state;
        let slot = report.slot;
        let victim = state.ledger.get(slot).copied();
        let Some(victim) = victim.filter(|it| it.identity == report.identity) else {
            return;
        };
        let Some(held) = state.held[slot].as_mut() else {
            return;
        };
        if report.release != Release::NotTried {
            held.release = report.release;
        }
        match (report.sent, report.release) {
            (Err(rustix::io::Errno::PERM), _) => {
                scanner.reader.refuse(victim.identity);
                let event = Event::Notice {
                    notice: Notice::NotPermitted,
                    pid: victim.identity.pid,
                    name: victim.name,
                };
                state.tell(report.done_at, &event);
                state.drop_victim(slot, &self.watch);
            }
            (_, Release::Freed) => {
                state.ledger.released(slot, report.done_at);
                eyes.forget();
            }
            (_, Release::Partly) if held.retries < RETRIES => {
                held.retries += 1;
                held.retry_at = Some(report.done_at.saturating_add(RETRY));
            }
            (_, Release::Shared) => self.kill_sharers(state, &victim, slot, scanner),
            _ => {}
        }
    }

    /// Kills those who hold the memory of a victim, too; if one is spared, it does not come back.
    fn kill_sharers(&self, state: &mut State, victim: &Victim, slot: usize, scanner: &mut Scanner) {
        let settings = Arc::clone(&state.settings);
        let sample = state.last_sample;
        let mut from = 0;
        while let Some(index) = scanner.find_sharer(victim.identity.pid, from) {
            from = index + 1;
            if scanner.table[index].spared.is_some() {
                let spared = scanner.table[index];
                state.ledger.expect_nothing(slot);
                state.notice(sample.at, Notice::SharedWithSpared, &spared);
                continue;
            }
            let Some(handle) = scanner.hold(&settings, index) else {
                continue;
            };
            let mut sharer = scanner.table[index];
            // It is the same memory, which comes back once.
            sharer.memory_bytes = 0;
            let decision = (Means::Kill, victim.decision);
            if self.enter(state, &settings, &sample, &sharer, handle, decision) {
                scanner.table[index].spared = Some(Spared::InFlight);
            }
        }
        if let Some(held) = state.held[slot].as_mut()
            && held.retries < RETRIES
        {
            held.retries += 1;
            held.retry_at = Some(super::clock::now().saturating_add(RETRY));
        }
    }

    /// Closes the case of a victim whose handle says that it is gone.
    pub(super) fn gone(&self, slot: usize, eyes: &mut Eyes) {
        let now = super::clock::now();
        let available = eyes
            .look(now, self.near_bytes())
            .map_or(0, |sample| sample.available_bytes);
        eyes.forget();
        let mut state = self.lock();
        let state = &mut *state;
        state.ledger.sample(now, available);
        let Some(held) = state.held[slot].take() else {
            return;
        };
        self.watch.forget(&held.handle);
        let Some(victim) = state.ledger.gone(slot, now) else {
            return;
        };
        state.gone += 1;
        let ms = |time: Duration| {
            let passed = time.saturating_sub(victim.decided_at).as_millis();
            u64::try_from(passed).unwrap_or(u64::MAX)
        };
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let outcome = Outcome {
            decision: victim.decision,
            pid: victim.identity.pid,
            name: victim.name,
            release: held.release,
            released_ms: victim.released_at.map(ms),
            gone_ms: ms(now),
            expected_bytes: victim.expected_bytes,
            gained_bytes: signed(available) - signed(held.available_then),
            late: victim.stuck,
        };
        state.tell(now, &Event::Outcome(outcome));
    }

    /// Returns when something is due of its own accord.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let state = self.lock();
        let retry = state
            .held
            .iter()
            .flatten()
            .filter_map(|held| held.retry_at)
            .min();
        let deadline = match self.mode {
            Mode::Live => state.ledger.next_deadline(&state.settings.policy),
            Mode::DryRun => None,
        };
        [retry, deadline, state.held_until]
            .into_iter()
            .flatten()
            .min()
    }
}

impl State {
    /// Keeps an event until it is told.
    pub(super) fn tell(&mut self, at: Duration, event: &Event) {
        match self.events.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some((at, *event)),
            None => self.events_lost += 1,
        }
    }

    /// Takes the oldest event.
    pub(super) fn take_event(&mut self) -> Option<(Duration, Event)> {
        let event = self.events[0].take()?;
        self.events.rotate_left(1);
        Some(event)
    }

    pub(super) fn notice(&mut self, at: Duration, notice: Notice, whom: &Candidate) {
        let event = Event::Notice {
            notice,
            pid: whom.identity.pid,
            name: whom.name,
        };
        self.tell(at, &event);
    }

    /// Says something once until memory is calm again.
    pub(super) fn say_once(&mut self, at: Duration, notice: Notice) {
        if self.said.contains(&Some(notice)) {
            return;
        }
        if let Some(place) = self.said.iter_mut().find(|place| place.is_none()) {
            *place = Some(notice);
        }
        let nobody = crate::Name::default();
        self.tell(
            at,
            &Event::Notice {
                notice,
                pid: 0,
                name: nobody,
            },
        );
    }

    /// Lets a notice be said again.
    pub(super) fn unsay(&mut self, notice: Notice) {
        for said in &mut self.said {
            *said = said.filter(|it| *it != notice);
        }
    }

    fn tell_stuck(&mut self, slot: usize, now: Duration, scanner: &mut Scanner) {
        let Some(victim) = self.ledger.get(slot).copied() else {
            return;
        };
        let (state, wchan) = scanner.reader.predicament(victim.identity.pid);
        let waited = now.saturating_sub(victim.signalled_at).as_millis();
        let stuck = Stuck {
            pid: victim.identity.pid,
            name: victim.name,
            state: char::from(state),
            wchan,
            waited_ms: u64::try_from(waited).unwrap_or(u64::MAX),
        };
        self.tell(now, &Event::Stuck(stuck));
    }

    /// Signals a victim from here, where no descriptor is left for the reapers.
    fn signal_here(&self, slot: usize, signal: Signal) {
        if let Some(held) = &self.held[slot] {
            // Whether it helped is told by the handle.
            drop(held.handle.send_signal(signal));
        }
    }

    fn drop_victim(&mut self, slot: usize, watch: &Watch) {
        if let Some(held) = self.held[slot].take() {
            watch.forget(&held.handle);
        }
        self.ledger.gone(slot, Duration::ZERO);
    }

    /// Forgets victims that did not really die.
    fn forget_all(&mut self, watch: &Watch) {
        for slot in 0..ROOM {
            self.drop_victim(slot, watch);
        }
    }
}

fn decision(
    mode: Mode,
    sample: &Sample,
    chosen: &Chosen,
    scanner: &Scanner,
    (why, need, means): (Why, Need, Means),
    victims: usize,
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
        victims,
        candidates,
    }
}

/// Reads processes when memory gets low, so that it is known who grows once somebody has to die.
fn keep_growth(settings: &Settings, sample: &Sample, scanner: &mut Scanner) {
    let low = settings.policy.levels.level(sample.available_bytes) >= Level::Warn;
    let stale = |at: Duration| sample.at.saturating_sub(at) >= Duration::from_secs(1);
    if low && scanner.scanned_at().is_none_or(stale) {
        scanner.scan(settings, sample.at);
    }
}
