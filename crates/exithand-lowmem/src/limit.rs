//! Limits on killing: so many a minute, and not the same name again and again.

use std::time::Duration;

use crate::name::Name;
use crate::policy::Policy;

/// The most kills a minute that can be allowed.
pub const ROOM: usize = 128;
/// How many names are remembered.
const NAMES: usize = 16;
const MINUTE: Duration = Duration::from_mins(1);
/// The longest a name is left alone.
const LONGEST: Duration = Duration::from_mins(10);

/// A name that was killed lately.
#[derive(Debug, Clone, Copy, Default)]
struct Habit {
    name: Name,
    kills: usize,
    since: Duration,
    last: Duration,
    backoff: Duration,
    until: Duration,
    /// The newest mark there was at the last kill: whoever has a greater one was started since.
    newest: u64,
}

/// A kill.
#[derive(Debug, Clone, Copy)]
pub struct Kill {
    /// Whom.
    pub name: Name,
    /// The mark of its identity, which grows from process to process.
    pub mark: u64,
    /// The greatest mark of all processes then.
    pub newest: u64,
}

/// What was killed lately.
#[derive(Debug, Clone)]
pub struct Limiter {
    kills: [Duration; ROOM],
    count: usize,
    habits: [Habit; NAMES],
}

impl Default for Limiter {
    fn default() -> Self {
        Self {
            kills: [Duration::ZERO; ROOM],
            count: 0,
            habits: [Habit::default(); NAMES],
        }
    }
}

impl Limiter {
    /// Returns when the next kill is allowed, if it is not now.
    pub fn held_until(&self, now: Duration, most: usize) -> Option<Duration> {
        let recent = |kill: &&Duration| kill.saturating_add(MINUTE) > now;
        let kills = &self.kills[..self.count];
        if kills.iter().filter(recent).count() < most {
            return None;
        }
        kills
            .iter()
            .filter(recent)
            .min()
            .map(|oldest| *oldest + MINUTE)
    }

    /// Returns until when a name is left alone.
    pub fn left_alone(&self, name: Name, now: Duration) -> Option<Duration> {
        let habit = self
            .habits
            .iter()
            .find(|it| it.kills > 0 && it.name == name)?;
        (habit.until > now).then_some(habit.until)
    }

    /// Forgets that a name was killed: whoever kept starting it ends too.
    pub fn forgive(&mut self, name: Name) {
        for habit in self.habits.iter_mut().filter(|it| it.name == name) {
            *habit = Habit::default();
        }
    }

    /// Notes a kill. Returns how long the name is left alone if it has become a restart loop.
    ///
    /// That takes processes that were started since the last kill: many that ran side by side are no
    /// loop.
    pub fn killed(&mut self, kill: Kill, now: Duration, policy: &Policy) -> Option<Duration> {
        let Kill { name, mark, newest } = kill;
        if self.count == ROOM {
            self.kills.copy_within(1.., 0);
            self.count -= 1;
        }
        self.kills[self.count] = now;
        self.count += 1;
        let known = self
            .habits
            .iter()
            .position(|it| it.kills > 0 && it.name == name);
        let oldest = || {
            (0..NAMES)
                .min_by_key(|slot| self.habits[*slot].last)
                .unwrap_or(0)
        };
        let slot = known.unwrap_or_else(oldest);
        let habit = &mut self.habits[slot];
        let stale = habit
            .last
            .saturating_add(policy.tuning.loop_within.max(habit.backoff * 2))
            < now;
        if known.is_none() || stale {
            *habit = Habit {
                name,
                since: now,
                ..Habit::default()
            };
        }
        let is_heir = habit.kills == 0 || mark > habit.newest;
        habit.last = now;
        habit.newest = habit.newest.max(newest);
        if !is_heir {
            return None;
        }
        habit.kills += 1;
        let looping = habit.kills >= policy.tuning.loop_kills.max(1)
            && (habit.backoff > Duration::ZERO
                || now.saturating_sub(habit.since) <= policy.tuning.loop_within);
        if !looping {
            return None;
        }
        habit.backoff = (habit.backoff * 2)
            .max(policy.tuning.loop_backoff)
            .min(LONGEST);
        habit.until = now + habit.backoff;
        Some(habit.backoff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn policy() -> Policy {
        Policy::new(&Config::default(), 16 << 30)
    }

    /// Kills somebody who was started a moment before.
    fn kill(limiter: &mut Limiter, text: &str, second: u64) -> Option<Duration> {
        let kill = Kill {
            name: name(text),
            mark: second + 1,
            newest: second + 1,
        };
        limiter.killed(kill, at(second), &policy())
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn name(text: &str) -> Name {
        Name::new(text.as_bytes())
    }

    #[test]
    fn so_many_a_minute_and_no_more() {
        let mut limiter = Limiter::default();
        for second in 0..3 {
            assert_eq!(limiter.held_until(at(second), 3), None);
            kill(&mut limiter, &second.to_string(), second);
        }
        assert_eq!(limiter.held_until(at(10), 3), Some(at(60)));
        assert_eq!(limiter.held_until(at(60), 3), None);
    }

    #[test]
    fn a_restart_loop_is_left_alone_for_longer_each_time() {
        let mut limiter = Limiter::default();
        let mut kill = |second| kill(&mut limiter, "loop", second);
        assert_eq!(kill(0), None);
        assert_eq!(kill(20), None);
        assert_eq!(kill(40), Some(at(10)));
        assert_eq!(kill(60), Some(at(20)));
        assert_eq!(kill(90), Some(at(40)));
        assert_eq!(limiter.left_alone(name("loop"), at(100)), Some(at(130)));
        assert_eq!(limiter.left_alone(name("other"), at(100)), None);
        assert_eq!(limiter.left_alone(name("loop"), at(131)), None);
    }

    #[test]
    fn a_name_that_is_forgiven_begins_anew() {
        let mut limiter = Limiter::default();
        for second in [0, 20, 40] {
            kill(&mut limiter, "loop", second);
        }
        limiter.forgive(name("loop"));
        assert_eq!(limiter.left_alone(name("loop"), at(41)), None);
        assert_eq!(kill(&mut limiter, "loop", 41), None);
    }

    #[test]
    fn kills_that_are_far_apart_are_no_loop() {
        let mut limiter = Limiter::default();
        for round in 0..10 {
            assert_eq!(kill(&mut limiter, "daily", round * 1000), None);
        }
    }

    #[test]
    fn remembers_many_kills() {
        let mut limiter = Limiter::default();
        for second in 0..400 {
            kill(&mut limiter, &second.to_string(), second);
        }
        assert!(limiter.held_until(at(400), 59).is_some());
    }

    #[test]
    fn many_that_ran_side_by_side_are_no_loop() {
        let mut limiter = Limiter::default();
        for mark in 1..=9 {
            let kill = Kill {
                name: name("worker"),
                mark,
                newest: 9,
            };
            assert_eq!(limiter.killed(kill, at(1), &policy()), None);
        }
        assert_eq!(kill(&mut limiter, "worker", 20), None, "the second");
        assert!(kill(&mut limiter, "worker", 30).is_some(), "the third");
    }
}
