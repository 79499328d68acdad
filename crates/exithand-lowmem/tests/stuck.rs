//! Victims that are stuck in the kernel: they die late, or not at all.

mod arena;

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use arena::{config, events, inside, memory_cgroup, nothing, run_through};
use exithand_testkit::sys::refuse_mrelease;
use exithand_testkit::{Actor, Cgroup, Need, SilentFilesystem, need, run_isolated, test_name};
use rustix::event::{EventfdFlags, eventfd};

/// One that does not die before the filesystem goes away.
fn stuck(cgroup: &Cgroup, mib: &str) -> (Actor, SilentFilesystem) {
    let mut silent = SilentFilesystem::new().expect("mount a filesystem");
    let path = silent.path().to_str().expect("it is text").to_owned();
    let mut stuck = inside(cgroup, &["hold", mib, "stat", &path]);
    stuck.go();
    silent.until_asked().expect("it asks");
    (stuck, silent)
}

/// Becomes readable once the members use less than `bytes`; now they use more.
fn below(cgroup: &Cgroup, bytes: u64) -> OwnedFd {
    let bell = eventfd(0, EventfdFlags::CLOEXEC).expect("make an eventfd");
    let usage = File::open(cgroup.path().join("memory.usage_in_bytes")).expect("open the usage");
    let order = format!("{} {} {bytes}", bell.as_raw_fd(), usage.as_raw_fd());
    cgroup
        .set("cgroup.event_control", &order)
        .expect("ask to be told");
    bell
}

#[test]
fn one_that_keeps_its_memory_is_told_of_and_the_next_dies_and_its_late_death_is_seen() {
    need!(Need::CgroupV1Memory, Need::Fuse, Need::PrivatePidNamespace);
    run_isolated(test_name!(), || {
        // Else its memory is taken from it.
        refuse_mrelease().expect("no process_mrelease from now on");
        let cgroup = memory_cgroup();
        let (mut stuck, silent) = stuck(&cgroup, "280");
        let mut next = inside(&cgroup, &["hold", "120"]);
        let told = run_through(
            &config(&cgroup, ""),
            vec![
                ("\"event\":\"stuck\"", nothing()),
                ("\"event\":\"outcome\"", Box::new(move || drop(silent))),
                ("\"event\":\"outcome\"", nothing()),
            ],
        );
        assert_eq!(stuck.wait(), 9, "{told}");
        assert_eq!(next.wait(), 9, "{told}");
        let number = |it: &Actor| it.pid().as_raw_nonzero().get();
        let decisions = events(&told, "decision");
        let chosen = |at: usize| &decisions[at]["candidates"][0]["identity"]["pid"];
        assert_eq!(decisions.len(), 2, "{told}");
        assert_eq!(chosen(0), number(&stuck), "{told}");
        assert_eq!(chosen(1), number(&next), "{told}");
        assert_eq!(decisions[1]["owed_bytes"], 0, "its credit is gone: {told}");
        let [said] = events(&told, "stuck").try_into().expect("it is told once");
        assert_eq!(said["pid"], number(&stuck), "{told}");
        assert_eq!(said["state"], "D", "{told}");
        assert_eq!(said["wchan"], "request_wait_answer", "{told}");
        let outcomes = events(&told, "outcome");
        assert_eq!(
            (&outcomes[0]["pid"], &outcomes[0]["late"]),
            (&number(&next).into(), &false.into()),
            "{told}"
        );
        assert_eq!(
            (&outcomes[1]["pid"], &outcomes[1]["late"]),
            (&number(&stuck).into(), &true.into()),
            "{told}"
        );
    });
}

#[test]
fn the_memory_of_one_that_is_stuck_is_taken_from_it_and_nobody_else_dies() {
    need!(
        Need::CgroupV1Memory,
        Need::Fuse,
        Need::ProcessMrelease,
        Need::PrivatePidNamespace
    );
    run_isolated(test_name!(), || {
        let cgroup = memory_cgroup();
        let (mut stuck, silent) = stuck(&cgroup, "280");
        let mut other = inside(&cgroup, &["hold", "120"]);
        let back = below(&cgroup, 200 << 20);
        let until_back = move || {
            rustix::io::read(&back, &mut [0; 8]).expect("its memory is back");
            drop(silent);
        };
        let told = run_through(
            &config(&cgroup, ""),
            vec![
                ("\"event\":\"decision\"", Box::new(until_back)),
                ("\"event\":\"outcome\"", nothing()),
            ],
        );
        assert_eq!(stuck.wait(), 9, "{told}");
        assert_eq!(other.try_wait().expect("look"), None, "{told}");
        assert_eq!(events(&told, "outcome").len(), 1, "{told}");
    });
}
