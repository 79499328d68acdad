//! The library's `ExitFile` on the real files.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::thread;

use exithand::file::ExitFile;
use exithand::{Count, Deadline, Error, ExitHandle, Outcome, Source, State, WaitSet, Why};
use exithand_testkit::{Need, User, actor, need, test_name};
use rustix::fs::{Gid, Uid};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};
use support::Served;

#[test]
fn says_what_a_handle_says() {
    if Served::play(test_name!()) {
        return;
    }
    need!(Need::Root, Need::Fuse);
    let served = Served::start(test_name!(), "kernel");
    let mut actor = actor(&["wait-then-exit", "3"]);
    let handle = ExitHandle::open(actor.pid()).unwrap();
    let file = ExitFile::open(served.root(), actor.pid()).unwrap();
    assert_eq!(file.token(), handle.token());
    assert_eq!(file.state().unwrap(), State::Alive);
    assert!(file.try_wait().unwrap().is_none());
    thread::scope(|scope| {
        let waiter = scope.spawn(|| file.wait(Deadline::NEVER));
        actor.release();
        let exit = waiter.join().unwrap().unwrap().unwrap();
        assert_eq!(exit.outcome, Outcome::Exited(3));
        assert_eq!((exit.source, exit.reaped), (Some(Source::File), false));
    });
    assert_eq!(file.state().unwrap(), State::Ended);
    assert_eq!(actor.wait(), 0x0300);
    assert_eq!(file.state().unwrap(), State::Reaped);
    let exit = file.try_wait().unwrap().unwrap();
    assert_eq!((exit.outcome, exit.reaped), (Outcome::Exited(3), true));
    let gone = ExitFile::open(served.root(), actor.pid()).unwrap_err();
    assert!(matches!(gone, Error::NoSuchProcess(_)), "{gone}");
    served.finish();
}

#[test]
fn tells_threads_and_itself_from_processes() {
    if Served::play(test_name!()) {
        return;
    }
    need!(Need::Root, Need::Fuse);
    let served = Served::start(test_name!(), "kernel");
    let actor = actor(&["killed-two-threads"]);
    let error = ExitFile::open(served.root(), actor.told_pid()).unwrap_err();
    assert!(matches!(error, Error::IsThread { .. }), "{error}");
    let own = ExitFile::open(served.root(), rustix::process::getpid()).unwrap();
    let error = own.wait(Deadline::NEVER).unwrap_err();
    assert!(matches!(error, Error::Itself(_)), "{error}");
    served.finish();
}

#[test]
fn a_set_waits_for_many() {
    if Served::play(test_name!()) {
        return;
    }
    need!(Need::Root, Need::Fuse);
    let served = Served::start(test_name!(), "kernel");
    let set = WaitSet::of_files().unwrap();
    let mut actors: Vec<_> = (0..50)
        .map(|status: u8| actor(&["wait-then-exit", &status.to_string()]))
        .collect();
    for actor in &actors {
        set.add(ExitFile::open(served.root(), actor.pid()).unwrap())
            .unwrap();
    }
    for (status, actor) in (0..).zip(&mut actors) {
        actor.release();
        let finished = set.wait(Count::Any, Deadline::NEVER).unwrap();
        let [(_, file)] = &finished[..] else {
            panic!("one has ended: {finished:?}")
        };
        assert_eq!(file.pid(), actor.pid());
        let exit = file.wait(Deadline::NEVER).unwrap().unwrap();
        assert_eq!(exit.outcome, Outcome::Exited(status));
    }
    assert!(set.is_empty());
    served.finish();
}

#[test]
fn who_may_not_know_how_is_still_told_when() {
    if Served::play(test_name!()) {
        return;
    }
    need!(Need::Root, Need::Fuse, Need::OtherUsers);
    let served = Served::start(test_name!(), "root");
    let mut actor = actor(&["wait-then-exit", "3"]);
    let (root, pid) = (served.root(), actor.pid());
    let exit = thread::scope(|scope| {
        let stranger = scope.spawn(move || {
            // Of this thread alone.
            let (uid, gid) = (User::NOBODY.uid, User::NOBODY.gid);
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            set_thread_res_gid(gid, gid, gid).unwrap();
            set_thread_res_uid(uid, uid, uid).unwrap();
            let file = ExitFile::open(root, pid).unwrap();
            file.wait(Deadline::NEVER).unwrap().unwrap()
        });
        actor.release();
        stranger.join().unwrap()
    });
    let why = Why::FileDenies;
    assert_eq!(exit.outcome, Outcome::Unknown { why });
    served.finish();
}

#[test]
fn a_server_that_is_killed_ends_every_wait() {
    if Served::play(test_name!()) {
        return;
    }
    need!(Need::Root, Need::Fuse);
    let mut served = Served::start(test_name!(), "kernel");
    let actor = actor(&["hang"]);
    let open = || ExitFile::open(served.root(), actor.pid()).unwrap();
    let (file, other) = (open(), open());
    let set = WaitSet::of_files().unwrap();
    set.add(other).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| file.wait(Deadline::NEVER));
        let watcher = scope.spawn(|| set.wait(Count::Any, Deadline::NEVER).map(drop));
        served.kill();
        for error in [
            waiter.join().unwrap().unwrap_err(),
            watcher.join().unwrap().unwrap_err(),
        ] {
            assert!(matches!(error, Error::FilesDied(_)), "{error}");
        }
    });
    let error = ExitFile::open(served.root(), actor.pid()).unwrap_err();
    assert!(matches!(error, Error::FilesDied(_)), "{error}");
    let error = file.wait(Deadline::NEVER).unwrap_err();
    assert!(matches!(error, Error::FilesDied(_)), "{error}");
}
