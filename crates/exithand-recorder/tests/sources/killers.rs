//! Who sent the signal that ended a process.

use std::process::{Command, Stdio};

use exithand::Signal;
use exithand_recorder::{ExitRecord, Killer};
use exithand_testkit::{Actor, Cgroup, Hierarchy, Need, Pid, actor, actor_command, need};
use rustix::process::{Signal as Sent, getpid, kill_process_group, pidfd_send_signal};

use crate::ends::outcome;
use crate::watch::{Watch, Way, pidfd, sh, token_of};

const SI_USER: i32 = 0;

fn own_pid() -> u32 {
    std::process::id()
}

fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

#[track_caller]
fn killer(record: &ExitRecord) -> &Killer {
    let killer = record.killer.as_ref();
    killer.unwrap_or_else(|| panic!("no killer: {record:#?}"))
}

/// Ends an actor and returns its record.
fn ended(watch: &mut Watch, mut actor: Actor, end: impl FnOnce(&mut Actor)) -> ExitRecord {
    let token = token_of(actor.pid());
    end(&mut actor);
    actor.wait_zombie();
    let record = watch.record_of(&token);
    assert_eq!(record.outcome, outcome(actor.wait()));
    record
}

fn own_exe() -> std::ffi::OsString {
    std::env::current_exe()
        .expect("its own file")
        .into_os_string()
}

#[test]
fn kill_and_pidfd_send_signal_name_their_caller() {
    for way in Way::PROBES {
        need!(way.need());
        let mut watch = way.open();
        let by_kill = ended(&mut watch, actor(&["hang"]), Actor::kill);
        let by_pidfd = ended(&mut watch, actor(&["dies-of", "15"]), |actor| {
            pidfd_send_signal(pidfd(actor.pid()), Sent::TERM).unwrap();
        });
        for (record, signal) in [(by_kill, 9), (by_pidfd, 15)] {
            let killer = killer(&record);
            assert_eq!(killer.pid, own_pid(), "{way:?}");
            assert_eq!(killer.signal, Signal::from_number(signal).unwrap());
            assert_eq!(killer.code, SI_USER);
            assert_eq!(killer.uid, Some(rustix::process::getuid().as_raw()));
            assert_eq!(killer.exe, Some(own_exe()), "{way:?}");
            let parent = rustix::process::getppid().map(number);
            assert_eq!(killer.chain.first().map(|it| it.pid), parent);
            assert_eq!(record.oom, None);
        }
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "an unreaped leader keeps its group"
)]
fn killpg_names_its_caller_to_every_member() {
    use std::os::unix::process::CommandExt;
    need!(Way::TpBtf.need());
    let mut watch = Way::TpBtf.open();
    let mut leader = actor_command(&["dies-of", "12"]);
    leader.process_group(0);
    let leader = Actor::start(leader);
    let mut member = actor_command(&["dies-of", "12"]);
    member.process_group(leader.pid().as_raw_nonzero().get());
    let mut member = Actor::start(member);
    let member_token = token_of(member.pid());
    let record = ended(&mut watch, leader, |leader| {
        kill_process_group(leader.pid(), Sent::USR2).unwrap();
    });
    member.wait_zombie();
    let of_member = watch.record_of(&member_token);
    member.wait();
    for record in [record, of_member] {
        assert_eq!(killer(&record).pid, own_pid());
        assert_eq!(killer(&record).signal.number(), 12);
    }
}

#[test]
fn cgroup_kill_names_who_wrote_the_file() {
    need!(Way::TpBtf.need(), Need::Cgroup2);
    let mut watch = Way::TpBtf.open();
    let cgroup = Cgroup::new(Hierarchy::V2).unwrap();
    let members = [actor(&["hang"]), actor(&["killed-two-threads"])];
    let tokens = members.each_ref().map(|it| token_of(it.pid()));
    for member in &members {
        cgroup.add(member.pid()).unwrap();
    }
    cgroup.set("cgroup.kill", "1").unwrap();
    for (mut member, token) in members.into_iter().zip(tokens) {
        member.wait_zombie();
        let record = watch.record_of(&token);
        member.wait();
        assert_eq!(killer(&record).pid, own_pid());
        assert_eq!(killer(&record).code, SI_USER);
        let path = cgroup.name().unwrap();
        assert_eq!(record.place.cgroup, Some(path.into()));
    }
}

