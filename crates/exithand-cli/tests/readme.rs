//! The README tells the truth: its shell examples are run, and print what it shows.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helper can do nothing better than to panic"
)]

mod common;
mod console;

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::thread;

use console::{Example, Lines, Matcher, Who};
use exithand_testkit::{Need, need};

const README: &str = include_str!("../../../README.md");

/// Runs an example and returns how what it printed differs from what is shown.
fn difference(example: &Example<'_>) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(common::exithand().get_program(), bin.join("exithand")).unwrap();
    let outputs = example.run(folder.path(), &bin);
    let mut matcher = Matcher::default();
    let mut difference = String::new();
    for (step, printed) in example.steps.iter().zip(&outputs) {
        let same = match example.lines {
            Lines::Kept => matcher.matches(&step.shown, printed),
            Lines::Wrapped => matcher.matches_wrapped(&step.shown, printed),
        };
        if !same {
            let (command, shown) = (&step.command, step.shown.join("\n"));
            writeln!(
                difference,
                "$ {command}\nREADME:\n{shown}\nprinted:\n{printed}"
            )
            .unwrap();
        }
    }
    if outputs.len() != example.steps.len() {
        writeln!(difference, "the shell ended early: {outputs:?}").unwrap();
    }
    (!difference.is_empty()).then_some(difference)
}

/// Runs the examples that `who` can run, all at once.
fn check(who: Who) {
    let mut examples = Example::parse_all(README);
    examples.retain(|example| example.who == who);
    assert!(!examples.is_empty());
    let differences: Vec<String> = thread::scope(|scope| {
        let running: Vec<_> = examples
            .iter()
            .map(|example| scope.spawn(|| difference(example)))
            .collect();
        let join = |it: thread::ScopedJoinHandle<'_, Option<String>>| it.join().unwrap();
        running.into_iter().filter_map(join).collect()
    });
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_example_prints_what_is_shown() {
    // The shell reaps its children at once, after which only the kernel can tell how they ended.
    need!(Need::PidfdInfoExit);
    check(Who::Anybody);
}

#[test]
fn every_example_for_root_prints_what_is_shown() {
    need!(Need::PidfdInfoExit, Need::Root, Need::Fuse, Need::Bpf);
    check(Who::Root);
}

#[test]
fn it_is_short_and_starts_with_words() {
    assert!(README.lines().count() < 165);
    assert!(README.starts_with("# exithand\n\n"));
    assert!(!README.contains("](https://img."), "no badges");
}

#[test]
fn every_file_it_links_to_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // A copy of the test program may run where the sources are not.
    if !root.join("README.md").is_file() {
        return;
    }
    let links = README.split("](").skip(1);
    for link in links.filter_map(|rest| rest.split(')').next()) {
        assert!(root.join(link).exists(), "{link}");
    }
}
