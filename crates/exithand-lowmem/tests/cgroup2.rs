//! Limits and units of cgroup2, compared with `wait(2)` and with what the kernel counts.

mod arena;

use std::fs;

use arena::{inside, run_until, watching};
use exithand_testkit::{Cgroup, Hierarchy, Need, actor, need, run_isolated, test_name};

/// The levels of a cgroup of 128 MiB; those of the machine are out of reach.
const LEVELS: &str = "[levels]\nwarn = \"60% or 60M\"\nsoft = \"50% or 50M\"\nhard = \"50% or 50M\"\n\
                      floor = \"5% or 8M\"\ntarget = \"60% or 60M\"\n";

fn limited() -> Cgroup {
    let cgroup = Cgroup::new(Hierarchy::V2).expect("make a cgroup");
    cgroup.set("memory.max", "128M").expect("limit it");
    cgroup
}

/// How often the kernel itself killed somebody there.
fn kernel_kills(cgroup: &Cgroup) -> String {
    let events = fs::read_to_string(cgroup.path().join("memory.events")).expect("read it");
    let line = events.lines().find_map(|it| it.strip_prefix("oom_kill "));
    line.expect("the kernel counts them").to_owned()
}

#[test]
fn the_hog_of_a_cgroup_dies_and_not_by_the_kernel() {
    need!(Need::Cgroup2Memory);
    run_isolated(test_name!(), || {
        let cgroup = limited();
        let outsider = actor(&["hold", "100"]);
        let small = inside(&cgroup, &["hold", "10"]);
        let mut hog = inside(&cgroup, &["hold", "80"]);
        let told = run_until(&watching(&cgroup, LEVELS), "\"outcome\"", 1);
        assert_eq!(hog.wait(), 9, "{told}");
        assert!(told.contains("\"why\":\"cgroup-limit\""), "{told}");
        assert_eq!(kernel_kills(&cgroup), "0");
        for mut spared in [outsider, small] {
            assert_eq!(spared.try_wait().expect("look"), None, "{told}");
        }
    });
}

#[test]
fn where_there_is_only_a_soft_limit_it_is_the_limit() {
    need!(Need::Cgroup2Memory);
    run_isolated(test_name!(), || {
        let cgroup = Cgroup::new(Hierarchy::V2).expect("make a cgroup");
        cgroup.set("memory.high", "128M").expect("limit it");
        let mut small = inside(&cgroup, &["hold", "10"]);
        let mut hog = inside(&cgroup, &["hold", "80"]);
        let told = run_until(&watching(&cgroup, LEVELS), "\"outcome\"", 1);
        assert_eq!(hog.wait(), 9, "{told}");
        assert_eq!(small.try_wait().expect("look"), None, "{told}");
    });
}

#[test]
fn a_unit_dies_as_one() {
    need!(Need::Cgroup2Memory);
    run_isolated(test_name!(), || {
        let cgroup = limited();
        cgroup.set("memory.oom.group", "1").expect("make it one");
        let outsider = actor(&["hold", "40"]);
        let sizes = ["15", "15", "60"];
        let members = sizes.map(|mib| inside(&cgroup, &["hold", mib]));
        let told = run_until(&watching(&cgroup, LEVELS), "\"outcome\"", 3);
        for mut member in members {
            assert_eq!(member.wait(), 9, "{told}");
        }
        assert_eq!(told.matches("\"event\":\"decision\"").count(), 1, "{told}");
        assert!(told.contains("\"victims\":3"), "{told}");
        assert_eq!(kernel_kills(&cgroup), "0");
        let mut outsider = outsider;
        assert_eq!(outsider.try_wait().expect("look"), None, "{told}");
    });
}

#[test]
fn a_unit_is_all_that_lies_in_the_outermost_cgroup_that_is_one() {
    need!(Need::Cgroup2Memory);
    run_isolated(test_name!(), || {
        let cgroup = limited();
        cgroup
            .set("cgroup.subtree_control", "+memory")
            .expect("have cgroups in it");
        cgroup.set("memory.oom.group", "1").expect("make it one");
        let inner = |name: &str| {
            let inner = cgroup.path().join(name);
            fs::create_dir(&inner).expect("make a cgroup in it");
            inner.join("cgroup.procs").display().to_string()
        };
        let (one, two) = (inner("one"), inner("two"));
        let mut hog = actor(&["in-cgroup", &one, "hold", "60"]);
        let mut other = actor(&["in-cgroup", &two, "hold", "30"]);
        let told = run_until(&watching(&cgroup, LEVELS), "\"outcome\"", 2);
        assert_eq!((hog.wait(), other.wait()), (9, 9), "{told}");
        assert_eq!(told.matches("\"event\":\"decision\"").count(), 1, "{told}");
        assert!(told.contains("\"victims\":2"), "{told}");
        for name in ["one", "two"] {
            fs::remove_dir(cgroup.path().join(name)).expect("nobody is in it");
        }
    });
}

#[test]
fn a_unit_with_a_member_that_is_spared_loses_only_the_one_that_was_chosen() {
    need!(Need::Cgroup2Memory, Need::Root);
    run_isolated(test_name!(), || {
        let cgroup = limited();
        cgroup.set("memory.oom.group", "1").expect("make it one");
        // Too small to be a candidate itself.
        let mut spared = inside(&cgroup, &["hang"]);
        let path = format!("/proc/{}/oom_score_adj", spared.pid());
        fs::write(path, "-1000").expect("lower its oom_score_adj");
        let mut hog = inside(&cgroup, &["hold", "80"]);
        let told = run_until(&watching(&cgroup, LEVELS), "\"outcome\"", 1);
        assert_eq!(hog.wait(), 9, "{told}");
        assert!(told.contains("unit-spared"), "{told}");
        assert_eq!(spared.try_wait().expect("look"), None, "{told}");
    });
}
