//! A handle and a token mean one process for ever, and everything else is told apart.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::{self, File};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::Duration;

use exithand::{
    Count, Deadline, Errno, Error, ExitHandle, Outcome, Pid, State, Token, Until, WaitSet,
};
use exithand_testkit::{Middleman, Need, actor, need};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::getpid;

fn minute() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

/// A handle for a process that is gone.
fn reaped(status: &str) -> ExitHandle {
    let mut actor = actor(&["exit-with", status]);
    let handle = ExitHandle::from_child(actor.child()).unwrap();
    actor.wait();
    handle
}

#[test]
fn a_handle_can_be_shared_and_sent() {
    fn both<T: Send + Sync>() {}
    both::<ExitHandle>();
    both::<WaitSet>();
    both::<Error>();
    both::<Token>();
}

#[test]
fn a_token_opens_the_process_it_was_taken_from() {
    let actor = actor(&["hang"]);
    let handle = ExitHandle::open(actor.pid()).unwrap();
    let token = handle.token();
    let text = token.to_string();
    for token in [token, text.parse().unwrap(), token.with_boot_id().unwrap()] {
        let opened = ExitHandle::open_token(&token).unwrap();
        assert!(opened.token().is_same_process(&handle.token()), "{token}");
        assert_eq!(opened.pid(), Some(actor.pid()), "{token}");
        assert_eq!(opened.state().unwrap(), State::Alive, "{token}");
    }
    assert_eq!(token.pid(), Some(actor.pid()));
    assert_eq!(token.inode().is_some(), Need::Pidfs.met());
}

#[test]
fn a_token_by_start_time_opens_its_process_too() {
    let mut actor = actor(&["hang"]);
    let stat = fs::read_to_string(format!("/proc/{}/stat", actor.pid())).unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1;
    let ticks: u64 = fields.split(' ').nth(19).unwrap().parse().unwrap();
    let token = |ticks| -> Token { format!("{}~{ticks}", actor.pid()).parse().unwrap() };
    let (right, wrong) = (token(ticks), token(ticks - 1));
    assert_eq!(
        ExitHandle::open_token(&right).unwrap().pid(),
        Some(actor.pid())
    );
    assert!(matches!(ExitHandle::open_token(&wrong), Err(Error::Ended(token)) if token == wrong));
    actor.kill();
    actor.wait();
    assert!(matches!(
        ExitHandle::open_token(&right),
        Err(Error::Ended(_))
    ));
}

#[test]
fn a_token_of_the_dead_opens_nobody() {
    let handle = reaped("3");
    let stale = handle.token();
    let stored = stale.with_boot_id().unwrap();
    for token in [stale, stored] {
        let refused = ExitHandle::open_token(&token);
        assert!(
            matches!(refused, Err(Error::Ended(it)) if it == token),
            "{refused:?}"
        );
    }
    // The number alone is not enough: here it is that of somebody who lives.
    let living = actor(&["hang"]);
    if let Some(inode) = stale.inode() {
        let mixed: Token = format!("{}:{inode}", living.pid()).parse().unwrap();
        assert!(matches!(
            ExitHandle::open_token(&mixed),
            Err(Error::Ended(_))
        ));
    }
}

#[test]
fn a_token_of_another_boot_opens_nobody() {
    let actor = actor(&["hang"]);
    let token = ExitHandle::open(actor.pid()).unwrap().token();
    let foreign = format!("{token}@00000000-0000-4000-8000-000000000000");
    let foreign: Token = foreign.parse().unwrap();
    let refused = ExitHandle::open_token(&foreign).unwrap_err();
    assert!(
        matches!(refused, Error::OtherBoot(it) if it == foreign),
        "{refused:?}"
    );
    assert!(refused.is_gone());
}

#[test]
fn a_thread_id_is_no_process() {
    let actor = actor(&["killed-two-threads"]);
    let refused = ExitHandle::open(actor.told_pid()).unwrap_err();
    assert!(
        matches!(refused, Error::IsThread { tid, process }
            if tid == actor.told_pid() && process == actor.pid()),
        "{refused:?}"
    );
    names_nobody(&format!("{}:1", actor.told_pid()));
}

/// Asserts that a token by inode is refused: as a name of nobody, or of nothing on old kernels.
fn names_nobody(token: &str) {
    let refused = ExitHandle::open_token(&token.parse().unwrap()).unwrap_err();
    let expected = if Need::Pidfs.met() {
        matches!(refused, Error::Ended(_))
    } else {
        matches!(refused, Error::Unsupported { .. })
    };
    assert!(expected, "{token}: {refused:?}");
}

