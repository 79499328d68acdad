//! What is known of how a process ended, and whom that is told.

use exithand::{Outcome, Why};

use crate::policy::Right;

/// What is known of a process that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ending {
    /// `None` as long as nobody wanted to know.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) reaped: bool,
    pub(crate) inquiry: Inquiry,
}

/// How far the search for the outcome has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Inquiry {
    #[default]
    NotBegun,
    /// Waits for the reap, or asks the recorder.
    Running,
    /// What is not known now stays unknown until the reap.
    Over,
}

impl Ending {
    /// Says what a reader with this right is told; `None` if it has to wait.
    pub(crate) fn answer(self, right: Right) -> Option<Outcome> {
        const HIDDEN: Outcome = Outcome::Unknown {
            why: Why::ForeignZombie,
        };
        let outcome = self.outcome?;
        let over = self.inquiry == Inquiry::Over;
        match right {
            Right::AtEnd if outcome.is_known() => Some(outcome),
            Right::AfterReap if outcome.is_known() && self.reaped => Some(outcome),
            // The reap makes it known, or says why not, once the inquiry is over.
            Right::AtEnd => over.then_some(outcome),
            Right::AfterReap => over.then_some(if self.reaped { outcome } else { HIDDEN }),
            Right::Never => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Inquiry::{NotBegun, Over, Running};

    const KNOWN: Option<Outcome> = Some(Outcome::Exited(3));
    const HIDDEN: Option<Outcome> = Some(Outcome::Unknown {
        why: Why::ForeignZombie,
    });
    const UNSEEN: Option<Outcome> = Some(Outcome::Unknown {
        why: Why::UnseenZombie,
    });

    #[test]
    fn tells_each_what_it_may_know_and_when() {
        for (outcome, reaped, inquiry, at_end, after_reap) in [
            (None, false, NotBegun, None, None),
            (KNOWN, false, Running, KNOWN, None),
            (KNOWN, false, Over, KNOWN, HIDDEN),
            (KNOWN, true, Running, KNOWN, KNOWN),
            (UNSEEN, false, Running, None, None),
            (UNSEEN, false, Over, UNSEEN, HIDDEN),
            (UNSEEN, true, Running, None, None),
            (UNSEEN, true, Over, UNSEEN, UNSEEN),
        ] {
            let ending = Ending {
                outcome,
                reaped,
                inquiry,
            };
            assert_eq!(ending.answer(Right::AtEnd), at_end, "{ending:?}");
            assert_eq!(ending.answer(Right::AfterReap), after_reap, "{ending:?}");
            assert_eq!(ending.answer(Right::Never), None, "{ending:?}");
        }
    }
}
