//! A set of processes: counts processes, each once, however many events the kernel has for them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use exithand::{Count, Deadline, ExitHandle, Key, Outcome, State, Until, WaitSet};
use exithand_testkit::{Middleman, Need, need};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

fn minute() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

fn middlemen(count: u8) -> Vec<Middleman> {
    let start = |status: u8| Middleman::start(&["wait-then-exit", &status.to_string()]);
    (0..count).map(start).collect()
}

fn watch(set: &WaitSet, middlemen: &[Middleman]) -> Vec<Key> {
    let add = |it: &Middleman| set.add(ExitHandle::open(it.child()).unwrap()).unwrap();
    middlemen.iter().map(add).collect()
}

fn is_readable(set: &WaitSet) -> bool {
    poll(&mut [PollFd::new(set, PollFlags::IN)], Some(&NOW)).unwrap() > 0
}

fn keys(finished: &[(Key, ExitHandle)]) -> HashSet<Key> {
    let keys: HashSet<Key> = finished.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys.len(), finished.len(), "each member once");
    keys
}

#[test]
fn any_some_and_all_are_waited_for() {
    let mut family = middlemen(5);
    let set = WaitSet::new(Until::Ended).unwrap();
    let all = watch(&set, &family);
    assert_eq!(set.len(), 5);
    assert!(set.wait(Count::Any, Deadline::NOW).unwrap().is_empty());

    family[3].end();
    let first = set.wait(Count::Any, minute()).unwrap();
    assert_eq!(keys(&first), HashSet::from([all[3]]));
    assert_eq!(first[0].1.outcome().unwrap(), Some(Outcome::Exited(3)));

    family[0].end();
    family[4].end();
    let some = set.wait(Count::AtLeast(2), minute()).unwrap();
    assert_eq!(keys(&some), HashSet::from([all[0], all[4]]));
    assert_eq!(set.len(), 2);

    family[1].end();
    family[2].end();
    let rest = set.wait(Count::All, minute()).unwrap();
    assert_eq!(keys(&rest), HashSet::from([all[1], all[2]]));
    assert!(set.is_empty());
}

#[test]
fn an_end_and_its_reap_count_once() {
    let mut family = middlemen(6);
    let set = WaitSet::new(Until::Ended).unwrap();
    watch(&set, &family);
    let (asked, told) = mpsc::channel();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            asked.send(()).unwrap();
            set.wait(Count::AtLeast(4), minute()).unwrap()
        });
        told.recv().unwrap();
        // Two processes with two events each, while the waiter waits for four processes.
        for middleman in &mut family[..2] {
            middleman.end();
            middleman.reap();
        }
        assert!(!waiter.is_finished(), "only two have ended");
        for middleman in &mut family[2..4] {
            middleman.end();
        }
        let finished = waiter.join().unwrap();
        assert_eq!(keys(&finished).len(), 4);
        for (_, handle) in &finished {
            assert_ne!(handle.state().unwrap(), State::Alive);
        }
    });
    for middleman in &mut family[2..4] {
        middleman.reap();
    }
    let late = set.wait(Count::All, Deadline::NOW).unwrap();
    assert!(late.is_empty(), "reaps of former members are nobody's");
}

#[test]
fn a_set_for_the_reap_does_not_count_ends() {
    need!(Need::Pidfs);
    let mut family = middlemen(3);
    let set = WaitSet::new(Until::Reaped).unwrap();
    let all = watch(&set, &family);
    for middleman in &mut family {
        middleman.end();
    }
    assert!(!is_readable(&set), "three zombies");
    assert!(set.wait(Count::Any, Deadline::NOW).unwrap().is_empty());
    family[1].reap();
    let finished = set.wait(Count::Any, minute()).unwrap();
    assert_eq!(keys(&finished), HashSet::from([all[1]]));
    assert_eq!(finished[0].1.state().unwrap(), State::Reaped);
    assert_eq!(set.len(), 2);
}

#[test]
fn the_same_process_is_one_member() {
    let mut middleman = Middleman::start(&["wait-then-exit", "1"]);
    let set = WaitSet::new(Until::Ended).unwrap();
    let handle = ExitHandle::open(middleman.child()).unwrap();
    let by_token = ExitHandle::open_token(&handle.token()).unwrap();
    let passed = handle.as_fd().try_clone_to_owned().unwrap();
    let passed = ExitHandle::from_pidfd(passed).unwrap();
    let again = ExitHandle::open(middleman.child()).unwrap();
    let key = set.add(handle).unwrap();
    for handle in [by_token, passed, again] {
        assert_eq!(set.add(handle).unwrap(), key);
    }
    assert_eq!(set.len(), 1);
    middleman.end();
    let finished = set.wait(Count::AtLeast(2), minute()).unwrap();
    assert_eq!(
        keys(&finished),
        HashSet::from([key]),
        "two names, one process"
    );
}

