//! Skips are written down, probes answer, cgroups vanish.

use std::env;
use std::fs;
use std::process::Command;

use exithand_testkit::{
    Actor, Cgroup, Hierarchy, Need, actor, actor_command, need, skip, test_name,
};

const SKIPPING: &str = "EXITHAND_TESTKIT_SKIPS_NOW";

/// Runs itself again, because the environment of a running program cannot be changed safely.
#[test]
fn skips_are_appended_to_the_file() {
    if env::var_os(SKIPPING).is_some() {
        need!(Need::Descriptors(u64::MAX - 1));
        panic!("not reached: nobody has so many descriptors");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("skips");
    for _ in 0..2 {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args([test_name!(), "--exact", "--nocapture"]);
        let output = command
            .env(SKIPPING, "1")
            .env("EXITHAND_SKIPS", &file)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        assert!(
            text.contains("SKIP skips_are_appended_to_the_file: needs a hard limit"),
            "{text}"
        );
    }
    let line = format!("needs::{}\tdescriptors-{}\n", test_name!(), u64::MAX - 1);
    assert_eq!(fs::read_to_string(&file).unwrap(), line.repeat(2));
}

/// What is asked about exists on Linux 6.15, so there a "no" is a wrong probe.
#[test]
fn probes_say_yes_on_a_kernel_that_is_new_enough() {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release
        .split(['.', '-'])
        .map(|it| it.trim().parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap(), numbers.next().unwrap());
    for (need, since) in [
        (Need::ProcessMrelease, (5, 15)),
        (Need::Pidfs, (6, 9)),
        (Need::PidfdThread, (6, 9)),
        (Need::PidfsHandles, (6, 14)),
        (Need::PidfdInfoExit, (6, 15)),
    ] {
        assert_eq!(need.met(), version >= since, "{need} on {release}");
    }
}

#[test]
fn a_cgroup_is_left_empty_and_removed() {
    let hierarchies = [
        (Need::Cgroup2, Hierarchy::V2),
        (Need::CgroupV1Freezer, Hierarchy::V1("freezer")),
        (Need::CgroupV1Pids, Hierarchy::V1("pids")),
    ];
    for (need, hierarchy) in hierarchies {
        if !need.met() {
            skip(test_name!(), need);
            continue;
        }
        let cgroup = Cgroup::new(hierarchy).unwrap();
        let mut hang = actor(&["hang"]);
        cgroup.add(hang.pid()).unwrap();
        assert_eq!(cgroup.members().unwrap(), [hang.pid()]);
        let listed = fs::read_to_string(format!("/proc/{}/cgroup", hang.pid())).unwrap();
        assert!(listed.contains(&cgroup.name().unwrap()), "{listed}");
        let below = cgroup.path().join("below");
        fs::create_dir(&below).unwrap();

        let path = cgroup.path().to_owned();
        drop(cgroup);
        assert!(!path.exists(), "{hierarchy:?}");
        assert_eq!(hang.wait(), 9, "{hierarchy:?}");
    }
}

#[test]
fn a_frozen_cgroup_is_killed_too() {
    need!(Need::CgroupV1Freezer);
    let cgroup = Cgroup::new(Hierarchy::V1("freezer")).unwrap();
    let mut hang = actor(&["hang"]);
    cgroup.add(hang.pid()).unwrap();
    cgroup.set("freezer.state", "FROZEN").unwrap();
    drop(cgroup);
    assert_eq!(hang.wait(), 9);
}

#[test]
fn a_fork_bomb_in_a_cgroup_is_killed_as_a_whole() {
    need!(Need::Cgroup2);
    let cgroup = Cgroup::new(Hierarchy::V2).unwrap();
    // Started elsewhere and moved, the chains would stay outside.
    let procs = cgroup.path().join("cgroup.procs");
    let mut bomb = Actor::start(actor_command(&[
        "in-cgroup",
        procs.to_str().unwrap(),
        "fork-bomb-bounded",
        "8",
    ]));
    assert!(cgroup.members().unwrap().contains(&bomb.pid()));
    cgroup.kill().unwrap();
    assert_eq!(bomb.wait(), 9);
    assert_eq!(cgroup.members().unwrap(), []);
}

/// Every probe answers, whatever the answer, and answers the same when asked again.
#[test]
fn probes_are_repeatable() {
    for need in [
        Need::Root,
        Need::UnprivilegedUser,
        Need::OtherUsers,
        Need::CoreDumps,
        Need::PrivatePidNamespace,
        Need::PerNamespacePidMax(301),
        Need::Descriptors(64),
        Need::CgroupV1Memory,
        Need::ProcConnector,
        Need::Fuse,
    ] {
        let met = need.met();
        println!("{}: {met}", need.key());
        assert_eq!(need.met(), met, "{need}");
    }
}
