//! What changes while memory is watched: the victims in flight, what waits to be told, the counts.

use std::sync::Arc;
use std::time::Duration;

use exithand::{ExitHandle, Signal};

use super::Settings;
use super::reaper::send;
use super::scan::Scanner;
use super::watch::Watch;
use crate::Name;
use crate::decide::{Sample, Why};
use crate::ledger::{Ledger, ROOM};
use crate::level::Level;
use crate::limit::Limiter;
use crate::record::{Event, Notice, Release, Stuck};

/// The most events that wait to be told.
const EVENTS: usize = 24;
/// How often a partly released victim is tried again.
const RETRY: Duration = Duration::from_millis(10);
const RETRIES: u32 = 50;

/// What is known of a victim besides its entry in the ledger.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) handle: ExitHandle,
    pub(super) release: Release,
    /// Why it has to die.
    pub(super) why: Why,
    /// What was available when it was chosen.
    pub(super) available_then: u64,
    /// When its memory is to be released once more.
    pub(super) retry_at: Option<Duration>,
    retries: u32,
}

impl Held {
    /// Holds a victim that was just chosen.
    pub(super) fn new(handle: ExitHandle, available_then: u64, why: Why) -> Self {
        Self {
            handle,
            release: Release::NotTried,
            why,
            available_then,
            retry_at: None,
            retries: 0,
        }
    }

    /// Has the release of its memory tried again, unless that was done often enough.
    pub(super) fn retry_after(&mut self, at: Duration) {
        if self.retries < RETRIES {
            self.retries += 1;
            self.retry_at = Some(at.saturating_add(RETRY));
        }
    }
}

/// Everything that changes.
#[derive(Debug)]
pub(super) struct State {
    pub(super) settings: Arc<Settings>,
    pub(super) ledger: Ledger,
    pub(super) limiter: Limiter,
    pub(super) held: [Option<Held>; ROOM],
    events: [Option<(Duration, Event)>; EVENTS],
    pub(super) events_lost: u64,
    pub(super) decisions: u64,
    pub(super) kills: u64,
    pub(super) gone: u64,
    pub(super) stuck: u64,
    pub(super) last_level: Level,
    /// What was said already, so that it is said once until memory is calm.
    pub(super) said: [Option<Notice>; 4],
    pub(super) last_sample: Sample,
    pub(super) held_until: Option<Duration>,
    /// When processes are looked at again before somebody dies, as it is not known who grows.
    pub(super) second_look: Option<Duration>,
}

impl State {
    pub(super) fn new(settings: Settings) -> Self {
        let rate = settings.policy.tuning.rate_bytes;
        Self {
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
            second_look: None,
        }
    }

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

    /// Says something of one process.
    pub(super) fn notice(&mut self, at: Duration, notice: Notice, pid: u32, name: Name) {
        self.tell(at, &Event::Notice { notice, pid, name });
    }

    /// Says something once until memory is calm again.
    pub(super) fn say_once(&mut self, at: Duration, notice: Notice) {
        if self.said.contains(&Some(notice)) {
            return;
        }
        if let Some(place) = self.said.iter_mut().find(|place| place.is_none()) {
            *place = Some(notice);
        }
        self.notice(at, notice, 0, Name::default());
    }

    /// Lets a notice be said again.
    pub(super) fn unsay(&mut self, notice: Notice) {
        for said in &mut self.said {
            *said = said.filter(|it| *it != notice);
        }
    }

    pub(super) fn tell_stuck(&mut self, slot: usize, now: Duration, scanner: &mut Scanner) {
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
    pub(super) fn signal_here(&self, slot: usize, signal: Signal) {
        if let Some(held) = &self.held[slot] {
            // Whether it helped is told by the handle.
            drop(send(&held.handle, signal, held.why));
        }
    }

    pub(super) fn drop_victim(&mut self, slot: usize, watch: &Watch) {
        if let Some(held) = self.held[slot].take() {
            watch.forget(&held.handle);
        }
        self.ledger.forget(slot);
    }

    /// Forgets victims that did not really die.
    pub(super) fn forget_all(&mut self, watch: &Watch) {
        for slot in 0..ROOM {
            self.drop_victim(slot, watch);
        }
    }
}
