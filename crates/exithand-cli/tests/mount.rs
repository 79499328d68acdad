//! `exithand mount` and `exithand umount`: the files come and go, and so does their server.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{Ran, exithand, finish, pid, run, start};
use exithand_testkit::{Need, actor, need};
use tempfile::TempDir;

/// A served directory; the mount is gone when dropped, also after a failure.
struct Mounted {
    directory: TempDir,
    server: Option<Child>,
}

impl Mounted {
    /// Serves in the foreground and returns once the files are there.
    fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = exithand();
        command.arg("mount").args(options).arg(directory.path());
        let mut server = start(&mut command);
        let mut line = String::new();
        BufReader::new(server.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(
            line.starts_with("serving the exithand files on /"),
            "{line:?}"
        );
        Self {
            directory,
            server: Some(server),
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn word(&self) -> &str {
        self.path().to_str().unwrap()
    }

    fn server_ends(mut self) -> Ran {
        let ran = finish(self.server.take().unwrap());
        assert!(!is_mounted(self.path()));
        ran
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.kill());
            drop(server.wait());
        }
        if is_mounted(self.path()) {
            drop(exithand().arg("umount").arg(self.path()).output());
        }
    }
}

fn is_mounted(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    mounts.contains(&format!(" {} fuse.exithand ", path.display()))
}

#[test]
fn a_shell_waits_by_reading_a_file() {
    need!(Need::Root, Need::Fuse);
    let mounted = Mounted::start(&[]);
    let mut target = actor(&["wait-then-exit", "3"]);
    let files = mounted.path().join(pid(&target));
    let mut cat = Command::new("cat");
    cat.arg(files.join("outcome")).stdout(Stdio::piped());
    let mut reader = cat.spawn().unwrap();
    assert!(reader.try_wait().unwrap().is_none());
    target.release();
    target.wait_zombie();
    let mut said = String::new();
    reader
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(said, "exited 3\n");
    reader.wait().unwrap();
    assert_eq!(target.wait(), 0x0300);
}

#[test]
fn umount_frees_the_directory_and_ends_the_server() {
    need!(Need::Root, Need::Fuse);
    let mounted = Mounted::start(&[]);
    run(&["mount", mounted.word()])
        .exits(125)
        .complains("is mounted already");
    let name = mounted.path().file_name().unwrap();
    let relative = exithand()
        .current_dir(mounted.path().parent().unwrap())
        .arg("umount")
        .arg(name)
        .output();
    Ran::from(relative.unwrap()).exits(0);
    assert!(!is_mounted(mounted.path()));
    run(&["umount", mounted.word()])
        .exits(125)
        .complains("no exithand files are mounted");
    mounted.server_ends().exits(0);
}

#[test]
fn sigterm_unmounts_while_somebody_reads() {
    need!(Need::Root, Need::Fuse);
    let mounted = Mounted::start(&[]);
    let hung = actor(&["hang"]);
    let mut file = fs::File::open(mounted.path().join(pid(&hung)).join("exithand")).unwrap();
    let server = exithand::ExitHandle::from_child(mounted.server.as_ref().unwrap()).unwrap();
    let reader = std::thread::spawn(move || file.read(&mut [0; 8]).map_err(|error| error.kind()));
    server.send_signal(exithand::Signal::TERM).unwrap();
    mounted.server_ends().exits(0);
    assert!(
        reader.join().unwrap().is_err(),
        "an error at once, never a hang"
    );
}

#[test]
fn the_mount_of_a_dead_server_is_replaced() {
    need!(Need::Root, Need::Fuse);
    let mut mounted = Mounted::start(&[]);
    let mut server = mounted.server.take().unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(fs::read_dir(mounted.path()).is_err(), "nobody answers");
    run(&["mount", "--daemonize", mounted.word()])
        .exits(0)
        .complains("");
    assert!(fs::read_dir(mounted.path()).unwrap().count() > 0);
    run(&["umount", mounted.word()]).exits(0);
}

#[test]
fn tells_a_service_manager_when_it_is_ready() {
    need!(Need::Root, Need::Fuse);
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("notify");
    let listener = UnixDatagram::bind(&socket).unwrap();
    let mut mounted = Mounted {
        directory: tempfile::tempdir().unwrap(),
        server: None,
    };
    let mut command = exithand();
    command
        .arg("mount")
        .arg(mounted.path())
        .env("NOTIFY_SOCKET", &socket);
    mounted.server = Some(start(&mut command));
    let mut message = [0; 256];
    let length = listener.recv(&mut message).unwrap();
    let message = String::from_utf8_lossy(&message[..length]).into_owned();
    assert!(message.starts_with("READY=1\n"), "{message:?}");
    assert!(is_mounted(mounted.path()));
}

#[test]
fn what_cannot_be_mounted_on() {
    need!(Need::Root, Need::Fuse);
    for options in [&["mount"][..], &["mount", "--daemonize"]] {
        let args = [options, &["/no/such/directory"]].concat();
        run(&args)
            .exits(125)
            .complains("/no/such/directory")
            .prints("");
    }
    run(&["mount", "--status", "nobody", "/tmp"])
        .exits(2)
        .complains("no status policy");
    run(&["umount", "/proc"])
        .exits(125)
        .complains("no exithand files are mounted on /proc");
    assert!(Path::new("/proc/self").exists());
}

#[test]
fn wait_via_says_what_wait_says() {
    need!(Need::Root, Need::Fuse);
    let mounted = Mounted::start(&[]);
    let mut target = actor(&["wait-then-exit", "3"]);
    let pid = pid(&target);
    let token = run(&["id", &pid]).exits(0).stdout;
    let root = mounted.word();
    run(&via(root, &["--timeout", "0", &pid, token.trim()]))
        .exits(124)
        .complains("1 of 1 still alive");
    let waiter = start(exithand().args(via(root, &["--propagate", "--json", token.trim()])));
    target.release();
    let ran = finish(waiter).exits(3);
    let line = &ran.json()[0];
    assert_eq!(line["token"], token.trim(), "{line}");
    assert_eq!(
        (&line["status"], &line["source"]),
        (&3.into(), &"file".into())
    );
    target.wait();
    run(&via(root, &[&pid]))
        .exits(127)
        .complains(&format!("no process with pid {pid}"));
    run(&via(root, &[token.trim()])).exits(127);
}

/// `exithand wait --via ROOT ARGS`.
fn via<'a>(root: &'a str, args: &[&'a str]) -> Vec<&'a str> {
    [&["wait", "--via", root], args].concat()
}
