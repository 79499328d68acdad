//! What a process was: its words, its file, its place, what it used.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use exithand_recorder::ExitRecord;
use exithand_testkit::{
    Actor, Cgroup, Hierarchy, Need, Pid, User, actor, actor_command, need, run_as,
};

use crate::watch::{Watch, Way, sh, token_of};

/// Runs a program that waits for its input to end, and returns its record.
fn record_of(watch: &mut Watch, mut command: Command) -> ExitRecord {
    let mut child = command
        .stdin(Stdio::piped())
        .spawn()
        .expect("start a program");
    let token = token_of(Pid::from_child(&child));
    drop(child.stdin.take());
    child.wait().expect("wait for a child");
    watch.record_of(&token)
}

fn words(record: &ExitRecord) -> (Vec<OsString>, bool) {
    let argv = record.argv.clone().expect("a command line");
    (argv.words, argv.truncated)
}

#[test]
fn words_and_names_are_bytes() {
    for way in Way::PROBES {
        need!(way.need());
        let mut watch = way.open();
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join(OsStr::from_bytes(b"c\xffat"));
        fs::copy("/bin/cat", &program).unwrap();
        let mut command = Command::new(&program);
        command.arg0(OsStr::from_bytes(b"\xfe")).args(["-", ""]);
        command.stderr(Stdio::null());
        let record = record_of(&mut watch, command);
        assert_eq!(record.comm, OsStr::from_bytes(b"c\xffat"));
        assert_eq!(record.exe, Some(program.into_os_string()));
        let expected = vec![
            OsStr::from_bytes(b"\xfe").to_owned(),
            "-".into(),
            OsString::new(),
        ];
        assert_eq!(words(&record), (expected, false), "{way:?}");
        let parent = record.parent.as_ref().unwrap();
        assert_eq!(parent.pid, std::process::id());
        assert_eq!(record.uid, Some(rustix::process::getuid().as_raw()));
    }
}

#[test]
fn a_huge_command_line_is_cut_and_marked() {
    need!(Way::TpBtf.need());
    let mut watch = Way::TpBtf.open();
    let mut command = Command::new("/bin/cat");
    command
        .arg("-")
        .arg("--")
        .arg("-")
        .args(vec!["/dev/null"; 6000]);
    command.stdout(Stdio::null());
    let (words, is_cut) = words(&record_of(&mut watch, command));
    assert!(is_cut);
    let bytes: usize = words.iter().map(|it| it.len() + 1).sum();
    assert!((1000..=1025).contains(&bytes), "{bytes}");
    assert_eq!(words[4], "/dev/null");
}

/// A child that never executes anything is what its parent is.
#[test]
fn a_forked_child_has_its_parents_words() {
    for way in Way::PROBES {
        need!(way.need());
        let mut watch = way.open();
        let mut shell = sh("(exit 3) & echo $!; wait; cat");
        let record = {
            let mut child = shell
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let parent = child.id();
            drop(child.stdin.take());
            child.wait().unwrap();
            watch.drain();
            let forked = watch.exits.iter().find(|it| {
                it.parent.as_ref().is_some_and(|it| it.pid == parent) && it.comm == "sh"
            });
            forked.expect("the subshell has ended").clone()
        };
        let expected = ["sh", "-c", "(exit 3) & echo $!; wait; cat"];
        assert_eq!(words(&record).0, expected, "{way:?}");
        assert!(record.exe.is_some());
    }
}

/// One that is older than the recorder is known, too.
#[test]
fn an_older_process_has_its_words() {
    for way in Way::PROBES {
        need!(way.need());
        let mut older = actor(&["wait-then-exit", "2"]);
        let mut watch = way.open();
        let token = token_of(older.pid());
        older.release();
        older.wait();
        let record = watch.record_of(&token);
        assert_eq!(words(&record).0[1..], ["wait-then-exit", "2"], "{way:?}");
        let exe = record.exe.expect("its file is known");
        assert!(exe.as_bytes().ends_with(b"/exithand-actor"), "{exe:?}");
    }
}

