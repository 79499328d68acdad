//! The suite itself: it fails what is no directory of exithand files, and says so in order.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use exithand_testkit::{Isolation, Need, need};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};

fn program() -> OsString {
    let built = || OsString::from(env!("CARGO_BIN_EXE_exithand-conformance"));
    env::var_os("CARGO_BIN_EXE_exithand-conformance").unwrap_or_else(built)
}

fn suite(args: &[&str], root: Option<&Path>) -> (i32, String) {
    let mut command = Command::new(program());
    let Output { status, stdout, .. } = command.args(args).args(root).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap())
}

#[test]
fn fails_a_directory_without_exithand_files() {
    let empty = tempfile::tempdir().unwrap();
    for root in [empty.path(), Path::new("/proc")] {
        let (code, said) = suite(&["--filter", "epoll"], Some(root));
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("FAIL epoll-edge: "), "{said}");
        assert!(said.contains("\n0 passed, "), "{said}");
    }
}

/// A directory with an `exithand` for every pid there is in a fresh pid namespace, made by `make`.
fn of_all_pids(make: impl FnOnce(&Path)) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("one")).unwrap();
    make(&root.path().join("one/exithand"));
    for pid in 1..=300_u32 {
        symlink("one", root.path().join(pid.to_string())).unwrap();
    }
    root
}

/// Judges `root` inside of a fresh pid namespace, and expects every check to fail.
#[track_caller]
fn fails(root: &Path, args: &[&str], because: &str) {
    let mut command = Command::new(program());
    command.args(args).arg("--").arg(root);
    let output = Isolation::default().wrap(&command).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let (checks, sum) = said.trim_end().rsplit_once('\n').unwrap();
    for line in checks.lines() {
        assert!(
            line.starts_with("FAIL ") && line.contains(because),
            "{line}"
        );
    }
    assert!(sum.starts_with("0 passed, "), "{sum}");
}

#[test]
fn fails_files_that_do_not_wait() {
    need!(Need::PrivatePidNamespace);
    let root = of_all_pids(|path| fs::write(path, "").unwrap());
    let blocking = [
        "--filter",
        "blocks-until",
        "--filter",
        "readers",
        "--filter",
        "leader",
    ];
    fails(
        root.path(),
        &blocking,
        "a read that should block returned 0 bytes",
    );
    fails(
        root.path(),
        &["--filter", "nonblocking-read"],
        "EAGAIN was due",
    );
    fails(
        root.path(),
        &["--filter", "poll-by-many"],
        "before the process had ended",
    );
}

#[test]
fn fails_files_that_wait_for_ever() {
    need!(Need::PrivatePidNamespace);
    let mut held = None;
    let root = of_all_pids(|path| {
        mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        held = Some(open(path, flags, Mode::empty()).unwrap());
    });
    let args = [
        "--timeout",
        "1",
        "--filter",
        "read-blocks",
        "--filter",
        "poll-then-read",
    ];
    fails(root.path(), &args, "did not come back after 1 s");
}

#[test]
fn what_is_required_must_not_be_left_out() {
    let empty = tempfile::tempdir().unwrap();
    let (code, said) = suite(&["--filter", "token"], Some(empty.path()));
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("absent token: no token\n"), "{said}");
    assert!(
        said.ends_with("0 passed, 0 failed, 0 skipped, 2 absent\n"),
        "{said}"
    );
    let required = ["--filter", "token", "--require", "siginfo,token"];
    let (code, said) = suite(&required, Some(empty.path()));
    assert_eq!(code, 1, "{said}");
    assert!(
        said.starts_with("FAIL token: token is required, and left out\n"),
        "{said}"
    );
}

#[test]
fn speaks_json() {
    let empty = tempfile::tempdir().unwrap();
    let (code, said) = suite(&["--json", "--filter", "token"], Some(empty.path()));
    assert_eq!(code, 0, "{said}");
    let mut lines = said.lines();
    let first: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(first["v"], 1, "{first}");
    assert_eq!(first["check"], "token", "{first}");
    assert_eq!(first["result"], "absent", "{first}");
    let sum: serde_json::Value = serde_json::from_str(lines.next_back().unwrap()).unwrap();
    assert_eq!((&sum["failed"], &sum["absent"]), (&0.into(), &2.into()));
}

#[test]
fn lists_all_checks_once() {
    let (code, said) = suite(&["--list"], None);
    assert_eq!(code, 0);
    let count = exithand_conformance::all().count();
    assert_eq!(said.lines().count(), count, "{said}");
    assert!(said.starts_with("read-blocks-until-the-end "), "{said}");
}

#[test]
fn refuses_a_check_or_a_part_that_is_not_there() {
    assert_eq!(suite(&["--require", "nonsense"], Some(Path::new("/"))).0, 2);
    assert_eq!(suite(&["--policy", "nonsense"], Some(Path::new("/"))).0, 2);
    assert_eq!(suite(&[], None).0, 2);
}
