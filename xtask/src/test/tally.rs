//! Counts tests by reading what the test programs print.

use std::collections::BTreeSet;
use std::process::Command;

use crate::cargo;

/// The sum of the `test result:` lines of one or more test programs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) ignored: usize,
    /// The tests that ran, as `PROGRAM::TEST`.
    pub(crate) names: BTreeSet<String>,
    /// The test program whose output is being read.
    program: String,
}

/// Whether a command got as far as it could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Every test program ran to its end.
    Complete,
    /// A program was not built, or ended before it could say how its tests went.
    BrokenOff,
}

impl Tally {
    /// Runs `command`, passing its output through, and adds its tests.
    ///
    /// A command that fails without a failed test counts as one failure.
    pub(crate) fn run(&mut self, command: &mut Command) -> anyhow::Result<Ending> {
        let before = self.failed;
        let status = cargo::each_line_of_both(command, |line| {
            println!("{line}");
            self.read(line);
        })?;
        if status.success() || self.failed > before {
            return Ok(Ending::Complete);
        }
        println!("the tests broke off: {status}");
        self.failed += 1;
        Ok(Ending::BrokenOff)
    }

    /// Adds what one line of output says.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some((_, counts)) = line.split_once("test result: ") {
            let (_, counts) = counts.split_once(". ").unwrap_or(("", counts));
            self.passed += count(counts, "passed");
            self.failed += count(counts, "failed");
            self.ignored += count(counts, "ignored");
        } else if let Some(rest) = line.strip_prefix("test ")
            && let Some((name, _)) = rest.split_once(" ... ")
        {
            let name = name.strip_suffix(" - should panic").unwrap_or(name);
            self.names.insert(format!("{}::{name}", self.program));
        } else if let Some(program) = announced_program(line) {
            self.enter(program);
        }
    }

    /// Has the tests that follow belong to the program of that file name.
    pub(crate) fn enter(&mut self, program: &str) {
        program_name(program).clone_into(&mut self.program);
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.names.extend(other.names);
    }
}

/// The numbers in one line. The test programs count a skipped test as passed; this does not.
pub(crate) fn summary(passed: usize, failed: usize, skipped: usize) -> String {
    format!(
        "{} passed, {failed} failed, {skipped} skipped",
        passed.saturating_sub(skipped)
    )
}

/// The path in cargo's `Running tests/wait.rs (target/debug/deps/wait-0123456789abcdef)`.
fn announced_program(line: &str) -> Option<&str> {
    let line = line.trim_start();
    if line.starts_with("Doc-tests ") {
        return Some("doc");
    }
    let (_, path) = line
        .strip_prefix("Running ")?
        .strip_suffix(')')?
        .rsplit_once(" (")?;
    Some(path)
}

/// The name of a test program: its file name without the hash that cargo appends.
fn program_name(path: &str) -> &str {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    match name.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 => name,
        _ => name,
    }
}

/// The number before `word` in `3 passed; 0 failed; ...`.
fn count(counts: &str, word: &str) -> usize {
    counts
        .split("; ")
        .filter_map(|part| part.split_once(' '))
        .find(|(_, name)| *name == word)
        .and_then(|(number, _)| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Ending, Tally, announced_program, program_name, summary};

    fn read(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        for line in lines {
            tally.read(line);
        }
        tally
    }

    #[test]
    fn sums_the_results_of_all_programs() {
        let tally = read(&[
            "     Running tests/wait.rs (target/debug/deps/wait-0123456789abcdef)",
            "running 2 tests",
            "test wait::ends ... ok",
            "test token::is_never_reused - should panic ... ok",
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished \
             in 0.00s",
            "   Doc-tests exithand",
            "test crates/exithand/src/lib.rs - (line 3) ... FAILED",
            "test result: FAILED. 4 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; \
             finished in 0.02s",
        ]);
        assert_eq!((tally.passed, tally.failed, tally.ignored), (6, 1, 2));
        let names: Vec<&str> = tally.names.iter().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "doc::crates/exithand/src/lib.rs - (line 3)",
                "wait::token::is_never_reused",
                "wait::wait::ends"
            ]
        );
        assert_eq!(summary(6, 1, 2), "4 passed, 1 failed, 2 skipped");
    }

    #[test]
    fn knows_which_program_speaks() {
        for (line, program) in [
            (
                "     Running unittests src/lib.rs (target/debug/deps/exithand-0a)",
                "exithand-0a",
            ),
            (
                "     Running tests/a b.rs (/t (1)/debug/deps/a_b-0123456789abcdef)",
                "a_b",
            ),
            ("   Doc-tests exithand", "doc"),
        ] {
            assert_eq!(
                announced_program(line).map(program_name),
                Some(program),
                "{line}"
            );
        }
        assert_eq!(announced_program("running 2 tests"), None);
    }

    #[test]
    fn a_program_that_breaks_off_is_a_failure() {
        let mut tally = Tally::default();
        let ending = tally
            .run(Command::new("sh").args(["-c", "kill -9 $$"]))
            .unwrap();
        assert_eq!((ending, tally.failed), (Ending::BrokenOff, 1));
    }

    #[test]
    fn failed_tests_are_counted_once() {
        let script = "echo 'test result: FAILED. 0 passed; 1 failed; 0 ignored'; exit 101";
        let mut tally = Tally::default();
        let ending = tally.run(Command::new("sh").args(["-c", script])).unwrap();
        assert_eq!((ending, tally.failed), (Ending::Complete, 1));
    }
}
