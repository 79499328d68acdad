//! Middlemen, broods and storms keep their promises, and tests run apart fail when they fail there.

use std::env;
use std::fs;
use std::panic::catch_unwind;

use exithand_testkit::{
    Apart, Middleman, Need, User, actor, listen, need, play_apart, run_apart, run_as, say, sys,
    test_name, with_descriptor_limit,
};
use rustix::process::{PidfdFlags, Signal, getuid, pidfd_open, pidfd_send_signal};

fn state_of(pid: rustix::process::Pid) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    Some(rest[..1].to_owned())
}

#[test]
fn a_middleman_ends_and_reaps_when_told() {
    let mut middleman = Middleman::start(&["worker-execs", "wait-then-exit", "8"]);
    assert_eq!(middleman.told().len(), 1, "the worker's tid");
    assert_ne!(middleman.parent(), middleman.child());
    middleman.end();
    assert_eq!(state_of(middleman.child()).as_deref(), Some("Z"));
    assert_eq!(middleman.reap(), 0x0800);
    assert_eq!(state_of(middleman.child()), None);
}

#[test]
fn a_signal_with_a_handler_in_the_standard_library_kills_too() {
    for signal in [Signal::PIPE, Signal::SEGV, Signal::KILL] {
        let mut actor = actor(&["dies-of", &signal.as_raw().to_string()]);
        let pidfd = pidfd_open(actor.pid(), PidfdFlags::empty()).unwrap();
        pidfd_send_signal(&pidfd, signal).unwrap();
        assert_eq!(actor.wait(), signal.as_raw(), "and dumps no core");
    }
}

#[test]
fn a_brood_is_zombies() {
    let mut brood = actor(&["brood", "20"]);
    assert_eq!(brood.told().len(), 20);
    let state = state_of(brood.told_pid());
    assert_eq!(state.as_deref(), Some("Z"));
    brood.go();
    assert_eq!(brood.read_line(), "reaped");
    assert_eq!(state_of(brood.told_pid()), None);
}

#[test]
fn a_storm_tells_of_each_process_and_of_each_reap() {
    let mut storm = actor(&["storm", "50", "8"]);
    storm.go();
    let (mut born, mut reaped) = (0, 0);
    loop {
        let line = storm.read_line();
        let words: Vec<u64> = line
            .split(' ')
            .skip(1)
            .map(|it| it.parse().unwrap())
            .collect();
        match (line.get(..1), words.as_slice()) {
            (Some("p"), [number, _, inode, _]) => {
                assert_eq!(*number, born);
                assert_eq!(*inode == 0, born % 2 == 1);
                born += 1;
            }
            (Some("r"), [number]) => {
                assert!(*number > reaped && *number <= born, "{line}");
                reaped = *number;
            }
            _ => break assert_eq!(line, ""),
        }
    }
    assert_eq!((born, reaped), (50, 50));
    assert_eq!(storm.wait(), 0, "every end was as told");
}

#[test]
fn a_test_apart_talks_with_the_one_that_started_it() {
    let inner = || {
        say("inside");
        listen();
        assert_eq!(env::var("WORD").unwrap(), "given");
    };
    if play_apart(test_name!(), inner) {
        return;
    }
    let mut apart = Apart::start(test_name!(), |mut command| {
        command.env("WORD", "given");
        command
    });
    apart.hear("inside");
    apart.go();
    apart.finish();
}

#[test]
fn a_failure_apart_is_a_failure_here() {
    if play_apart(test_name!(), || panic!("on purpose")) {
        return;
    }
    let apart = Apart::start(test_name!(), |command| command);
    assert!(catch_unwind(|| apart.finish()).is_err());
    let lost = Apart::start("no::such::test", |command| command);
    assert!(catch_unwind(|| lost.finish()).is_err(), "none was run");
}

#[test]
fn a_test_apart_has_a_user_and_limits_of_its_own() {
    let limited = |command| with_descriptor_limit(50, command);
    run_apart(test_name!(), limited, || {
        let limits = fs::read_to_string("/proc/self/limits").unwrap();
        let line = limits.lines().find(|it| it.starts_with("Max open files"));
        assert!(line.unwrap().contains(" 50 "), "{limits}");
    });
}

#[test]
fn a_test_apart_runs_as_nobody() {
    if play_apart(test_name!(), || assert_eq!(getuid().as_raw(), 65534)) {
        return;
    }
    need!(Need::OtherUsers);
    Apart::start(test_name!(), |command| run_as(User::NOBODY, command)).finish();
}

#[test]
fn a_signal_interrupts_and_is_counted() {
    sys::interrupt_on(Signal::USR1).unwrap();
    let before = sys::interruptions();
    sys::signal_thread(rustix::thread::gettid(), Signal::USR1).unwrap();
    assert_eq!(sys::interruptions(), before + 1);
}
