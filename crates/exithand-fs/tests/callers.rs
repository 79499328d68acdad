//! Who may learn what, by the caller's own credentials.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod mounted;

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use exithand_fs::{Limits, Options, StatusPolicy, Visibility};
use exithand_testkit::{Isolation, Middleman, Need, User, actor, actor_command, need, run_as};
use mounted::{Mounted, need_mounts};

fn cat(path: &Path) -> Command {
    let mut command = Command::new("cat");
    command.arg(path).env("LC_ALL", "C");
    command.stdin(Stdio::null());
    command
}

fn spawn(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn with(status: StatusPolicy) -> Mounted {
    Mounted::for_all(Options {
        status,
        ..Options::default()
    })
}

#[test]
fn a_stranger_is_told_by_the_policy() {
    need_mounts!();
    need!(Need::OtherUsers);
    for (policy, told) in [
        (StatusPolicy::All, true),
        (StatusPolicy::User, false),
        (StatusPolicy::Parent, false),
        (StatusPolicy::Root, false),
    ] {
        let mounted = with(policy);
        let mut actor = actor(&["wait-then-exit", "3"]);
        let end = spawn(run_as(
            User::NOBODY,
            cat(&mounted.path(actor.pid(), "exithand")),
        ));
        let outcome = mounted.path(actor.pid(), "outcome");
        if !told {
            let output = run_as(User::NOBODY, cat(&outcome)).output().unwrap();
            assert!(complaint(&output).contains("Permission denied"), "{policy}");
        }
        actor.release();
        actor.wait_zombie();
        let output = end.wait_with_output().unwrap();
        // It may have come too late to open.
        assert!(output.stdout.is_empty(), "{policy}");
        if told {
            let output = run_as(User::NOBODY, cat(&outcome)).output().unwrap();
            assert_eq!(output.stdout, b"exited 3\n", "{policy}");
        }
        let root = File::open(&outcome).map(|mut file| mounted::read(&mut file));
        assert_eq!(root.unwrap().unwrap(), b"exited 3\n", "root, {policy}");
        actor.wait();
    }
}

#[test]
fn the_kernel_policy_tells_a_stranger_after_the_reap_only() {
    need_mounts!();
    need!(Need::OtherUsers, Need::PidfdInfoExit);
    let mounted = with(StatusPolicy::Kernel);
    let mut middleman = Middleman::start(&["wait-then-exit", "3"]);
    let outcome = mounted.path(middleman.child(), "outcome");
    middleman.end();
    let output = run_as(User::NOBODY, cat(&outcome)).output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    assert!(
        line.starts_with("unknown: zombie of another user"),
        "{line}"
    );
    let siginfo = mounted.path(middleman.child(), "siginfo");
    let output = run_as(User::NOBODY, cat(&siginfo)).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
    assert_eq!(
        mounted.text(middleman.child(), "outcome"),
        "exited 3\n",
        "root"
    );

    // The shell opens the file, says so, and passes it on.
    let mut script = Command::new("sh");
    script.args(["-c", "exec 3< \"$1\"; echo open >&2; exec cat <&3", "sh"]);
    script.arg(&outcome);
    let mut child = spawn(run_as(User::NOBODY, script));
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    assert_eq!(line, "open\n");
    assert_eq!(middleman.reap(), 0x0300);
    let output = child.wait_with_output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    // `cat` may have read before the reap, and waited for less than the grace.
    assert!(
        line == "exited 3\n" || line.starts_with("unknown"),
        "{line}"
    );
}

#[test]
fn a_parent_and_the_own_user_are_told() {
    need_mounts!();
    need!(Need::OtherUsers);
    // A parent that is a shell of another user, and reads what its child's file says.
    let mounted = with(StatusPolicy::Parent);
    let mut script = Command::new("sh");
    let text = "sleep 600 & exec 3< \"$1/$!/outcome\"; kill -9 $!; cat <&3";
    script.args(["-c", text, "sh"]).arg(mounted.root());
    let output = run_as(User::NOBODY, script).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "killed 9 KILL\n",
        "{}",
        complaint(&output)
    );
    let mounted = with(StatusPolicy::User);
    let mut middleman = Middleman::start_as(run_as(
        User::NOBODY,
        actor_command(&["middleman", "wait-then-exit", "3"]),
    ));
    let outcome = mounted.path(middleman.child(), "outcome");
    middleman.end();
    let own = run_as(User::NOBODY, cat(&outcome)).output().unwrap();
    assert_eq!(own.stdout, b"exited 3\n", "{}", complaint(&own));
    let other = run_as(User::STRANGER, cat(&outcome)).output().unwrap();
    assert!(complaint(&other).contains("Permission denied"));
}