#[test]
fn an_empty_set_is_finished() {
    let set = WaitSet::new(Until::Ended).unwrap();
    for count in [Count::Any, Count::AtLeast(3), Count::All] {
        assert!(set.wait(count, Deadline::NEVER).unwrap().is_empty());
    }
    assert!(!is_readable(&set));
}

#[test]
fn a_deadline_ends_the_wait_with_those_that_have_finished() {
    let mut family = middlemen(3);
    let set = WaitSet::new(Until::Ended).unwrap();
    let all = watch(&set, &family);
    family[2].end();
    let soon = Deadline::after(Duration::from_millis(30));
    let finished = set.wait(Count::All, soon).unwrap();
    assert_eq!(keys(&finished), HashSet::from([all[2]]));
    assert_eq!(set.len(), 2);
    let members: HashSet<Key> = keys(&set.into_members());
    assert_eq!(members, HashSet::from([all[0], all[1]]));
}

#[test]
fn members_come_and_go_while_somebody_waits() {
    let mut family = middlemen(3);
    let set = WaitSet::new(Until::Ended).unwrap();
    let first = watch(&set, &family[..1])[0];
    let (asked, told) = mpsc::channel();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            asked.send(()).unwrap();
            set.wait(Count::All, minute()).unwrap()
        });
        told.recv().unwrap();
        let added = watch(&set, &family[1..]);
        family[1].end();
        let removed = set.remove(first).unwrap().expect("it was a member");
        assert_eq!(removed.state().unwrap(), State::Alive);
        assert!(set.remove(first).unwrap().is_none(), "once only");
        family[2].end();
        let finished = waiter.join().unwrap();
        assert_eq!(keys(&finished), HashSet::from([added[0], added[1]]));
    });
}

#[test]
fn taking_the_last_member_away_wakes_the_waiter() {
    let family = middlemen(1);
    for count in [Count::Any, Count::All] {
        let set = WaitSet::new(Until::Ended).unwrap();
        let key = watch(&set, &family)[0];
        let (asked, told) = mpsc::channel();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                asked.send(()).unwrap();
                set.wait(count, Deadline::NEVER).unwrap()
            });
            told.recv().unwrap();
            set.remove(key).unwrap().expect("it was a member");
            assert!(waiter.join().unwrap().is_empty());
        });
    }
}

#[test]
fn two_waiters_share_the_members() {
    let mut family = middlemen(8);
    let set = WaitSet::new(Until::Ended).unwrap();
    let all = watch(&set, &family);
    let halves = thread::scope(|scope| {
        let wait = || set.wait(Count::All, minute()).unwrap();
        let waiters = [scope.spawn(wait), scope.spawn(wait)];
        for middleman in &mut family {
            middleman.end();
        }
        waiters.map(|it| it.join().unwrap())
    });
    let both: Vec<_> = halves.into_iter().flatten().collect();
    assert_eq!(keys(&both), all.into_iter().collect());
}

#[test]
fn a_set_goes_into_another_poll_loop() {
    let mut family = middlemen(2);
    let set = WaitSet::new(Until::Ended).unwrap();
    watch(&set, &family);
    let outer = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    epoll::add(
        &outer,
        &set,
        epoll::EventData::new_u64(7),
        epoll::EventFlags::IN,
    )
    .unwrap();
    let mut events = Vec::with_capacity(4);
    epoll::wait(
        &outer,
        rustix::buffer::spare_capacity(&mut events),
        Some(&NOW),
    )
    .unwrap();
    assert!(events.is_empty() && !is_readable(&set));

    family[0].end();
    epoll::wait(&outer, rustix::buffer::spare_capacity(&mut events), None).unwrap();
    assert_eq!(events.pop().unwrap().data.u64(), 7);
    assert_eq!(set.wait(Count::Any, Deadline::NOW).unwrap().len(), 1);
    events.clear();
    epoll::wait(
        &outer,
        rustix::buffer::spare_capacity(&mut events),
        Some(&NOW),
    )
    .unwrap();
    assert!(events.is_empty() && !is_readable(&set), "all was fetched");
}

#[test]
fn a_former_member_is_quiet_though_its_descriptor_lives_on() {
    let mut middleman = Middleman::start(&["wait-then-exit", "1"]);
    let set = WaitSet::new(Until::Ended).unwrap();
    let handle = ExitHandle::open(middleman.child()).unwrap();
    let clone = handle.try_clone().unwrap();
    let key = set.add(handle).unwrap();
    drop(set.remove(key).unwrap());
    middleman.end();
    assert_eq!(clone.state().unwrap(), State::Ended);
    assert!(!is_readable(&set), "the clone kept no registration");
    let key = set.add(clone.try_clone().unwrap()).unwrap();
    let finished = set.wait(Count::All, minute()).unwrap();
    assert_eq!(keys(&finished), HashSet::from([key]));
    assert!(!is_readable(&set));
}
