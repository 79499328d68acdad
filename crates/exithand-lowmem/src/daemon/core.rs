//! What the main loop and the watchdog share, and one round of the rule.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use exithand::{Signal, State as ProcessState};

use super::Settings;
use super::eyes::Eyes;
use super::reaper::{Job, Reapers, Report, Then};
use super::scan::{APART, Scanner};
use super::state::{Held, State};
use super::watch::Watch;
use crate::decide::{Sample, Verdict, Why, decide, effective_bytes, level};
use crate::guard;
use crate::ledger::ROOM;
use crate::level::Level;
use crate::record::{Event, LevelChange, Mode, Notice, Outcome, Release};

/// The most decisions in one round.
const DECISIONS: usize = 16;

/// The shared half of one watched memory: the machine's, or a cgroup's.
#[derive(Debug)]
pub(super) struct Core {
    state: Mutex<State>,
    pub(super) reapers: Arc<Reapers>,
    pub(super) watch: Arc<Watch>,
    pub(super) scope: usize,
    pub(super) mode: Mode,
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
        Self {
            state: Mutex::new(State::new(settings)),
            reapers,
            watch,
            scope,
            mode,
            cgroup: (scope > 0).then_some(Why::CgroupLimit),
        }
    }

    /// Makes another core for the same memory, which knows nothing of this one's victims.
    pub(super) fn apart(&self, settings: Settings, mode: Mode) -> Self {
        let (reapers, watch) = (Arc::clone(&self.reapers), Arc::clone(&self.watch));
        Self::new(settings, reapers, watch, self.scope, mode)
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
                Verdict::Rest => {
                    state.second_look = None;
                    return;
                }
                Verdict::Held { until } => {
                    state.held_until = Some(until);
                    state.say_once(now, Notice::RateLimit);
                    return;
                }
                Verdict::Escalate { slot } => self.escalate(&mut state, slot, now),
                Verdict::Kill { why, need, means } => {
                    drop(state);
                    let fresh = |at: Duration| now.saturating_sub(at) < APART;
                    if !is_fresh && !scanner.scanned_at().is_some_and(fresh) {
                        scanner.scan(&settings, now);
                    }
                    is_fresh = true;
                    if self.looks_again(&settings, &sample, scanner, why) {
                        return;
                    }
                    let why = self.cgroup.unwrap_or(why);
                    if !self.kill(&settings, scanner, &sample, (why, need, means)) {
                        return;
                    }
                }
            }
        }
    }

    /// Says whether processes are to be looked at once more, a little later, before somebody dies:
    /// memory fell so fast that it is not known who grows, and there is time to find out.
    fn looks_again(
        &self,
        settings: &Settings,
        sample: &Sample,
        scanner: &Scanner,
        why: Why,
    ) -> bool {
        if why == Why::Floor
            || scanner.tells_growth(sample.at)
            || !guard::can_wait(&settings.policy, sample, APART)
        {
            return false;
        }
        let mut state = self.lock();
        let at = *state
            .second_look
            .get_or_insert(sample.at.saturating_add(APART));
        if at <= sample.at {
            return false;
        }
        state.held_until = Some(at);
        true
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
        state
            .ledger
            .settle(now, settings.policy.tuning.base_deadline);
        if self.mode == Mode::Live {
            let base = settings.policy.tuning.base_deadline;
            let has_ended = |held: &Held| !matches!(held.handle.state(), Ok(ProcessState::Alive));
            while let Some(slot) = state.ledger.find_stuck(now, base, |slot| {
                state.held[slot].as_ref().is_some_and(has_ended)
            }) {
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

    /// Gives a job about a victim that is held.
    pub(super) fn give(&self, state: &mut State, slot: usize, signal: Option<Signal>, then: Then) {
        let identity = state.ledger.get(slot).map(|victim| victim.identity);
        let Some((held, identity)) = state.held[slot].as_mut().zip(identity) else {
            return;
        };
        held.retry_at = None;
        let why = held.why;
        let given = held.handle.try_clone().is_ok_and(|handle| {
            self.reapers.give(Job {
                slot,
                identity,
                handle,
                signal,
                why,
                then,
            })
        });
        // Out of descriptors, or of room for jobs: from here, without the memory's release.
        if let Some(signal) = signal.filter(|_| !given) {
            state.signal_here(slot, signal);
        }
    }

    /// Kills a victim that was asked.
    fn escalate(&self, state: &mut State, slot: usize, now: Duration) {
        let Some(victim) = state.ledger.get(slot).copied() else {
            return;
        };
        state.ledger.killed(slot, now);
        state.notice(now, Notice::Escalated, victim.identity.pid, victim.name);
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
                let pid = victim.identity.pid;
                state.notice(report.done_at, Notice::NotPermitted, pid, victim.name);
                state.drop_victim(slot, &self.watch);
            }
            (_, Release::Freed) => {
                state.ledger.released(slot, report.done_at);
                eyes.forget();
            }
            // Those that share it have been told to die as well.
            (_, Release::Partly | Release::Shared) => held.retry_after(report.done_at),
            _ => {}
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

/// Reads processes when memory gets low, so that it is known who grows once somebody has to die.
fn keep_growth(settings: &Settings, sample: &Sample, scanner: &mut Scanner) {
    let low = settings.policy.levels.level(sample.available_bytes) >= Level::Warn;
    let stale = |at: Duration| sample.at.saturating_sub(at) >= Duration::from_secs(1);
    if low && scanner.scanned_at().is_none_or(stale) {
        scanner.scan(settings, sample.at);
    }
}

#[cfg(test)]
mod tests {
    use exithand_testkit::{Actor, FakeMemory, actor, run_isolated, test_name};
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;
    use crate::config::Config;
    use crate::daemon::clock::Timer;
    use crate::daemon::scan::ROOM as CANDIDATES;

    /// Waits until a core wants to look again.
    fn wait_until_due(core: &Core) {
        let timer = Timer::new().expect("make a timer");
        let due = core.next_due().expect("it wants to look again");
        timer.set(Some(due)).expect("set it");
        let mut fds = [PollFd::new(&timer.fd, PollFlags::IN)];
        poll(&mut fds, None).expect("wait for it");
    }

    fn is_victim(core: &Core, actor: &Actor) -> bool {
        let pid = u32::try_from(actor.pid().as_raw_nonzero().get()).expect("pids are positive");
        let state = core.lock();
        state.ledger.iter().any(|(_, it)| it.identity.pid == pid)
    }

    fn core(config: &str) -> Core {
        let config = Config::parse(config).expect("it is right");
        let settings = Settings::new(&config, 16 << 30);
        let reapers = Reapers::start().expect("start threads");
        let watch = Watch::new().expect("make an epoll");
        Core::new(settings, reapers, Arc::new(watch), 0, Mode::DryRun)
    }

    const BELOW_500: &str = "[levels]\nwarn = \"550M\"\nsoft = \"500M\"\nhard = \"500M\"\n\
                             floor = \"100M\"\ntarget = \"550M\"\n";

    #[test]
    fn where_memory_fell_between_two_looks_whoever_grows_is_found_out_before_somebody_dies() {
        run_isolated(test_name!(), || {
            let mut memory = FakeMemory::new(480).expect("pretend to be short of memory");
            let core = core(BELOW_500);
            let mut eyes = Eyes::of_machine(Duration::from_secs(1)).expect("open /proc");
            let mut scanner = Scanner::new(None, CANDIDATES).expect("open pidfds");
            let bystander = actor(&["hold", "100"]);
            core.round(&mut eyes, &mut scanner);
            assert!(!is_victim(&core, &bystander), "nobody is known to grow");
            let bomb = actor(&["hold", "90"]);
            memory.set_available(420);
            wait_until_due(&core);
            core.round(&mut eyes, &mut scanner);
            assert!(is_victim(&core, &bomb), "{:?}", scanner.table);
            assert!(!is_victim(&core, &bystander));
        });
    }

    #[test]
    fn nobody_waits_for_another_look_where_memory_is_nearly_gone() {
        run_isolated(test_name!(), || {
            let _low = FakeMemory::new(110).expect("pretend to be short of memory");
            let core = core(BELOW_500);
            let mut eyes = Eyes::of_machine(Duration::from_secs(1)).expect("open /proc");
            let mut scanner = Scanner::new(None, CANDIDATES).expect("open pidfds");
            let victim = actor(&["hold", "100"]);
            core.round(&mut eyes, &mut scanner);
            assert!(is_victim(&core, &victim));
        });
    }
}
