//! The filesystem of exithand files keeps the contract.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use exithand_testkit::{Need, User, need, open_fuse_to_all, run_isolated, test_name};
use support::{Served, Suite, alone, passes};

/// The checks that depend on who may know what.
const OF_POLICY: [&str; 12] = [
    "--filter",
    "status",
    "--filter",
    "stranger",
    "--filter",
    "everybody",
    "--filter",
    "siginfo-",
    "--filter",
    "outcome-",
    "--filter",
    "attributes",
];

#[test]
fn keeps_the_contract_for_root() {
    if Served::play(test_name!()) {
        return;
    }
    need!(Need::Root, Need::Fuse);
    let _alone = alone();
    let served = Served::start(test_name!(), "kernel");
    let said = passes(Suite::new().judge(served.root(), &["--require-all"]));
    assert!(said.ends_with(" skipped\n"), "nothing is absent: {said}");
    served.finish();
}

#[test]
fn keeps_the_contract_for_a_user() {
    if Served::play(test_name!()) {
        return;
    }
    need!(Need::Root, Need::Fuse, Need::OtherUsers);
    let _alone = alone();
    let served = Served::start(test_name!(), "kernel");
    passes(Suite::new().judge_as_nobody(served.root(), &["--require-all"]));
    served.finish();
}

#[test]
fn keeps_the_contract_on_a_users_own_mount() {
    if Served::play(test_name!()) {
        return;
    }
    need!(Need::UserFuse, Need::Program("fusermount3"));
    let _alone = alone();
    run_isolated(test_name!(), || {
        open_fuse_to_all().unwrap();
        let served = Served::start_as(User::NOBODY, test_name!());
        passes(Suite::new().judge_as_nobody(served.root(), &["--require-all"]));
        served.finish();
    });
}

#[test]
fn keeps_to_every_policy() {
    if Served::play(test_name!()) {
        return;
    }
    need!(Need::Root, Need::Fuse, Need::OtherUsers);
    let _alone = alone();
    let suite = Suite::new();
    for policy in ["all", "user", "parent", "root"] {
        let served = Served::start(test_name!(), policy);
        let args = [&["--policy", policy], &OF_POLICY[..]].concat();
        passes(suite.judge(served.root(), &args));
        passes(suite.judge_as_nobody(served.root(), &args));
        served.finish();
    }
}
