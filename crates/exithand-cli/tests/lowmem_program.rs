//! `exithand lowmem` becomes a program that is the killer and nothing else, where that is installed.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helper can do nothing better than to panic"
)]

mod common;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::start;
use exithand_testkit::{copy_program, run_isolated, test_name};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

const COMMAND: &str = env!("CARGO_BIN_EXE_exithand");
const KILLER: &str = env!("CARGO_BIN_EXE_exithand-lowmem");

/// Starts `program lowmem`, and returns which program it has become once it is ready.
fn becomes(program: &Path) -> PathBuf {
    let folder = tempfile::tempdir().unwrap();
    let notify = folder.path().join("notify");
    let socket = UnixDatagram::bind(&notify).unwrap();
    let mut started = Command::new(program);
    started.env("NOTIFY_SOCKET", notify);
    let mut child = start(started.args(["lowmem", "--dry-run", "--preset", "server"]));
    let mut room = [0; 256];
    let length = socket.recv(&mut room).unwrap();
    assert!(room[..length].starts_with(b"READY=1"));
    let became = fs::read_link(format!("/proc/{}/exe", child.id())).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    pidfd_send_signal(pidfd, Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    became
}

#[test]
fn the_killer_is_found_wherever_the_command_is() {
    run_isolated(test_name!(), || {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().canonicalize().unwrap();
        for place in ["bin", "lib/exithand", "all/alone"] {
            fs::create_dir_all(prefix.join(place)).unwrap();
        }
        let place = |name: &str| prefix.join(name);
        copy_program(COMMAND, place("bin/exithand"));
        copy_program(COMMAND, place("all/alone/exithand"));
        copy_program(KILLER, place("lib/exithand/exithand-lowmem"));
        let program = place("bin/exithand");
        assert_eq!(becomes(&program), place("lib/exithand/exithand-lowmem"));
        copy_program(KILLER, place("bin/exithand-lowmem"));
        assert_eq!(becomes(&program), place("bin/exithand-lowmem"));
        let alone = place("all/alone/exithand");
        assert_eq!(becomes(&alone), alone, "it is the killer itself");
    });
}

#[test]
fn whoever_starts_the_killer_by_hand_is_told_how_to() {
    let output = Command::new(KILLER).arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        "exithand: exithand-lowmem is started by `exithand lowmem`\n"
    );
}
