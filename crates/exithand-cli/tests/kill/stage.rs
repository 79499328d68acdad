//! A cgroup around what a test starts, so that nothing escapes and everything can be counted.

use std::process::{Command, Stdio};
use std::time::Duration;

use exithand::{ExitHandle, Outcome, Signal, State, Until};
use exithand_cli::kill::{End, Report, Request, Scope, Watch};
use exithand_testkit::{Actor, Cgroup, Hierarchy, Pid, actor_command};

/// A fresh cgroup whose members die with the test.
pub(crate) struct Stage {
    pub(crate) cgroup: Cgroup,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::on(Hierarchy::V2)
    }

    pub(crate) fn on(hierarchy: Hierarchy) -> Self {
        Self {
            cgroup: Cgroup::new(hierarchy).expect("make a cgroup"),
        }
    }

    fn procs(&self) -> String {
        self.cgroup
            .path()
            .join("cgroup.procs")
            .display()
            .to_string()
    }

    /// Starts an actor in the cgroup.
    pub(crate) fn actor(&self, part: &[&str]) -> Actor {
        let procs = self.procs();
        let args: Vec<&str> = ["in-cgroup", &procs].iter().chain(part).copied().collect();
        Actor::start(actor_command(&args))
    }

    /// Starts a shell script in the cgroup, that is ready at once and says more later.
    pub(crate) fn script(&self, script: &str, args: &[&str]) -> Actor {
        let join = format!("echo $$ >'{}'; echo ready\n{script}", self.procs());
        let mut command = Command::new("sh");
        command
            .args(["-c", &join, "script"])
            .args(args)
            .stderr(Stdio::inherit());
        Actor::start(command)
    }

    /// Who is in the cgroup and lives.
    pub(crate) fn survivors(&self) -> Vec<i32> {
        let members = self.cgroup.members().expect("read the members");
        let alive = |pid: &Pid| {
            ExitHandle::open(*pid).is_ok_and(|it| it.state().is_ok_and(|it| it == State::Alive))
        };
        members
            .into_iter()
            .filter(alive)
            .map(|pid| pid.as_raw_nonzero().get())
            .collect()
    }
}

pub(crate) fn handle(pid: Pid) -> ExitHandle {
    ExitHandle::open(pid).expect("open a process of this test")
}

pub(crate) fn request(
    scope: Scope,
    signal: Signal,
    targets: impl IntoIterator<Item = ExitHandle>,
) -> Request<'static> {
    Request {
        targets: targets.into_iter().collect(),
        scope,
        signal,
        timeout: None,
        then: None,
        until: Until::Ended,
        grace: Duration::ZERO,
        source: None,
        watch: Watch::Forks,
    }
}

pub(crate) fn outcomes(report: &Report) -> Vec<Outcome> {
    let outcome = |end: End| match end {
        End::Ended(exit) => Some(exit.outcome),
        End::Alive => None,
    };
    report
        .processes
        .iter()
        .filter_map(|it| outcome(it.end))
        .collect()
}
