//! Counting who has finished, and the exit code that follows.

use exithand::Outcome;

use crate::exit_code::ExitCode;

/// How many targets have finished of how many wanted, and how they ended.
#[derive(Debug, Clone, Copy)]
pub struct Tally {
    wanted: usize,
    finished: usize,
    /// The first end that was not a success.
    failure: Option<u8>,
    unknown: bool,
}

impl Tally {
    /// Starts counting towards `wanted`.
    pub fn new(wanted: usize) -> Self {
        Self {
            wanted,
            finished: 0,
            failure: None,
            unknown: false,
        }
    }

    /// Counts one that has finished.
    pub fn count(&mut self, outcome: Outcome) {
        self.finished += 1;
        match outcome.shell_status() {
            None => self.unknown = true,
            Some(0) => {}
            Some(status) => self.failure = self.failure.or(Some(status)),
        }
    }

    /// Counts one that was gone before, of which nobody says how.
    pub fn count_absent(&mut self) {
        self.finished += 1;
        self.unknown = true;
    }

    /// Returns how many are still wanted.
    pub fn outstanding(&self) -> usize {
        self.wanted.saturating_sub(self.finished)
    }

    /// Returns the exit code without `--propagate`.
    pub fn code(&self) -> ExitCode {
        if self.outstanding() == 0 {
            ExitCode::Success
        } else {
            ExitCode::TimedOut
        }
    }

    /// Returns the exit code with `--propagate`: that of the first target that failed, else 126 if
    /// an outcome is unknown, else 0.
    pub fn propagated(&self) -> ExitCode {
        match (self.code(), self.failure, self.unknown) {
            (ExitCode::Success, Some(status), _) => ExitCode::Propagated(status),
            (ExitCode::Success, None, true) => ExitCode::UnknownOutcome,
            (code, ..) => code,
        }
    }
}

#[cfg(test)]
mod tests {
    use exithand::{Signal, Why};

    use super::*;

    const UNKNOWN: Outcome = Outcome::Unknown {
        why: Why::OldKernel,
    };
    const KILLED: Outcome = Outcome::Killed {
        signal: Signal::KILL,
        core_dumped: false,
    };

    #[test]
    fn propagates_the_first_failure_then_ignorance_then_success() {
        for (outcomes, code) in [
            (vec![Outcome::Exited(0), Outcome::Exited(0)], 0),
            (vec![Outcome::Exited(0), Outcome::Exited(3)], 3),
            (vec![Outcome::Exited(3), KILLED], 3),
            (vec![KILLED, UNKNOWN], 137),
            (vec![Outcome::Exited(0), UNKNOWN], 126),
            (vec![UNKNOWN, Outcome::Exited(7)], 7),
        ] {
            let mut tally = Tally::new(outcomes.len());
            for outcome in &outcomes {
                tally.count(*outcome);
            }
            assert_eq!(tally.propagated().number(), code, "{outcomes:?}");
            assert_eq!(tally.code(), ExitCode::Success);
        }
    }

    #[test]
    fn too_few_is_a_timeout_whatever_the_rest_did() {
        let mut tally = Tally::new(2);
        tally.count(Outcome::Exited(3));
        assert_eq!(
            (tally.outstanding(), tally.propagated()),
            (1, ExitCode::TimedOut)
        );
        tally.count_absent();
        assert_eq!((tally.outstanding(), tally.code()), (0, ExitCode::Success));
    }
}
