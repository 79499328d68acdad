//! Kernels that lack something: the killer says so, and kills all the same.

use std::fs;

use exithand_testkit::{FakeMemory, Need, actor, hide, need, run_isolated, test_name};

use crate::killer::{Killer, file, levels};

/// Has memory run out, and returns what the killer complained about.
fn kills(memory: &mut FakeMemory) -> String {
    let folder = tempfile::tempdir().unwrap();
    let config = file(folder.path(), &levels(500));
    let mut hog = actor(&["hold", "600"]);
    let mut killer = Killer::start(folder.path(), &config);
    memory.set_available(300);
    let decision = killer.read_until("\"event\":\"decision\"");
    assert_eq!(decision["why"], "low-memory");
    assert_eq!(hog.wait(), 9);
    memory.set_available(900);
    killer.read_until("\"event\":\"outcome\"");
    killer.stop()
}

#[test]
fn without_pressure_it_goes_by_levels() {
    need!(Need::PrivatePidNamespace);
    run_isolated(test_name!(), || {
        let mut memory = FakeMemory::new(1000).unwrap();
        hide("/proc/pressure").unwrap();
        let said = kills(&mut memory);
        let words =
            "the kernel tells no pressure: levels are looked at by the clock (boot with psi=1)";
        assert!(said.contains(words), "{said}");
        assert!(!said.contains("trigger"), "once is enough: {said}");
    });
}

#[test]
fn pressure_that_is_there_and_not_counted_is_none() {
    need!(Need::PrivatePidNamespace);
    run_isolated(test_name!(), || {
        let mut memory = FakeMemory::new(1000).unwrap();
        hide("/proc/pressure").unwrap();
        // It can be opened, and reading it fails, as on kernels before 5.13 that were told psi=0.
        fs::create_dir("/proc/pressure/memory").unwrap();
        let said = kills(&mut memory);
        assert!(said.contains("the kernel tells no pressure"), "{said}");
    });
}

#[test]
fn pressure_that_wakes_nobody_is_not_waited_for_while_there_is_swap() {
    need!(Need::PrivatePidNamespace);
    run_isolated(test_name!(), || {
        let mut memory = FakeMemory::new(1000).unwrap();
        memory.set_swap_free(2000);
        hide("/proc/pressure").unwrap();
        // It can be read, and takes no trigger.
        fs::write("/proc/pressure/memory", "some total=0\nfull total=0\n").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = file(folder.path(), &levels(500));
        let mut hog = actor(&["hold", "600"]);
        let mut killer = Killer::start(folder.path(), &config);
        memory.set_available(300);
        memory.set_swap_free(0);
        killer.read_until("\"event\":\"decision\"");
        assert_eq!(hog.wait(), 9);
        let said = killer.stop();
        assert!(
            said.contains("the kernel takes no trigger of pressure"),
            "{said}"
        );
    });
}

#[test]
fn without_cgroups_it_goes_by_processes() {
    need!(Need::PrivatePidNamespace);
    run_isolated(test_name!(), || {
        let mut memory = FakeMemory::new(1000).unwrap();
        hide("/sys/fs/cgroup").unwrap();
        let said = kills(&mut memory);
        assert!(said.contains("cgroup2 is not mounted"), "{said}");
    });
}
