//! Pid namespaces: one process with several numbers, one number with several processes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;

use common::{at_once, wait};
use exithand::{
    Count, Deadline, Error, ExitHandle, Outcome, Pid, Source, State, Token, Until, WaitSet, Why,
};
use exithand_testkit::{
    Apart, Isolation, Middleman, Need, actor, actor_command, need, play_apart, run_isolated, say,
    sys, test_name,
};
use rustix::mount::{UnmountFlags, unmount};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

/// A middleman as pid 1 of its own namespace, with a child there.
fn inner_family(args: &[&str]) -> Middleman {
    let isolated = Isolation::default().wrap(&actor_command(&[&["middleman"], args].concat()));
    Middleman::start_as(isolated)
}

/// The child of `parent` as our own `/proc` numbers it.
fn child_of(parent: Pid) -> Pid {
    let parent = parent.to_string();
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.ok()?.file_name();
        Pid::from_raw(name.to_str()?.parse().ok()?)
    });
    let mut children = processes.filter(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        after_name.split(' ').nth(1) == Some(&parent)
    });
    children.next().expect("a child")
}

/// The child of pid 1 inside, as we number it.
fn outer_number(family: &Middleman) -> Pid {
    child_of(child_of(family.parent()))
}

#[test]
fn a_process_of_an_inner_namespace_is_waited_for_from_outside() {
    need!(Need::PrivatePidNamespace);
    let mut family = inner_family(&["wait-then-exit", "31"]);
    let pid = outer_number(&family);
    assert_ne!(pid, family.child(), "one process, two numbers");
    let handle = ExitHandle::open(pid).unwrap();
    let silent = handle.try_clone().unwrap();
    family.end();
    let exit = at_once(&handle);
    assert_eq!(exit.source, Some(Source::Zombie));
    assert_eq!(exit.outcome.to_wait_status(), Some(family.reap()));
    if Need::PidfdInfoExit.met() {
        assert_eq!(wait(&silent, Until::Reaped).outcome, exit.outcome);
    }
}

#[test]
fn a_token_taken_inside_opens_the_same_process_outside() {
    need!(Need::PrivatePidNamespace, Need::PidfsHandles);
    let family = inner_family(&["hang"]);
    let pid = outer_number(&family);
    let inode = ExitHandle::open(pid).unwrap().token().inode().unwrap();
    let inside: Token = format!("{}:{inode}", family.child()).parse().unwrap();
    let handle = ExitHandle::open_token(&inside).unwrap();
    assert_eq!(handle.pid(), Some(pid), "its number out here");
    assert!(handle.token().is_same_process(&inside));
}

/// The inner half: a pidfd came in as stdin; its process is not of this namespace.
fn wait_for_a_process_from_outside() {
    let passed = io::stdin().as_fd().try_clone_to_owned().unwrap();
    let token: Token = env::var("TARGET").unwrap().parse().unwrap();
    let number = token.pid().unwrap();
    let handle = ExitHandle::from_pidfd(passed).unwrap();
    assert_eq!(handle.pid(), None, "it has no number in here");
    assert_eq!(handle.token().inode(), token.inode());
    assert_eq!(handle.state().unwrap(), State::Alive);

    let refused = ExitHandle::open_token(&token);
    assert!(
        matches!(refused, Err(Error::Ended(_))),
        "hidden in here: {refused:?}"
    );
    assert!(ExitHandle::open(number).is_err(), "so is its number");

    let set = WaitSet::new(Until::Ended).unwrap();
    set.add(handle.try_clone().unwrap()).unwrap();
    say("waiting");
    let exit = wait(&handle, Until::Reaped);
    let why = Why::OtherPidNamespace;
    assert_eq!(exit.outcome, Outcome::Unknown { why });
    assert_eq!((exit.reaped, exit.source), (true, None));
    assert_eq!(set.wait(Count::All, Deadline::NOW).unwrap().len(), 1);
}