#[test]
fn hidden_processes_are_absent() {
    need_mounts!();
    need!(Need::OtherUsers);
    let mounted = Mounted::for_all(Options {
        hide: Visibility::Own,
        ..Options::default()
    });
    let foreign = actor(&["hang"]);
    let own = exithand_testkit::Actor::start(run_as(User::NOBODY, actor_command(&["hang"])));
    let mut command = Command::new("ls");
    command.arg(mounted.root());
    let output = run_as(User::NOBODY, command).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    let is_listed = |pid: exithand_testkit::Pid| {
        let pid = pid.as_raw_nonzero().to_string();
        listed.lines().any(|line| line == pid)
    };
    assert!(
        is_listed(own.pid()) && !is_listed(foreign.pid()),
        "{listed}"
    );
    // Root has looked it up, and what root is told does not help others.
    assert!(mounted.path(foreign.pid(), "token").exists());
    for (pid, found) in [(own.pid(), true), (foreign.pid(), false)] {
        let token = cat(&mounted.path(pid, "token"));
        let output = run_as(User::NOBODY, token).output().unwrap();
        assert_eq!(output.status.success(), found, "{}", complaint(&output));
        if !found {
            assert!(complaint(&output).contains("No such file"));
        }
    }
}

#[test]
fn one_user_cannot_take_everything() {
    need_mounts!();
    need!(Need::OtherUsers);
    let mounted = Mounted::for_all(Options {
        limits: Limits {
            open_files: 2,
            blocked_reads: 1,
            processes: 1,
        },
        ..Options::default()
    });
    let actors = [actor(&["hang"]), actor(&["hang"])];
    let [one, other] = [0, 1].map(|at: usize| mounted.path(actors[at].pid(), "exithand"));
    for (script, refused) in [
        ("exec 3< $1 4< $1", false),
        ("exec 3< $1 4< $1 5< $1", true),
        ("exec 3< $1 4< $2", true),
    ] {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(&one).arg(&other);
        let output = run_as(User::NOBODY, command).output().unwrap();
        let complaint = complaint(&output);
        assert_eq!(
            complaint.contains("quota"),
            refused,
            "{script}: {complaint}"
        );
    }
    let files: Vec<_> = (0..10).map(|_| File::open(&one).unwrap()).collect();
    assert_eq!(files.len(), 10, "root is not refused");
}

#[test]
fn a_caller_in_an_inner_pid_namespace_is_told_what_its_kernel_would() {
    need_mounts!();
    need!(Need::Root, Need::PrivatePidNamespace, Need::PidfdInfoExit);
    let mounted = with(StatusPolicy::Kernel);
    let actor = actor(&["wait-then-exit", "3"]);
    let inside = |script: &str| {
        let mut command = Isolation::default().command("sh");
        command.args(["-c", script, "sh"]).arg(mounted.root());
        command.env("LC_ALL", "C").output().unwrap()
    };
    let pid = actor.pid().as_raw_nonzero();
    // Numbers are those of the server's namespace, as on a /proc that was mounted there.
    let output = inside("readlink $1/self; cat $1/self/token");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let own = text.lines().next().unwrap_or_default().to_owned();
    assert!(own.parse::<i32>().is_ok_and(|own| own > 10), "{text}");
    let output = inside(&format!("cat $1/{pid}/outcome"));
    assert!(
        complaint(&output).contains("Permission denied"),
        "{}",
        complaint(&output)
    );
    // A process of its own namespace it may ask about.
    let output = inside(
        "d=$(mktemp -d); mkfifo $d/p; \
         sh -c 'cd -P $0/self; pwd > $1/p; exec sleep 600' $1 $d & \
         read own < $d/p; exec 3< $own/outcome; \
         kill -9 $!; cat <&3; rm -r $d",
    );
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said, "killed 9 KILL\n", "{}", complaint(&output));
    // And about the end of any.
    let nonblocking = inside(&format!("dd if=$1/{pid}/exithand iflag=nonblock count=1"));
    assert!(
        complaint(&nonblocking).contains("temporarily unavailable"),
        "{}",
        complaint(&nonblocking)
    );
}
