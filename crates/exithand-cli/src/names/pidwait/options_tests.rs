//! Reads command lines into criteria.

use std::io;
use std::time::Duration;

use super::super::words::{NO_ID, NO_PROCESS};
use super::*;
use crate::select::Facts;

fn read(line: &[&str]) -> Result<Box<Options>, Failure> {
    let args: Vec<OsString> = line.iter().map(OsString::from).collect();
    match parse(&args)? {
        Request::Wait(options) => Ok(options),
        other => panic!("{line:?} asked for {other:?}"),
    }
}

fn criteria(line: &[&str]) -> Criteria {
    let (mut input, mut out, mut err) = (io::empty(), io::sink(), io::sink());
    let mut io = Io {
        input: &mut input,
        out: &mut out,
        err: &mut err,
    };
    read(line).unwrap().criteria(&mut io).unwrap()
}

fn pid(number: i32) -> Pid {
    Pid::from_raw(number).unwrap()
}

#[test]
fn reads_every_kind_of_condition() {
    let own = Facts::own().unwrap();
    let line = [
        "-u",
        "root,7",
        "-U",
        "8",
        "-G",
        "9,root",
        "-P",
        "0,5",
        "-g",
        "0,6",
        "-s",
        "0",
        "-t",
        "pts/1,/dev/tty2,?",
        "-p",
        "3,4",
        "-r",
        "Z,D",
        "-O",
        "60",
        "-A",
        "-n",
    ];
    let found = criteria(&line);
    let selector = found.selector;
    assert_eq!(selector.users, [0, 7]);
    assert_eq!(selector.real_users, [8]);
    assert_eq!(selector.groups, [9, 0]);
    assert_eq!(selector.parents, [None, Some(pid(5))]);
    assert_eq!(selector.pgroups, [own.pgrp, Some(pid(6))]);
    assert_eq!(selector.sessions, [own.session]);
    assert_eq!(
        selector.ttys,
        [Some("pts/1".into()), Some("tty2".into()), None]
    );
    assert_eq!(selector.pids, [pid(3), pid(4)]);
    assert!(selector.states.starts_with(b"ZD"));
    assert_eq!(selector.older_than, Some(Duration::from_mins(1)));
    assert_eq!(selector.ancestors, Ancestors::Excluded);
    assert_eq!((found.pick, found.sense), (Pick::Newest, Sense::Like));
}

#[test]
fn reads_what_only_pidwait_selects_by() {
    let line = [
        "--cgroup=/a,/b",
        "--env",
        "X,Y=1",
        "-H",
        "--signal",
        "HUP",
        "-v",
    ];
    let found = criteria(&line);
    assert_eq!(found.extras.cgroups, [b"/a", b"/b"]);
    assert_eq!(found.extras.environment, [&b"X"[..], b"Y=1"]);
    assert_eq!(found.extras.handler, Some(Handler::Of(Signal::HUP)));
    assert_eq!(found.sense, Sense::Unlike);
    assert_eq!(
        criteria(&["-H"]).extras.handler,
        Some(Handler::Of(Signal::TERM))
    );
}

#[test]
fn numbers_that_no_process_can_have_match_none_rather_than_all() {
    for (word, number) in [
        ("0", NO_PROCESS),
        ("-1", NO_PROCESS),
        ("99999999999", NO_PROCESS),
    ] {
        assert_eq!(
            criteria(&["-p", word]).selector.pids,
            [pid(number)],
            "{word}"
        );
    }
    assert_eq!(criteria(&["-u", "-1"]).selector.users, [NO_ID]);
    assert!(!criteria(&["-r", ","]).selector.states.is_empty());
}

#[test]
fn the_pattern_is_for_the_name_or_for_the_command_line() {
    let name = criteria(&["x"]).selector;
    assert!(name.names.is_some() && name.full.is_none());
    let full = criteria(&["-f", "x"]).selector;
    assert!(full.names.is_none() && full.full.is_some());
}

#[test]
fn says_what_is_wrong_as_procps_does() {
    let with_usage = |text: &str| format!("pidwait: {text}\n{USAGE}");
    let with_try = |text: &str| format!("pidwait: {text}\n{TRY}");
    let plain = |text: &str| format!("pidwait: {text}\n");
    for (line, code, text) in [
        (&[][..], 2, with_try("no matching criteria specified")),
        (
            &["-f", "-A", "-v"],
            2,
            with_try("no matching criteria specified"),
        ),
        (&["a", "b"], 2, with_try("only one pattern can be provided")),
        (&["-L", "a"], 2, with_try("-L without -F makes no sense")),
        (
            &["-F", "x", "-p", "1"],
            1,
            with_try("Cannot use pidfile and pid option together"),
        ),
        (&["-z"], 2, with_usage("invalid option -- 'z'")),
        (
            &["-no", "a"],
            2,
            with_usage("-n, -o and -v exclude each other"),
        ),
        (
            &["--signal", "FOO", "a"],
            2,
            with_usage("Unknown signal \"FOO\"."),
        ),
        (&["-u", "", "a"], 2, USAGE.to_owned()),
        (&["-?", "a"], 2, USAGE.to_owned()),
        (
            &["-u", "no such", "a"],
            2,
            plain("invalid user name: no such"),
        ),
        (
            &["-U", "no such", "a"],
            2,
            plain("invalid user name: no such"),
        ),
        (
            &["-G", "no such", "a"],
            2,
            plain("invalid group name: no such"),
        ),
        (&["-g", "x", "a"], 2, plain("invalid process group: x")),
        (&["-s", "x", "a"], 2, plain("invalid session id: x")),
        (&["-P", "1,x", "a"], 2, plain("not a number: x")),
        (&["-p", "x", "a"], 2, plain("not a number: x")),
        (&["-O", "x", "a"], 2, plain("not a number: x")),
        (&["--ns", "0", "a"], 2, plain("not a process: 0")),
        (&["("], 2, plain("regex error: Unmatched ( or \\(")),
        (
            &["--lightweight", "a"],
            2,
            plain("--lightweight: processes are waited for, not threads"),
        ),
        (
            &["--delimiter", ",", "a"],
            2,
            plain("--delimiter is an option of pgrep, and does nothing here"),
        ),
    ] {
        let failure = read(line).unwrap_err();
        assert_eq!((failure.code, failure.text), (code, text), "{line:?}");
    }
}

#[test]
fn hints_at_words_that_are_no_name() {
    for (line, hints) in [
        (&["systemd-journald"][..], true),
        (&["systemd-journal"], false),
        (&["-f", "systemd-journald"], false),
        (&["aaaaaaaaaa|bbbbbbbbbb"], false),
    ] {
        assert_eq!(read(line).unwrap().hint().is_some(), hints, "{line:?}");
    }
}
