//! The suite itself: it fails what is no directory of exithand files, and says so in order.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn suite(args: &[&str], root: Option<&Path>) -> (i32, String) {
    let built = || OsString::from(env!("CARGO_BIN_EXE_exithand-conformance"));
    let program = env::var_os("CARGO_BIN_EXE_exithand-conformance").unwrap_or_else(built);
    let mut command = Command::new(program);
    let Output { status, stdout, .. } = command.args(args).args(root).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap())
}

#[test]
fn fails_a_directory_without_exithand_files() {
    let empty = tempfile::tempdir().unwrap();
    for root in [empty.path(), Path::new("/proc")] {
        let (code, said) = suite(&["--filter", "read", "--filter", "poll"], Some(root));
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("FAIL poll: "), "{said}");
        assert!(said.contains("0 passed, "), "{said}");
    }
}

#[test]
fn fails_files_that_do_not_wait() {
    // A file for the suite's every process, without anything in it.
    let lying = tempfile::tempdir().unwrap();
    for pid in 1..=100_u32 {
        let directory = lying.path().join(pid.to_string());
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("exithand"), "").unwrap();
    }
    let (code, said) = suite(&["--filter", "absent-pid"], Some(lying.path()));
    assert_eq!(code, 0, "{said}");
    let (code, said) = suite(&["--filter", "attributes"], Some(lying.path()));
    assert_eq!(code, 1, "{said}");
}

#[test]
fn what_is_required_must_not_be_left_out() {
    let empty = tempfile::tempdir().unwrap();
    let (code, said) = suite(&["--filter", "token"], Some(empty.path()));
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("absent token: no token\n"), "{said}");
    assert!(said.ends_with("0 passed, 0 failed, 0 skipped, 2 absent\n"), "{said}");
    let required = ["--filter", "token", "--require", "siginfo,token"];
    let (code, said) = suite(&required, Some(empty.path()));
    assert_eq!(code, 1, "{said}");
    assert!(said.starts_with("FAIL token: token is required, and left out\n"), "{said}");
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
