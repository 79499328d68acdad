//! `kill --cgroup` against v2 and v1 cgroups whose members fork, detach and refuse.

use std::path::Path;
use std::time::Duration;

use exithand::Signal;
use exithand_cli::kill::{Cgroup, CgroupError, Report, Scope, Survivors, run};
use exithand_testkit::{Hierarchy, Need, need};

use crate::stage::{Stage, request};

const TERM: Signal = Signal::TERM;
const KILL: Signal = Signal::KILL;
const FREEZER: Hierarchy = Hierarchy::V1("freezer");
const PIDS: Hierarchy = Hierarchy::V1("pids");

fn empty(stage: &Stage, signal: Signal, then: Option<(Duration, Signal)>) -> Report {
    let cgroup = Cgroup::find(stage.cgroup.path()).expect("find the cgroup");
    let mut asked = request(Scope::Cgroup(cgroup), signal, []);
    asked.timeout = then.map(|(timeout, _)| timeout);
    asked.then = then.map(|(_, signal)| signal);
    run(asked, &mut ()).expect("empty the cgroup")
}

fn forkers_do_not_survive(hierarchy: Hierarchy) {
    // The daemon that `fork-on-term` leaves behind blocks SIGTERM.
    for (signal, then) in [(TERM, Some(KILL)), (KILL, None)] {
        let stage = Stage::on(hierarchy);
        let _forker = stage.actor(&["fork-on-term"]);
        let _chains = stage.actor(&["fork-bomb-bounded", "7"]);
        let report = empty(
            &stage,
            signal,
            then.map(|then| (Duration::from_secs(1), then)),
        );
        assert_eq!(stage.survivors(), [0; 0], "{signal}");
        assert_eq!(report.survivors, Survivors::None, "{signal}: {report:?}");
        let last = report.processes.iter().filter_map(|it| it.signals.last());
        assert!(last.clone().any(|it| *it == KILL), "{signal}: {report:?}");
    }
}

#[test]
fn forkers_in_a_v2_cgroup_do_not_survive() {
    need!(Need::Cgroup2);
    forkers_do_not_survive(Hierarchy::V2);
}

#[test]
fn forkers_in_a_v1_freezer_do_not_survive() {
    need!(Need::CgroupV1Freezer);
    forkers_do_not_survive(FREEZER);
}

#[test]
fn forkers_in_a_v1_cgroup_without_a_freezer_do_not_survive() {
    need!(Need::CgroupV1Pids);
    forkers_do_not_survive(PIDS);
}

fn stubborn_members_get_the_second_signal(hierarchy: Hierarchy) {
    let stage = Stage::on(hierarchy);
    let _stubborn = stage.actor(&["ignore-term"]);
    let _soft = stage.actor(&["hang"]);
    let report = empty(&stage, TERM, Some((Duration::from_millis(200), KILL)));
    assert_eq!(stage.survivors(), [0; 0]);
    assert_eq!(report.survivors, Survivors::None);
    let mut signals: Vec<&[Signal]> = report.processes.iter().map(|it| &it.signals[..]).collect();
    signals.sort_by_key(|it| it.len());
    assert_eq!(signals, [&[TERM][..], &[TERM, KILL]]);
}

#[test]
fn stubborn_members_of_a_v2_cgroup_get_the_second_signal() {
    need!(Need::Cgroup2);
    stubborn_members_get_the_second_signal(Hierarchy::V2);
}

#[test]
fn stubborn_members_of_a_v1_cgroup_get_the_second_signal() {
    need!(Need::CgroupV1Freezer, Need::CgroupV1Pids);
    stubborn_members_get_the_second_signal(FREEZER);
    stubborn_members_get_the_second_signal(PIDS);
}

#[test]
fn members_below_are_members() {
    need!(Need::Cgroup2);
    let stage = Stage::new();
    let below = stage.cgroup.path().join("below");
    std::fs::create_dir(&below).unwrap();
    let actor = stage.actor(&["hang"]);
    std::fs::write(below.join("cgroup.procs"), actor.pid().to_string()).unwrap();

    for signal in [Signal::CONT, KILL] {
        let name = stage.cgroup.name().unwrap();
        let cgroup = Cgroup::find(Path::new(&name)).expect("find it by its name");
        let mut asked = request(Scope::Cgroup(cgroup), signal, []);
        asked.timeout = Some(Duration::from_secs(if signal == KILL { 60 } else { 0 }));
        let report = run(asked, &mut ()).unwrap();
        assert_eq!(report.processes.len(), 1);
        assert_eq!(report.processes[0].signals, [signal]);
    }
    // An ended member may count for a moment.
    while std::fs::remove_dir(&below).is_err() {
        std::thread::yield_now();
    }
}

#[test]
fn a_frozen_v2_cgroup_is_killed_and_left_as_it_was() {
    need!(Need::Cgroup2);
    let stage = Stage::new();
    let _actor = stage.actor(&["hang"]);
    stage.cgroup.set("cgroup.freeze", "1").unwrap();
    let report = empty(&stage, KILL, None);
    assert_eq!(report.survivors, Survivors::None);
    let freeze = std::fs::read_to_string(stage.cgroup.path().join("cgroup.freeze")).unwrap();
    assert_eq!(freeze.trim(), "1");
}

#[test]
fn a_cgroup_that_was_thawed_is_thawed_again() {
    need!(Need::Cgroup2);
    let stage = Stage::new();
    let _actor = stage.actor(&["hang"]);
    empty(&stage, KILL, None);
    let freeze = std::fs::read_to_string(stage.cgroup.path().join("cgroup.freeze")).unwrap();
    assert_eq!(freeze.trim(), "0");
}

#[test]
fn an_empty_cgroup_is_empty_already() {
    need!(Need::Cgroup2);
    let stage = Stage::new();
    let report = empty(&stage, TERM, None);
    assert_eq!(report.survivors, Survivors::None);
    assert!(report.processes.is_empty());
}

#[test]
fn refuses_a_cgroup_that_is_not_there_or_holds_exithand() {
    need!(Need::Cgroup2);
    let missing = Cgroup::find(Path::new("/no/such/cgroup"));
    let Err(CgroupError::NotFound { tried, .. }) = missing else {
        panic!("{missing:?}");
    };
    assert!(
        tried.iter().any(|path| path.ends_with("no/such/cgroup")),
        "{tried:?}"
    );

    let stage = Stage::new();
    let above = stage.cgroup.path().parent().unwrap();
    let refused = Cgroup::find(above);
    assert!(
        matches!(refused, Err(CgroupError::ContainsCaller(_))),
        "{refused:?}"
    );
}
