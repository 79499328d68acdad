//! A recorder of our own, with its store and socket in a folder of its own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;

use exithand::{ExitHandle, Signal};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{exithand, start};

/// A running recorder; ended when dropped.
pub(crate) struct Recorder {
    folder: TempDir,
    /// Where the store is in the folder.
    store: &'static str,
    child: Option<Child>,
    stderr: Option<BufReader<ChildStderr>>,
}

impl Recorder {
    /// Starts one and returns once it serves.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), options)
    }

    /// Starts one whose store and socket are in this folder.
    pub(crate) fn start_in(folder: TempDir, options: &[&str]) -> Self {
        let mut recorder = Self::prepare(folder, "history.db");
        recorder.start_again(options);
        recorder
    }

    /// Starts one in a mount namespace of its own, after a shell script that finds the folder `disk`,
    /// where the store will be, as `$disk`. Needs root.
    pub(crate) fn start_behind(script: &str) -> Self {
        let mut recorder = Self::prepare_disk();
        let mut command = recorder.behind(script);
        recorder.run(&mut command);
        recorder
    }

    /// One that is not started yet, with its store in the folder `disk`.
    pub(crate) fn prepare_disk() -> Self {
        let recorder = Self::prepare(tempfile::tempdir().unwrap(), "disk/history.db");
        fs::create_dir(recorder.folder().join("disk")).unwrap();
        recorder
    }

    /// The command that [`start_behind`](Self::start_behind) runs.
    pub(crate) fn behind(&self, script: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "sh",
            "-ec",
            &format!("{script}; exec \"$@\""),
            "sh",
        ]);
        command.arg(exithand().get_program()).args(self.arguments());
        command.env("disk", self.folder().join("disk"));
        command.env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    fn prepare(folder: TempDir, store: &'static str) -> Self {
        // Other users connect, too.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self {
            folder,
            store,
            child: None,
            stderr: None,
        }
    }

    /// Starts one on the store and socket of the one that has ended.
    pub(crate) fn start_again(&mut self, options: &[&str]) {
        self.run(exithand().args(self.arguments()).args(options));
    }

    fn run(&mut self, command: &mut Command) {
        let mut child = start(command);
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        self.stderr = Some(BufReader::new(child.stderr.take().unwrap()));
        self.child = Some(child);
        assert!(line.starts_with("recording by "), "{line:?}");
    }

    /// `record` on the store and socket of this one.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let word = |path: PathBuf| path.into_os_string().into_string().unwrap();
        let (store, socket) = (word(self.store()), word(self.socket()));
        ["record", "--store", &store, "--socket", &socket]
            .map(str::to_owned)
            .to_vec()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder().join(self.store)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder().join("socket")
    }

    /// Its process.
    pub(crate) fn handle(&self) -> ExitHandle {
        ExitHandle::from_child(self.child.as_ref().unwrap()).unwrap()
    }

    /// The next line it says on standard error.
    pub(crate) fn complaint(&mut self) -> String {
        let mut line = String::new();
        self.stderr.as_mut().unwrap().read_line(&mut line).unwrap();
        line
    }

    /// Tells it to end, and returns its exit code.
    pub(crate) fn end(&mut self) -> i32 {
        self.handle().send_signal(Signal::TERM).unwrap();
        self.child.take().unwrap().wait().unwrap().code().unwrap()
    }

    /// Kills it outright.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Connects to it.
    pub(crate) fn dial(&self) -> Dialogue {
        Dialogue::new(UnixStream::connect(self.socket()).unwrap())
    }

    /// Connects to it as another user.
    pub(crate) fn dial_as(&self, uid: u32) -> Dialogue {
        let socket = self.socket();
        // Credentials are a thread's own, and those that connect count.
        let dial = thread::spawn(move || {
            let (uid, gid) = (
                rustix::fs::Uid::from_raw(uid),
                rustix::fs::Gid::from_raw(uid),
            );
            rustix::thread::set_thread_groups(&[]).unwrap();
            rustix::thread::set_thread_res_gid(gid, gid, gid).unwrap();
            rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
            UnixStream::connect(socket).unwrap()
        });
        Dialogue::new(dial.join().unwrap())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// A connection to a recorder.
pub(crate) struct Dialogue {
    stream: BufReader<UnixStream>,
}

impl Dialogue {
    fn new(stream: UnixStream) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Asks, and returns the lines of the answer, the last of which ends it.
    pub(crate) fn ask(&mut self, request: &str) -> Vec<Value> {
        self.say(request);
        let mut lines = Vec::new();
        loop {
            let line = self.next().expect("the answer has an end");
            let is_last = line.get("done").is_some() || line.get("error").is_some();
            lines.push(line);
            if is_last {
                return lines;
            }
        }
    }

    /// Asks, and returns the records of the answer.
    pub(crate) fn records(&mut self, request: &str) -> Vec<Value> {
        let mut lines = self.ask(request);
        lines.retain(|line| line.get("token").is_some());
        lines
    }

    /// Asks, and returns the word of the refusal.
    pub(crate) fn refusal(&mut self, request: &str) -> String {
        let lines = self.ask(request);
        let error = lines.last().and_then(|it| it["error"].as_str());
        error
            .unwrap_or_else(|| panic!("no refusal: {lines:?}"))
            .to_owned()
    }

    pub(crate) fn say(&mut self, request: &str) {
        let line = format!("{request}\n");
        self.stream.get_mut().write_all(line.as_bytes()).unwrap();
    }

    /// The next line; `None` once the recorder has hung up.
    pub(crate) fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        let length = self.stream.read_line(&mut line).unwrap_or_default();
        (length > 0).then(|| serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}")))
    }

    /// The next line that is about this process.
    pub(crate) fn next_about(&mut self, pid: u32) -> Value {
        loop {
            let line = self.next().expect("the stream goes on");
            if line["pid"] == pid {
                return line;
            }
        }
    }
}
