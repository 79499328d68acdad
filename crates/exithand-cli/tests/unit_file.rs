//! The unit for systemd: it is well-formed, exposes little, and allows what the server does.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Command;

use common::{exithand, finish, start};
use exithand_testkit::{
    Middleman, Need, User, actor_command, need, run_as, run_isolated, test_name,
};

const UNIT: &str = include_str!("../../../dist/exithand.service");
const PROGRAM: &str = "/usr/bin/exithand";

/// What `systemd-analyze security` may say at most, in tenths. That the service is root, mounts in
/// the machine's own mount namespace and sees all of `/proc` makes up nearly all of it.
const EXPOSURE_TENTHS: &str = "40";

/// The values of a key.
fn values(key: &str) -> Vec<&'static str> {
    let lines = UNIT.lines().filter_map(|line| line.split_once('='));
    lines
        .filter_map(|(name, value)| (name == key).then_some(value))
        .collect()
}

/// Runs `systemd-analyze` on the unit as it is with the program of this test; returns what it said.
fn analyze(args: &[&str]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let program = exithand().get_program().to_owned();
    let file = folder.path().join("exithand.service");
    fs::write(&file, UNIT.replace(PROGRAM, program.to_str().unwrap())).unwrap();
    let output = Command::new("systemd-analyze")
        .args(args)
        .arg(&file)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success(), said)
}

#[test]
fn systemd_has_nothing_to_say_against_the_unit() {
    need!(Need::Program("systemd-analyze"));
    // The manual is not installed here; its own tests look at it.
    assert_eq!(analyze(&["--man=no", "verify"]), (true, String::new()));
}

#[test]
fn the_unit_exposes_no_more_than_it_must() {
    need!(Need::Program("systemd-analyze"));
    let threshold = format!("--threshold={EXPOSURE_TENTHS}");
    let (good, said) = analyze(&["security", "--offline=true", &threshold]);
    assert!(good, "{said}");
}

#[test]
fn the_unit_stays_in_the_mount_namespace_of_the_machine() {
    const OWN_NAMESPACE: [&str; 9] = [
        "ProtectSystem",
        "ProtectHome",
        "ProtectProc",
        "ProcSubset",
        "ProtectKernelTunables",
        "ProtectKernelModules",
        "ProtectKernelLogs",
        "ProtectControlGroups",
        "RuntimeDirectory",
    ];
    for line in UNIT.lines().filter(|line| !line.starts_with('#')) {
        let key = line.split('=').next().unwrap();
        let is_own = OWN_NAMESPACE.contains(&key)
            || ["Private", "Bind", "Mount", "Temporary", "Root", "Dynamic"]
                .iter()
                .any(|start| key.starts_with(start))
            || key.ends_with("Paths");
        assert!(!is_own, "{line}");
    }
}

/// With the capabilities that the unit leaves, and no way to get others.
#[test]
fn the_server_needs_no_other_capability() {
    need!(Need::Root, Need::Fuse, Need::OtherUsers);
    need!(Need::Program("setpriv"));
    run_isolated(test_name!(), || {
        let [capabilities] = values("CapabilityBoundingSet")[..] else {
            panic!("one line of capabilities");
        };
        let few = capabilities.to_lowercase().replace("cap_", "+");
        let few = ["-all"].into_iter().chain(few.split(' '));
        let few = few.collect::<Vec<_>>().join(",");
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--no-new-privs", "--inh-caps=-all", "--bounding-set", &few]);
        command.arg(exithand().get_program()).arg("mount");
        let mut server = start(command.arg(directory.path()));
        let mut line = String::new();
        let stdout = server.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert!(line.starts_with("serving"), "{:?}", finish(server));

        // Root's server tells root of anybody's zombie, also before the reap.
        let actor = actor_command(&["middleman", "wait-then-exit", "3"]);
        let mut middleman = Middleman::start_as(run_as(User::NOBODY, actor));
        let path = directory.path().join(middleman.child().to_string());
        middleman.end();
        let outcome = fs::read_to_string(path.join("outcome")).unwrap();
        assert_eq!(outcome, "exited 3\n");
        // Other users are served, too.
        let mut cat = Command::new("cat");
        cat.arg(path.join("exithand"));
        assert!(run_as(User::NOBODY, cat).status().unwrap().success());
        let handle = exithand::ExitHandle::from_child(&server).unwrap();
        handle.send_signal(exithand::Signal::TERM).unwrap();
        finish(server).exits(0);
    });
}
