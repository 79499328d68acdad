//! Out of descriptors: clear errors, waits that still work, and nothing leaked.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::time::Duration;

use exithand::{
    Count, Deadline, Error, ExitHandle, Outcome, Pid, Signal, Source, State, Token, Until,
    WaitOptions, WaitSet,
};
use exithand_testkit::{Middleman, Need, actor, need, run_apart, test_name, with_descriptor_limit};

const LIMIT: u64 = 64;

/// In a process of its own with few descriptors.
fn apart(test: &str, body: impl FnOnce()) {
    run_apart(test, |command| with_descriptor_limit(LIMIT, command), body);
}

/// All descriptors that are left.
fn hoard() -> Vec<File> {
    let mut hoard = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => hoard.push(file),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(24), "EMFILE");
                return hoard;
            }
        }
    }
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn assert_too_many<T>(what: &str, result: Result<T, Error>) {
    match result {
        Err(Error::TooManyFiles { limit, errno }) => {
            assert_eq!(limit, LIMIT, "{what}");
            assert_eq!(errno, exithand::Errno::MFILE, "{what}");
        }
        Err(error) => panic!("{what}: {error:?}"),
        Ok(_) => panic!("{what} succeeded at the limit"),
    }
}

/// The token by start time, as it is made before Linux 6.9.
fn start_token(pid: Pid) -> Token {
    let pid = pid.as_raw_nonzero();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = fields.split(' ').nth(22 - 3).unwrap();
    format!("{pid}~{ticks}").parse().unwrap()
}

#[test]
fn whatever_needs_a_descriptor_says_so_and_leaks_none() {
    apart(test_name!(), || {
        let mut actor = actor(&["hang"]);
        let handle = ExitHandle::open(actor.pid()).unwrap();
        let threads = Need::PidfdThread.met();
        let by_start = start_token(actor.pid());
        let before = open_descriptors();
        for free in 0..2 {
            let mut hoard = hoard();
            hoard.truncate(hoard.len() - free);
            for _ in 0..50 {
                assert_too_many("WaitSet::new", WaitSet::new(Until::Ended));
                // Takes one descriptor to open the process, and one to ask when it started.
                assert_too_many("open_token", ExitHandle::open_token(&by_start));
            }
        }
        let hoard = hoard();
        for _ in 0..50 {
            assert_too_many("open", ExitHandle::open(actor.pid()));
            assert_too_many("open_token", ExitHandle::open_token(&handle.token()));
            assert_too_many("from_child", ExitHandle::from_child(actor.child()));
            assert_too_many("try_clone", handle.try_clone());
            if threads {
                assert_too_many("open_thread", ExitHandle::open_thread(actor.pid()));
            }
        }
        drop(hoard);
        assert_eq!(open_descriptors(), before);
        let again = ExitHandle::open_token(&handle.token()).unwrap();
        assert_eq!(again.token(), handle.token(), "as good as new");
    });
}

#[test]
fn waits_and_signals_work_at_the_limit() {
    apart(test_name!(), || {
        let mut actor = actor(&["hang"]);
        let handle = ExitHandle::open(actor.pid()).unwrap();
        let set = WaitSet::new(Until::Ended).unwrap();
        set.add(handle.try_clone().unwrap()).unwrap();
        let before = open_descriptors();
        let hoard = hoard();

        let soon = || Deadline::after(Duration::from_millis(20));
        assert_eq!(handle.wait(Until::Ended, soon()).unwrap(), None);
        assert!(set.wait(Count::Any, soon()).unwrap().is_empty());
        assert_eq!(handle.state().unwrap(), State::Alive);
        handle.send_signal(Signal::KILL).unwrap();
        let later = || Deadline::after(Duration::from_mins(1));
        let exit = handle.wait(Until::Ended, later()).unwrap().unwrap();
        assert_eq!(exit.source, Some(Source::Child));
        let finished = set.wait(Count::All, later()).unwrap();
        assert_eq!(finished.len(), 1);
        assert_eq!(exit.outcome.to_wait_status(), Some(actor.wait()));

        drop(finished);
        drop(hoard);
        assert_eq!(open_descriptors(), before - 1, "the member is closed");
    });
}

#[test]
fn a_zombie_that_cannot_be_read_for_want_of_descriptors_is_unknown_for_now() {
    apart(test_name!(), || {
        let mut middleman = Middleman::start(&["wait-then-exit", "7"]);
        let handle = ExitHandle::open(middleman.child()).unwrap();
        middleman.end();
        let hoard = hoard();
        let options = WaitOptions {
            grace: Duration::ZERO,
            ..WaitOptions::default()
        };
        let exit = handle.wait_with(&options).unwrap().unwrap();
        assert!(!exit.outcome.is_known() && exit.source.is_none());
        drop(hoard);
        assert_eq!(handle.outcome().unwrap(), Some(Outcome::Exited(7)));
        assert_eq!(middleman.reap(), 0x0700);
    });
}

#[test]
fn what_is_no_pidfd_is_refused_at_the_limit_too() {
    // Before, only a file of /proc tells the number, and there is no descriptor left to read it.
    need!(Need::PidfdInfoExit);
    apart(test_name!(), || {
        let actor = actor(&["hang"]);
        let pidfd = OwnedFd::from(ExitHandle::open(actor.pid()).unwrap());
        let inodes = Need::Pidfs.met();
        let before = open_descriptors();
        let mut hoard = hoard();
        let refused = ExitHandle::from_pidfd(OwnedFd::from(hoard.pop().unwrap()));
        assert!(refused.is_err(), "{refused:?}");
        hoard.push(File::open("/dev/null").unwrap());
        let handle = ExitHandle::from_pidfd(pidfd).unwrap();
        if inodes {
            assert_eq!(handle.token().pid(), Some(actor.pid()));
        }
        drop(hoard);
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn a_long_life_leaks_no_descriptors() {
    need!(Need::Pidfs);
    apart(test_name!(), || {
        let before = open_descriptors();
        for status in 0..100_u8 {
            let mut actor = actor(&["exit-with", &status.to_string()]);
            let handle = ExitHandle::from_child(actor.child()).unwrap();
            let set = WaitSet::new(Until::Reaped).unwrap();
            let clone = handle.try_clone().unwrap();
            let token = ExitHandle::open_token(&handle.token()).unwrap();
            let deadline = Deadline::after(Duration::from_mins(1));
            let exit = handle.wait(Until::Ended, deadline).unwrap().unwrap();
            assert_eq!(exit.outcome, Outcome::Exited(status));
            actor.wait();
            set.add(clone).unwrap();
            let key = set.add(token).unwrap();
            assert_eq!(set.len(), 1);
            drop(set.remove(key).unwrap());
            assert!(ExitHandle::open_token(&handle.token()).is_err());
        }
        assert_eq!(open_descriptors(), before);
    });
}
