//! Order, and what becomes of records that nobody reads.

use exithand_recorder::LossCause;
use exithand_testkit::{Actor, Pid, actor, at_most, need};

use crate::watch::{Way, pidfd, token_of, until_ended};

#[test]
fn a_record_is_there_when_the_pidfd_is_readable() {
    need!(Way::TpBtf.need());
    let mut watch = Way::TpBtf.open();
    for round in 0..at_most(3_000) {
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let pid = Pid::from_child(&child);
        let (token, pidfd) = (token_of(pid), pidfd(pid));
        until_ended(&pidfd);
        watch.drain();
        assert_eq!(watch.told_of(&token).len(), 1, "round {round}");
        watch.exits.clear();
        child.wait().unwrap();
    }
}

#[test]
fn what_a_stalled_reader_misses_is_counted() {
    need!(Way::TpBtf.need());
    let count = at_most(20_000);
    let mut watch = Way::TpBtf.open();
    let mut storm: Actor = actor(&["storm", &count.to_string(), "500"]);
    let parent = storm.pid().as_raw_nonzero().get().unsigned_abs();
    storm.go();
    while !storm.read_line().is_empty() {}
    assert_eq!(storm.wait(), 0);
    watch.drain();
    // Others on this machine end, too: kept ones are told apart, lost ones are not.
    let kept = watch
        .exits
        .iter()
        .filter(|it| it.parent.as_ref().is_some_and(|it| it.pid == parent))
        .count();
    let kept = u64::try_from(kept).unwrap();
    let lost: u64 = watch.gaps.iter().filter_map(|it| it.lost).sum();
    assert!(kept + lost >= u64::from(count), "kept {kept}, lost {lost}");
    assert!(kept <= u64::from(count), "kept {kept}");
    if lost > 0 {
        assert!(watch.gaps.iter().all(|it| it.cause == LossCause::RingFull));
        assert!(watch.gaps.iter().all(|it| it.from < it.to));
    } else {
        assert_eq!(kept, u64::from(count));
    }
}
