//! `wait` and `mount` with a recorder, where the kernel does not tell how processes ended: before
//! Linux 6.15, or behind a seccomp filter, which is how it is tried on every kernel.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "all of it is test code, of which this uses a part"
)]

mod common;
#[path = "recorder/recorder.rs"]
mod recorder;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command};

use common::{Waiter, exithand, finish, pid, start};
use exithand::{ExitHandle, Signal};
use exithand_testkit::sys::without_pidfd_info;
use exithand_testkit::{Actor, Need, Pid, actor, need};
use recorder::Recorder;
use rustix::process::{WaitId, WaitIdOptions, waitid};

/// An actor's part, what makes it end, and the words for how it ended.
type End = (&'static [&'static str], fn(&mut Actor), &'static str);

const ENDS: [End; 3] = [
    (&["wait-then-exit", "4"], Actor::release, "exited 4"),
    (&["hang"], Actor::kill, "killed 9 KILL"),
    (&["leader-then-exit-group"], Actor::release, "exited 7"),
];

/// The command, to which the kernel tells nothing of ended processes.
fn silenced() -> Command {
    without_pidfd_info(exithand())
}

/// Does something while `child` is stopped, so that it cannot look.
fn unseen(child: &Child, act: impl FnOnce()) {
    let handle = ExitHandle::from_child(child).unwrap();
    handle.send_signal(Signal::STOP).unwrap();
    let stopped = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(Pid::from_child(child)), stopped).unwrap();
    act();
    handle.send_signal(Signal::CONT).unwrap();
}

/// Starts `wait --json` for a process that ends and is reaped unseen; returns what it says.
fn wait_for_what_is_gone(args: &[&str], part: &[&str], end: fn(&mut Actor)) -> serde_json::Value {
    let mut target = actor(part);
    let mut command = silenced();
    command.args(["wait", "--json"]).args(args);
    let mut waiter = Waiter::of(command, &[&pid(&target)]);
    unseen(&waiter.child, || {
        end(&mut target);
        target.wait();
    });
    let line = waiter.read_line();
    waiter.finish();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn the_recorder_tells_wait_what_the_kernel_does_not() {
    need!(Need::Bpf);
    let recorder = Recorder::start(&[]);
    let socket = recorder.socket();
    let args = ["--socket", socket.to_str().unwrap()];
    for (part, end, words) in ENDS {
        let line = wait_for_what_is_gone(&args, part, end);
        assert_eq!(line["source"], "recorder", "{line}");
        let word = words.split(' ').next().unwrap();
        assert_eq!(line["outcome"], word, "{line}");
        let number = line.get("status").or(line.get("signal")).unwrap();
        assert!(words.contains(&format!("{word} {number}")), "{line}");
    }
}

#[test]
fn without_a_recorder_the_outcome_is_unknown_and_never_a_guess() {
    let line = wait_for_what_is_gone(&[], &["wait-then-exit", "4"], Actor::release);
    assert_eq!(line["outcome"], "unknown", "{line}");
    assert!(line.get("status").is_none() && line.get("source").is_none());
}

#[test]
fn a_token_of_a_process_that_is_gone_is_answered_by_the_recorder() {
    need!(Need::Bpf);
    let recorder = Recorder::start(&[]);
    for (part, end, words) in ENDS {
        let mut target = actor(part);
        let token = ExitHandle::open(target.pid()).unwrap().token();
        end(&mut target);
        target.wait();
        let mut command = silenced();
        command.args(["wait", "--socket"]).arg(recorder.socket());
        command.arg(token.to_string());
        let ran = finish(start(&mut command)).exits(0);
        assert!(ran.stdout.trim_end().ends_with(words), "{ran:?}");
    }
}

/// A served directory, gone when dropped.
struct Files {
    directory: tempfile::TempDir,
    server: Option<Child>,
}

impl Files {
    /// Serves it to the silenced command, with the recorder at this socket.
    fn serve(socket: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = silenced();
        command.args(["mount", "--recorder"]).arg(socket);
        let mut server = start(command.arg(directory.path()));
        let mut line = String::new();
        let stdout = server.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert!(line.starts_with("serving "), "{line:?}");
        Self {
            directory,
            server: Some(server),
        }
    }

    /// Has a process whose `outcome` is open end and be reaped unseen; returns what is read then.
    fn read_of_what_is_gone(&self, part: &[&str], end: fn(&mut Actor)) -> String {
        let mut target = actor(part);
        let path = self.directory.path().join(pid(&target)).join("outcome");
        let file = fs::File::open(path).unwrap();
        unseen(self.server.as_ref().unwrap(), || {
            end(&mut target);
            target.wait();
        });
        std::io::read_to_string(file).unwrap()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(exithand().arg("umount").arg(self.directory.path()).output());
        if let Some(mut server) = self.server.take() {
            drop(server.kill());
            drop(server.wait());
        }
    }
}

#[test]
fn the_recorder_tells_readers_of_files_what_the_kernel_does_not() {
    need!(Need::Bpf, Need::Root, Need::Fuse);
    let recorder = Recorder::start(&[]);
    let files = Files::serve(&recorder.socket());
    for (part, end, words) in ENDS {
        let told = files.read_of_what_is_gone(part, end);
        assert_eq!(told, format!("{words}\n"));
    }
    let unknown = Files::serve(Path::new("/nowhere"));
    let told = unknown.read_of_what_is_gone(&["wait-then-exit", "4"], Actor::release);
    assert!(told.starts_with("unknown: "), "{told}");
}
