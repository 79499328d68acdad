//! The kernel's verdict that a process had to go for want of memory.

use std::process::{Command, Stdio};

use exithand_recorder::OomScope;
use exithand_testkit::{Actor, Cgroup, Hierarchy, Need, need};

use crate::ends::outcome;
use crate::watch::{Way, token_of};

/// Takes more memory than the cgroup may have.
const GREEDY: &str = "import sys
print('ready', flush=True)
sys.stdin.readline()
held = bytearray(256 << 20)
";

#[test]
fn a_victim_of_a_cgroups_limit_is_told_with_the_cgroup() {
    for way in Way::PROBES {
        need!(way.need(), Need::CgroupV1Memory, Need::Root);
        let mut watch = way.open();
        let cgroup = Cgroup::new(Hierarchy::V1("memory")).unwrap();
        cgroup
            .set("memory.limit_in_bytes", &(64 << 20).to_string())
            .unwrap();
        let mut greedy = Command::new("python3");
        greedy.args(["-c", GREEDY]).stdin(Stdio::piped());
        let mut greedy = Actor::start(greedy);
        let token = token_of(greedy.pid());
        cgroup.add(greedy.pid()).unwrap();
        greedy.release();
        greedy.wait_zombie();
        let record = watch.record_of(&token);
        let status = greedy.wait();
        assert_eq!(status, 9, "{way:?}");
        assert_eq!(record.outcome, outcome(status));
        let oom = record.oom.as_ref();
        let oom = oom.unwrap_or_else(|| panic!("{way:?}: no verdict: {record:#?}"));
        assert_eq!(oom.scope, OomScope::Memcg, "{way:?}");
        assert_eq!(oom.cgroup, Some(cgroup.name().unwrap().into()));
        let killer = record.killer.as_ref().expect("the kernel is named");
        assert_eq!(killer.pid, 0, "nobody else is blamed");
    }
}
