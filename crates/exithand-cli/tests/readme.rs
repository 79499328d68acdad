//! The README tells the truth: its shell examples are run, and print what it shows.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helper can do nothing better than to panic"
)]

mod common;
mod console;

use console::{Document, Who};
use exithand_testkit::{Need, need};

const README: &str = include_str!("../../../README.md");

/// Runs the examples that `who` can run, all at once.
fn check(who: Who) {
    let document = Document::parse(README);
    assert!(document.examples.iter().any(|it| it.who == who));
    let differences = document.differences(who);
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