/// A tells B, B kills C: the record names B, and A as its parent.
#[test]
fn a_watchdog_is_named_with_its_parents() {
    need!(Way::TpBtf.need());
    let mut watch = Way::TpBtf.open();
    let victim = actor(&["dies-of", "15"]);
    let pid = victim.pid();
    let mut parents = [0; 2];
    let record = ended(&mut watch, victim, |_| {
        let mut told = sh("echo $$; read -r pid; sh -c 'kill -TERM $0; :' \"$pid\"; :");
        told.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut told = told.spawn().unwrap();
        parents = [told.id(), own_pid()];
        let mut stdin = told.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, format!("{}\n", number_text(pid)).as_bytes())
            .unwrap();
        told.wait().unwrap();
    });
    let killer = killer(&record);
    assert_eq!(killer.comm, "sh");
    assert!(!parents.contains(&killer.pid), "{killer:?}");
    let chain: Vec<u32> = killer.chain.iter().map(|it| it.pid).collect();
    assert_eq!(chain[..2], parents, "{killer:?}");
}

fn number_text(pid: Pid) -> String {
    pid.as_raw_nonzero().to_string()
}

#[test]
fn a_fault_is_its_own_killer_and_an_exit_has_none() {
    need!(Way::TpBtf.need());
    let mut watch = Way::TpBtf.open();
    let record = ended(&mut watch, actor(&["segv-core"]), Actor::release);
    let of_self = killer(&record);
    assert_eq!(Some(of_self.pid), record.token.pid().map(number));
    let record = ended(&mut watch, actor(&["wait-then-exit", "9"]), Actor::release);
    assert_eq!(record.killer, None);
}

/// Signals that did not end it are not what ended it.
#[test]
fn an_ignored_signal_before_is_no_killer() {
    need!(Way::TpBtf.need());
    let mut watch = Way::TpBtf.open();
    let record = ended(&mut watch, actor(&["ignore-term"]), |actor| {
        pidfd_send_signal(pidfd(actor.pid()), Sent::TERM).unwrap();
        let kill = format!("kill -KILL {}; :", number_text(actor.pid()));
        sh(&kill).status().unwrap();
    });
    assert_eq!(killer(&record).comm, "sh");
    assert_eq!(killer(&record).signal.number(), 9);
}

/// A caught signal, then the default again, from somebody else.
#[test]
fn a_handled_signal_before_is_no_killer() {
    need!(Way::TpBtf.need(), Need::Program("bash"));
    let mut watch = Way::TpBtf.open();
    let mut shell = Command::new("bash");
    shell
        .args([
            "-c",
            "trap 'trap - TERM; echo again' TERM; echo ready; read -r x; read -r x",
        ])
        .stdin(Stdio::piped());
    let mut shell = Actor::start(shell);
    let token = token_of(shell.pid());
    pidfd_send_signal(pidfd(shell.pid()), Sent::TERM).unwrap();
    shell.go();
    assert_eq!(shell.read_line(), "again");
    sh(&format!("kill -TERM {}; :", number_text(shell.pid())))
        .status()
        .unwrap();
    shell.wait_zombie();
    let record = watch.record_of(&token);
    assert_eq!(record.outcome, outcome(shell.wait()));
    assert_eq!(killer(&record).comm, "sh", "{:?}", getpid());
}

/// A timer goes off in the middle of whoever runs just then.
#[test]
fn a_timer_is_the_kernel() {
    need!(Way::TpBtf.need(), Need::Program("python3"));
    let mut watch = Way::TpBtf.open();
    let script = "import signal; signal.setitimer(signal.ITIMER_REAL, 1e-3); signal.pause()";
    let mut child = Command::new("python3")
        .args(["-c", script])
        .spawn()
        .unwrap();
    let token = token_of(Pid::from_child(&child));
    let status = exithand_testkit::wait_status(&mut child);
    let record = watch.record_of(&token);
    assert_eq!(record.outcome, outcome(status));
    assert_eq!(status, 14);
    assert_eq!((killer(&record).pid, killer(&record).uid), (0, None));
}
