//! The drop-in `getino`, compared with the kernel's own numbers.
#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod names_support;

use std::fs;
use std::os::unix::fs::MetadataExt;

use exithand_testkit::{Actor, Need, actor, need};
use names_support::{ABSENT, Tools, number, ran};
use rustix::process::{PidfdFlags, pidfd_open};

fn inode(actor: &Actor) -> u64 {
    let pidfd = pidfd_open(actor.pid(), PidfdFlags::empty()).unwrap();
    rustix::fs::fstat(pidfd).unwrap().st_ino
}

#[test]
fn prints_what_fstat_says_of_a_pidfd() {
    need!(Need::Pidfs);
    let tools = Tools::new();
    let (one, two) = (actor(&["hang"]), actor(&["hang"]));
    let (first, second) = (number(&one), number(&two));
    let (ino_one, ino_two) = (inode(&one), inode(&two));
    let token = format!("{first}:{ino_one}");
    for (line, out) in [
        (vec!["getino", &first], format!("{ino_one}\n")),
        (vec!["getino", "-p", &first], format!("{token}\n")),
        (vec!["getino", "--pidfs", &first], format!("{ino_one}\n")),
        (vec!["getino", &token], format!("{ino_one}\n")),
        (
            vec!["getino", &first, &second],
            format!("{ino_one}\n{ino_two}\n"),
        ),
        // An inode said of one process is no condition on the next.
        (
            vec!["getino", "--print-pid", &token, &second],
            format!("{token}\n{second}:{ino_two}\n"),
        ),
    ] {
        assert_eq!(tools.run(&line), ran(0, &out, ""), "{line:?}");
    }
}

#[test]
fn prints_the_namespaces_that_proc_shows() {
    let tools = Tools::new();
    let actor = actor(&["hang"]);
    let pid = number(&actor);
    for (option, file) in [
        ("--cgroupns", "cgroup"),
        ("--ipcns", "ipc"),
        ("--mntns", "mnt"),
        ("--netns", "net"),
        ("--pidns", "pid"),
        ("--timens", "time"),
        ("--userns", "user"),
        ("--utsns", "uts"),
    ] {
        let inode = fs::metadata(format!("/proc/{pid}/ns/{file}"))
            .unwrap()
            .ino();
        let line = ["getino", option, "-p", &pid];
        assert_eq!(
            tools.run(&line),
            ran(0, &format!("{pid}:{inode}\n"), ""),
            "{line:?}"
        );
    }
}

#[test]
fn a_zombie_has_an_inode_and_no_network() {
    need!(Need::Pidfs);
    let tools = Tools::new();
    let mut actor = actor(&["hang"]);
    let pid = number(&actor);
    let ino = inode(&actor);
    actor.kill();
    actor.wait_zombie();
    assert_eq!(
        tools.run(&["getino", &pid]),
        ran(0, &format!("{ino}\n"), "")
    );
    let none = tools.run(&["getino", "--netns", &pid]);
    let start = format!("getino: failed to determine network namespace for process {pid}: ");
    assert_eq!((none.code, none.out.as_str()), (Some(1), ""));
    assert!(none.err.starts_with(&start), "{}", none.err);
}

#[test]
fn fails_at_the_first_that_cannot_be_had() {
    need!(Need::Pidfs);
    let tools = Tools::new();
    let actor = actor(&["hang"]);
    let pid = number(&actor);
    let line = format!("{}\n", inode(&actor));
    let absent = |pid| {
        format!("getino: failed to obtain a valid file descriptor for PID {pid}: No such process\n")
    };
    let invalid = "getino: invalid PID argument 'x': Invalid argument\n";
    let help = "getino: no process specified\nTry 'getino --help' for more information.\n";
    let other = format!("{pid}:1");
    for (args, out, err) in [
        (
            vec!["getino", &pid, ABSENT, &pid],
            line.as_str(),
            absent(ABSENT),
        ),
        (vec!["getino", &other], "", absent(pid.as_str())),
        (vec!["getino", &pid, "x"], line.as_str(), invalid.to_owned()),
        (vec!["getino"], "", help.to_owned()),
    ] {
        assert_eq!(tools.run(&args), ran(1, out, &err), "{args:?}");
    }
}
