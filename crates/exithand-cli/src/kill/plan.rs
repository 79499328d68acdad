//! What to do next: pure decisions of `exithand kill`.

use exithand::Signal;

/// Which signal has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The one asked for.
    First,
    /// The one after the timeout.
    Second,
}

/// Who is left to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nobody: all that could be reached are gone.
    Nobody,
    /// Somebody who was, or should be, signalled.
    Somebody,
}

/// Whether the time allowed for the stage is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    Running,
    Over,
}

/// The next thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Wait for somebody to end, or the time to be over.
    Wait,
    /// Send this signal to all who are left.
    Escalate(Signal),
    /// Report.
    Finish,
}

/// Decides what follows. Escalates once; an end is worth more than the clock.
pub(crate) fn next(stage: Stage, left: Left, clock: Clock, then: Option<Signal>) -> Step {
    match (left, clock, stage, then) {
        (Left::Somebody, Clock::Running, ..) => Step::Wait,
        (Left::Somebody, Clock::Over, Stage::First, Some(signal)) => Step::Escalate(signal),
        (Left::Nobody, ..) | (Left::Somebody, Clock::Over, ..) => Step::Finish,
    }
}

/// Whether a process that came to light after the signal went out gets it too.
///
/// A helper that a member forks to clean up must be left in peace while that member lives. Once the
/// one who forked it is gone, it is a leftover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Now.
    Now,
    /// Once the process that forked it has ended.
    OnceForkerEnded,
}

/// Decides whether a process is due for `signal`, by whether a member that forked it still lives.
pub(crate) fn due(signal: Signal, found_in_time: bool, forker_lives: bool) -> Due {
    // Nobody cleans up after SIGKILL.
    if found_in_time || signal == Signal::KILL || !forker_lives {
        Due::Now
    } else {
        Due::OnceForkerEnded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KILL: Signal = Signal::KILL;

    #[test]
    fn waits_then_escalates_once_then_gives_up() {
        for (stage, left, clock, then, step) in [
            (
                Stage::First,
                Left::Nobody,
                Clock::Over,
                Some(KILL),
                Step::Finish,
            ),
            (
                Stage::First,
                Left::Somebody,
                Clock::Running,
                Some(KILL),
                Step::Wait,
            ),
            (
                Stage::First,
                Left::Somebody,
                Clock::Over,
                Some(KILL),
                Step::Escalate(KILL),
            ),
            (
                Stage::First,
                Left::Somebody,
                Clock::Over,
                None,
                Step::Finish,
            ),
            (
                Stage::Second,
                Left::Somebody,
                Clock::Running,
                Some(KILL),
                Step::Wait,
            ),
            (
                Stage::Second,
                Left::Somebody,
                Clock::Over,
                Some(KILL),
                Step::Finish,
            ),
            (
                Stage::Second,
                Left::Nobody,
                Clock::Running,
                Some(KILL),
                Step::Finish,
            ),
        ] {
            assert_eq!(
                next(stage, left, clock, then),
                step,
                "{stage:?} {left:?} {clock:?}"
            );
        }
    }

    #[test]
    fn spares_a_helper_only_while_its_forker_cleans_up() {
        assert_eq!(due(Signal::TERM, false, true), Due::OnceForkerEnded);
        assert_eq!(due(Signal::TERM, false, false), Due::Now);
        assert_eq!(due(Signal::TERM, true, true), Due::Now);
        assert_eq!(due(Signal::KILL, false, true), Due::Now);
    }
}