#[test]
fn nobody_waits_for_himself() {
    let own = ExitHandle::open(getpid()).unwrap();
    let by_token = ExitHandle::open_token(&own.token()).unwrap();
    let clone = own.as_fd().try_clone_to_owned().unwrap();
    let by_pidfd = ExitHandle::from_pidfd(clone).unwrap();
    for handle in [own, by_token, by_pidfd] {
        assert_eq!(handle.try_wait().unwrap(), None, "asking is allowed");
        for until in [Until::Ended, Until::Reaped] {
            let refused = handle.wait(until, Deadline::NEVER).unwrap_err();
            assert!(matches!(refused, Error::Itself(pid) if pid == getpid()));
            assert_eq!(refused.errno(), Errno::DEADLK);
        }
        let set = WaitSet::new(Until::Ended).unwrap();
        assert!(matches!(set.add(handle), Err(Error::Itself(_))));
        assert!(set.is_empty());
    }
}

#[test]
fn an_absent_pid_is_no_process() {
    // No pid is so high.
    let absent = Pid::from_raw(i32::MAX).unwrap();
    let refused = ExitHandle::open(absent).unwrap_err();
    assert!(matches!(refused, Error::NoSuchProcess(pid) if pid == absent));
    assert_eq!(refused.errno(), Errno::SRCH);
    names_nobody(&format!("{absent}:1"));
    if Need::PidfdThread.met() {
        let refused = ExitHandle::open_thread(absent).unwrap_err();
        assert!(matches!(refused, Error::NoSuchProcess(pid) if pid == absent));
    }
}

#[test]
fn what_is_no_pidfd_is_refused() {
    let (reader, writer) = std::io::pipe().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let others: [OwnedFd; 5] = [
        File::open("/dev/null").unwrap().into(),
        File::open(directory.path()).unwrap().into(),
        File::open("/proc/self/stat").unwrap().into(),
        reader.into(),
        writer.into(),
    ];
    for other in others {
        let refused = ExitHandle::from_pidfd(other);
        assert!(matches!(refused, Err(Error::NotPidfd)), "{refused:?}");
    }
}

#[test]
fn a_child_that_was_waited_for_is_nobodys() {
    let mut actor = actor(&["exit-with", "3"]);
    actor.wait();
    let pid = actor.pid();
    let refused = ExitHandle::from_child(actor.child());
    assert!(
        matches!(refused, Err(Error::NoSuchProcess(it)) if it == pid),
        "{refused:?}"
    );
}

/// Sends `fd` through a socket, as a service manager would.
fn pass(fd: &impl AsFd) -> OwnedFd {
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap();
    let fds = [fd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    assert!(message.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(
        &ours,
        &[IoSlice::new(b"fd")],
        &mut message,
        SendFlags::empty(),
    )
    .unwrap();

    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; 2];
    let flags = RecvFlags::CMSG_CLOEXEC;
    recvmsg(
        &theirs,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut message,
        flags,
    )
    .unwrap();
    let passed = message.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    passed.unwrap()
}

#[test]
fn a_pidfd_that_was_passed_is_the_same_process() {
    let mut middleman = Middleman::start(&["wait-then-exit", "4"]);
    let handle = ExitHandle::open(middleman.child()).unwrap();
    let passed = ExitHandle::from_pidfd(pass(&handle)).unwrap();
    assert_eq!(passed.token(), handle.token());
    assert_eq!(passed.pid(), Some(middleman.child()));
    middleman.end();
    let exit = passed.wait(Until::Ended, minute()).unwrap().unwrap();
    assert_eq!(exit.outcome.to_wait_status(), Some(middleman.reap()));

    need!(Need::PidfdInfoExit);
    let late = ExitHandle::from_pidfd(pass(&handle)).unwrap();
    assert_eq!(late.pid(), None, "reaped before this handle was made");
    assert!(late.token().is_same_process(&handle.token()));
    assert_eq!(late.outcome().unwrap(), Some(Outcome::Exited(4)));
}

#[test]
fn a_handle_outlives_its_process() {
    let handle = reaped("9");
    assert_eq!(handle.state().unwrap(), State::Reaped);
    assert!(handle.pid().is_some() && handle.token().pid() == handle.pid());
    let exit = handle
        .wait(Until::Reaped, Deadline::NEVER)
        .unwrap()
        .unwrap();
    assert!(exit.reaped);
    assert_eq!(handle.try_clone().unwrap().try_wait().unwrap(), Some(exit));
}

#[test]
fn many_threads_wait_on_one_handle() {
    need!(Need::PidfdInfoExit);
    let mut middleman = Middleman::start(&["wait-then-exit", "11"]);
    let handle = ExitHandle::open(middleman.child()).unwrap();
    let set = WaitSet::new(Until::Reaped).unwrap();
    set.add(handle.try_clone().unwrap()).unwrap();
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let wait = |until| handle.wait(until, minute()).unwrap().unwrap().outcome;
        let waiters: Vec<_> = (0..64)
            .map(|at| [Until::Ended, Until::Reaped][at % 2])
            .map(|until| scope.spawn(move || wait(until)))
            .collect();
        middleman.end();
        middleman.reap();
        waiters.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(outcomes, [Outcome::Exited(11); 64]);
    assert_eq!(set.wait(Count::All, minute()).unwrap().len(), 1);
}
