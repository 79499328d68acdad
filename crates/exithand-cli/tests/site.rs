//! The pages of the site tell the truth: their examples are run, and print what is shown.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod common;
mod console;

use console::{Document, Who};
use exithand_testkit::{Need, need};

/// A page by its place below `docs/site`.
macro_rules! pages {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("../../../docs/site/", $path)))),+]
    };
}

const SUMMARY: &str = include_str!("../../../docs/site/SUMMARY.md");

const PAGES: [(&str, &str); 16] = pages![
    "index.md",
    "quick-start.md",
    "recipes/index.md",
    "recipes/restart-a-server.md",
    "recipes/makefile.md",
    "recipes/systemd.md",
    "recipes/kubernetes.md",
    "recipes/ci-job.md",
    "recipes/who-killed-it.md",
    "recipes/out-of-memory.md",
    "coming-from.md",
    "how-it-works.md",
    "comparison.md",
    "faq.md",
    "pid-reuse.md",
    "examples.md",
];

/// Pages without anything to run: Rust, which is compiled where it is, and what lies elsewhere.
const NOT_RUN: [&str; 4] = [
    "async-rust.md",
    "contract.md",
    "recorder-protocol.md",
    "store.md",
];

/// Runs the examples of all pages that `who` can run.
fn check(who: Who) {
    let documents = PAGES.map(|(page, text)| (page, Document::parse(text)));
    let all = documents.iter().flat_map(|(_, it)| &it.examples);
    assert_ne!(all.filter(|it| it.who == who).count(), 0, "{who:?}");
    let differences = documents.iter().flat_map(|(page, document)| {
        let differences = document.differences(who).into_iter();
        differences.map(move |it| format!("{page}:\n{it}"))
    });
    let differences: Vec<String> = differences.collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_example_prints_what_is_shown() {
    need!(Need::PidfdInfoExit);
    check(Who::Anybody);
}

#[test]
fn every_example_with_a_recorder_prints_what_is_shown() {
    need!(Need::PidfdInfoExit, Need::Root, Need::Bpf);
    check(Who::Recorder);
}

#[test]
fn every_example_in_a_pod_prints_what_is_shown() {
    need!(Need::PidfdInfoExit, Need::Root, Need::PrivatePidNamespace);
    check(Who::Pod);
}

#[test]
fn every_block_is_run_or_says_why_not() {
    for (page, text) in PAGES {
        let unexplained = Document::parse(text).unexplained;
        assert!(unexplained.is_empty(), "{page}: {unexplained:?}");
    }
}

#[test]
fn every_page_of_the_summary_is_looked_at() {
    let listed = SUMMARY.split("](").skip(1);
    for link in listed.filter_map(|rest| rest.split(')').next()) {
        let known = PAGES.iter().any(|(page, _)| *page == link) || NOT_RUN.contains(&link);
        assert!(known, "{link}: add it to this file");
    }
}
