//! The kernel's verdict that a process had to go for want of memory.

use exithand_recorder::OomScope;
use exithand_testkit::{Cgroup, Hierarchy, Need, actor, need};

use crate::ends::outcome;
use crate::watch::{Way, token_of};

#[test]
fn a_victim_of_a_cgroups_limit_is_told_with_the_cgroup() {
    need!(Need::CgroupV1Memory, Need::Root);
    told_with_the_cgroup(Hierarchy::V1("memory"), "memory.limit_in_bytes");
}

#[test]
fn the_same_where_cgroup2_has_the_memory_controller() {
    need!(Need::Cgroup2Memory, Need::Root);
    told_with_the_cgroup(Hierarchy::V2, "memory.max");
}

fn told_with_the_cgroup(hierarchy: Hierarchy, limit: &str) {
    for way in Way::PROBES {
        need!(way.need());
        let mut watch = way.open();
        let cgroup = Cgroup::new(hierarchy).expect("make a cgroup");
        cgroup
            .set(limit, &(64 << 20).to_string())
            .expect("set its limit");
        let mut greedy = actor(&["takes-memory"]);
        let token = token_of(greedy.pid());
        cgroup.add(greedy.pid()).expect("move into it");
        greedy.release();
        greedy.wait_zombie();
        let record = watch.record_of(&token);
        let status = greedy.wait();
        assert_eq!(status, 9, "{way:?}");
        assert_eq!(record.outcome, outcome(status));
        let oom = record.oom.as_ref();
        let oom = oom.unwrap_or_else(|| panic!("{way:?}: no verdict: {record:#?}"));
        assert_eq!(oom.scope, OomScope::Memcg, "{way:?}");
        assert_eq!(oom.cgroup, Some(cgroup.name().expect("its name").into()));
        let killer = record.killer.as_ref().expect("the kernel is named");
        assert_eq!(killer.pid, 0, "nobody else is blamed");
    }
}