#[test]
fn user_group_and_usage_are_its_own() {
    need!(Way::TpBtf.need(), Need::OtherUsers, Need::Program("cksum"));
    let mut watch = Way::TpBtf.open();
    let script = "head -c 300000000 /dev/zero | cksum >/dev/null; cat";
    let mut shell = run_as(User::NOBODY, sh(script));
    shell.current_dir("/");
    let record = record_of(&mut watch, shell);
    assert_eq!(record.uid, Some(User::NOBODY.uid));
    assert_eq!(record.gid, Some(User::NOBODY.gid));
    let hungry = watch.exits.iter().find(|it| it.comm == "cksum");
    let usage = hungry.expect("cksum has ended").usage;
    let cpu = usage.cpu_user_ns.unwrap() + usage.cpu_system_ns.unwrap();
    assert!(cpu > 1_000_000, "{usage:?}");
    assert!(usage.max_rss_bytes.unwrap() > 500_000, "{usage:?}");
    assert!(usage.voluntary_switches.is_some());
}

/// What `wait4` measures is what the record says, but for the exit itself.
#[test]
fn peak_memory_is_that_of_wait() {
    need!(Way::TpBtf.need(), Need::Program("python3"));
    let mut watch = Way::TpBtf.open();
    let script = "import os, resource, sys
pid = os.posix_spawn(sys.executable, ['python3', '-c', 'b = bytearray(50 << 20)'], os.environ)
usage = os.wait4(pid, 0)[2]
print(pid, usage.ru_maxrss)";
    let output = Command::new("python3")
        .args(["-c", script])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<u64> = text
        .split_whitespace()
        .map(|it| it.parse().unwrap())
        .collect();
    watch.drain();
    let record = watch.exits.iter().rfind(|it| {
        it.token
            .pid()
            .is_some_and(|pid| i64::from(pid.as_raw_nonzero().get()) == numbers[0].cast_signed())
    });
    let usage = record.expect("its record").usage;
    assert_eq!(usage.max_rss_bytes, Some(numbers[1] * 1024));
}

#[test]
fn a_cgroup_that_is_gone_was_told_in_time() {
    need!(Way::TpBtf.need(), Need::Cgroup2);
    let mut watch = Way::TpBtf.open();
    let cgroup = Cgroup::new(Hierarchy::V2).unwrap();
    let unit = cgroup.path().join("short-lived@1.service");
    fs::create_dir(&unit).unwrap();
    let procs = unit.join("cgroup.procs");
    let mut member = Actor::start(actor_command(&[
        "in-cgroup",
        procs.to_str().unwrap(),
        "wait-then-exit",
        "1",
    ]));
    let token = token_of(member.pid());
    member.release();
    member.wait();
    let expected = format!("{}/short-lived@1.service", cgroup.name().unwrap());
    drop(cgroup);
    let record = watch.record_of(&token);
    assert_eq!(record.place.cgroup, Some(expected.into()));
    assert_eq!(record.place.unit.as_deref(), Some("short-lived@1.service"));
}

#[test]
fn the_init_of_a_pid_namespace_is_marked() {
    need!(
        Way::TpBtf.need(),
        Need::PrivatePidNamespace,
        Need::Program("unshare")
    );
    let mut watch = Way::TpBtf.open();
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "sh", "-c", "exit 6"]);
    let mut child = command.spawn().unwrap();
    let outer = child.id();
    assert_eq!(child.wait().unwrap().code(), Some(6));
    watch.drain();
    let init = watch
        .exits
        .iter()
        .find(|it| it.parent.as_ref().is_some_and(|parent| parent.pid == outer));
    let init = init.expect("the init has ended");
    assert!(init.namespace_init, "{init:?}");
    let others = watch.exits.iter().filter(|it| it.namespace_init).count();
    assert_eq!(others, 1);
}