#[test]
fn a_handle_passed_into_a_namespace_hears_of_the_end_and_not_how() {
    if play_apart(test_name!(), wait_for_a_process_from_outside) {
        return;
    }
    need!(Need::PrivatePidNamespace, Need::PidfdInfoExit);
    let mut target = Middleman::start(&["wait-then-exit", "32"]);
    let handle = ExitHandle::open(target.child()).unwrap();
    let pidfd: OwnedFd = handle.try_clone().unwrap().into();
    let mut inner = Apart::start(test_name!(), |mut command| {
        command.env("TARGET", handle.token().to_string());
        let mut wrapped = Isolation::default().wrap(&command);
        wrapped.stdin(Stdio::from(pidfd)).stdout(Stdio::piped());
        wrapped
    });
    inner.hear("waiting");
    target.end();
    assert_eq!(target.reap(), 0x2000);
    inner.finish();
    assert_eq!(wait(&handle, Until::Reaped).outcome, Outcome::Exited(32));
}

/// Under the own `/proc` lies that of the whole machine, where our numbers are other processes'.
#[test]
fn numbers_of_a_foreign_proc_are_not_taken_for_ours() {
    // Before, only /proc tells numbers, and a foreign one has none that are ours.
    need!(Need::PidfdInfoExit);
    run_isolated(test_name!(), || {
        let mut zombies: Vec<(Middleman, ExitHandle)> = (40..60_u8)
            .map(|status| {
                let family = Middleman::start(&["wait-then-exit", &status.to_string()]);
                let handle = ExitHandle::open(family.child()).unwrap();
                (family, handle)
            })
            .collect();
        let threads = actor(&["killed-two-threads"]);
        unmount("/proc", UnmountFlags::DETACH).unwrap();
        assert_ne!(fs::read_link("/proc/self").unwrap().to_str(), Some("1"));

        for (family, handle) in &mut zombies {
            let silent = handle.try_clone().unwrap();
            family.end();
            let exit = at_once(handle);
            assert_eq!(
                exit.source,
                Some(Source::Zombie),
                "by its number in that /proc"
            );
            let again = ExitHandle::open(family.child()).unwrap();
            assert_eq!(again.token(), handle.token());
            let passed = handle.as_fd().try_clone_to_owned().unwrap();
            let passed = ExitHandle::from_pidfd(passed).unwrap();
            assert_eq!(passed.pid(), Some(family.child()), "its number in here");
            assert_eq!(exit.outcome.to_wait_status(), Some(family.reap()));
            if Need::PidfdInfoExit.met() {
                assert_eq!(wait(&silent, Until::Ended).outcome, exit.outcome);
            }
        }
        let refused = ExitHandle::open(threads.told_pid()).unwrap_err();
        match refused {
            // Right as far as it goes: no process has this number.
            Error::NoSuchProcess(pid) => assert_eq!(pid, threads.told_pid()),
            Error::IsThread { process, .. } => assert_eq!(process, threads.pid()),
            other => panic!("{other:?}"),
        }
    });
}

/// Moves into the mount namespace of an inner family, so that `/proc` is theirs and shows us not.
fn wait_behind_their_proc() {
    let mut family = inner_family(&["wait-then-exit", "33"]);
    let pid = outer_number(&family);
    let init = child_of(family.parent());
    let handle = ExitHandle::open(pid).unwrap();
    let silent = handle.try_clone().unwrap();
    let space = File::open(format!("/proc/{init}/ns/mnt")).unwrap();
    // A thread that shares its root with others may not move.
    sys::unshare(UnshareFlags::FS).unwrap();
    move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Mount)).unwrap();
    assert!(fs::read_link("/proc/self").is_err(), "we are not in there");

    let again = ExitHandle::open(pid).unwrap();
    assert_eq!(again.token(), handle.token());
    let by_token = ExitHandle::open_token(&handle.token()).unwrap();
    assert_eq!(by_token.pid(), Some(pid));
    family.end();
    for handle in [handle, again, by_token] {
        let why = Why::UnseenZombie;
        assert_eq!(at_once(&handle).outcome, Outcome::Unknown { why });
    }
    assert_eq!(family.reap(), 0x2100);
    assert_eq!(wait(&silent, Until::Reaped).outcome, Outcome::Exited(33));
}

#[test]
fn a_proc_that_does_not_show_us_costs_the_zombie_and_nothing_else() {
    if play_apart(test_name!(), wait_behind_their_proc) {
        return;
    }
    need!(Need::Root, Need::PrivatePidNamespace, Need::PidfdInfoExit);
    Apart::start(test_name!(), |command| command).finish();
}
