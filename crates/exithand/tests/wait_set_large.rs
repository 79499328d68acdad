//! A set of as many members as the machine allows.

use std::collections::HashSet;
use std::fs;

use exithand::{Count, Deadline, ExitHandle, Key, Outcome, Source, Until, WaitSet};
use exithand_testkit::{Need, actor, need, skip, test_name};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const WISHED: usize = 100_000;
/// What fits under the limits of most machines. All are zombies: they cost little.
const FEWER: usize = 15_000;

#[test]
fn every_event_of_a_large_set_is_a_member() {
    let pids: usize = fs::read_to_string("/proc/sys/kernel/pid_max")
        .map(|text| text.trim().parse().unwrap())
        .unwrap();
    let descriptors = |members| Need::Descriptors(u64::try_from(members + 100).unwrap());
    let fits = |members| descriptors(members).met() && pids > 2 * members;
    if !fits(WISHED) {
        skip(test_name!(), descriptors(WISHED));
    }
    need!(Need::Pidfs, descriptors(FEWER));
    let members = if fits(WISHED) { WISHED } else { FEWER };
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = maximum;
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();

    let mut brood = actor(&["brood", &members.to_string()]);
    let set = WaitSet::new(Until::Reaped).unwrap();
    let open = |pid: &_| set.add(ExitHandle::open(*pid).unwrap()).unwrap();
    let all: HashSet<Key> = brood.told().iter().map(open).collect();
    assert_eq!(all.len(), brood.told().len());
    println!("{} members", all.len());
    // An unprivileged user may not be allowed so many processes.
    assert!(all.len() >= if Need::Root.met() { members } else { 1000 });
    assert!(set.wait(Count::Any, Deadline::NOW).unwrap().is_empty());
    brood.go();
    let finished = set.wait(Count::All, Deadline::NEVER).unwrap();
    let keys: HashSet<Key> = finished.iter().map(|(key, _)| *key).collect();
    assert_eq!(finished.len(), all.len(), "as many events as members");
    assert_eq!(keys, all);
    if Need::PidfdInfoExit.met() {
        for (_, handle) in &finished {
            let exit = handle.try_wait().unwrap().unwrap();
            assert_eq!(exit.outcome, Outcome::Exited(0));
            assert_eq!(exit.source, Some(Source::Pidfd));
        }
    }
    assert_eq!(brood.read_line(), "reaped");
}
