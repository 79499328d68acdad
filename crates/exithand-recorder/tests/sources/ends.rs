//! How a process ended: the programs that most observers get wrong, then thousands at random.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use exithand::{Outcome, Token};
use exithand_recorder::ExitRecord;
use exithand_testkit::{Actor, actor, at_most, need};

use crate::watch::{Watch, Way, kill, token_of};

/// Makes a ready actor end.
type End = fn(&mut Actor);

const RELEASE: End = Actor::release;

const PROGRAMS: [(&[&str], End); 13] = [
    (&["wait-then-exit", "0"], RELEASE),
    (&["wait-then-exit", "255"], RELEASE),
    (&["leader-exits-first"], RELEASE),
    (&["leader-then-exit-group"], RELEASE),
    (&["worker-exit-group"], RELEASE),
    (&["killed-two-threads"], kill),
    (&["abort"], RELEASE),
    (&["segv-core"], RELEASE),
    (&["leader-execs"], RELEASE),
    (&["worker-execs"], RELEASE),
    (&["leader-execs", "wait-then-exit", "4"], RELEASE),
    (&["hang"], kill),
    (&["nondumpable", "6"], RELEASE),
];

pub(crate) fn outcome(status: i32) -> Outcome {
    Outcome::try_from(ExitStatus::from_raw(status)).expect("a status of an end")
}

fn tells_what_wait_tells(way: Way, find: fn(&mut Watch, &Token) -> ExitRecord) {
    let mut watch = way.open();
    for (args, end) in PROGRAMS {
        let mut actor = actor(args);
        let token = token_of(actor.pid());
        watch.drain();
        assert!(
            watch.told_of(&token).is_empty(),
            "{way:?} {args:?}: it lives"
        );
        end(&mut actor);
        actor.wait_zombie();
        let record = find(&mut watch, &token);
        let status = actor.wait();
        assert_eq!(record.outcome, outcome(status), "{way:?} {args:?}");
        assert!(record.runtime_ns.is_none_or(|it| it > 0), "{record:?}");
        assert!(
            record.started.is_none_or(|it| it < record.ended),
            "{record:?}"
        );
    }
    // Whatever a program went through, it ended once.
    watch.drain();
    for record in &watch.exits {
        assert_eq!(watch.told_of(&record.token).len(), 1, "{record:?}");
    }
    assert_eq!(watch.gaps, []);
}

#[test]
fn probes_tell_what_wait_tells_before_anybody_wakes() {
    for way in Way::PROBES {
        need!(way.need());
        tells_what_wait_tells(way, Watch::record_of);
    }
}

#[test]
fn task_statistics_tell_what_wait_tells_before_anybody_wakes() {
    need!(Way::Taskstats.need(), Way::Connector.need());
    tells_what_wait_tells(Way::Taskstats, Watch::record_of);
}

#[test]
fn the_connector_tells_what_wait_tells_a_moment_later() {
    need!(Way::Connector.need());
    tells_what_wait_tells(Way::Connector, Watch::await_record);
}

/// Runs a storm and compares every end with what the storm knows of it.
fn storm(way: Way, count: u32) {
    let count = at_most(count);
    let mut watch = way.open();
    let mut storm = actor(&["storm", &count.to_string(), "200"]);
    storm.go();
    let mut expected = Vec::new();
    loop {
        let line = storm.read_line();
        if line.is_empty() {
            break;
        }
        let words: Vec<&str> = line.split(' ').collect();
        if let ["p", _, pid, _, status] = words[..] {
            let pid: i32 = pid.parse().expect("a pid");
            let status: i32 = status.parse().expect("a status");
            expected.push((pid, outcome(status)));
        }
        watch.drain();
    }
    assert_eq!(storm.wait(), 0);
    watch.drain();
    assert_eq!(expected.len(), usize::try_from(count).expect("32 bits"));
    let parent = storm.pid().as_raw_nonzero().get().unsigned_abs();
    let mut told: Vec<(i32, Outcome)> = watch
        .exits
        .iter()
        .filter(|it| it.parent.as_ref().is_some_and(|it| it.pid == parent))
        .map(|it| {
            (
                it.token.pid().expect("a pid").as_raw_nonzero().get(),
                it.outcome,
            )
        })
        .collect();
    let key = |it: &(i32, Outcome)| (it.0, it.1.to_string());
    told.sort_by_key(key);
    expected.sort_by_key(key);
    assert!(told == expected, "{way:?}: {} of {count}", told.len());
    assert_eq!(watch.gaps, []);
}

#[test]
fn ten_thousand_random_ends_are_told_as_wait_tells_them() {
    need!(Way::TpBtf.need());
    storm(Way::TpBtf, 10_000);
    storm(Way::RawTpOld, 2_000);
}

#[test]
fn random_ends_are_told_without_probes_too() {
    need!(Way::Taskstats.need(), Way::Connector.need());
    storm(Way::Taskstats, 2_000);
    storm(Way::Connector, 2_000);
}
