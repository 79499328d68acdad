//! A killer among processes of our own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStdout, Command};

use exithand_testkit::Pid;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::Value;

use crate::common::{exithand, start};

/// Writes a configuration.
pub(crate) fn file(folder: &Path, text: &str) -> String {
    let path = folder.join("lowmem.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Makes a named pipe.
pub(crate) fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

/// A running killer; its service manager is the test.
pub(crate) struct Killer {
    child: Child,
    out: BufReader<ChildStdout>,
    socket: UnixDatagram,
}

impl Killer {
    /// Starts it and waits until it says that it is ready.
    pub(crate) fn start(folder: &Path, config: &str) -> Self {
        Self::launch(exithand(), folder, config)
    }

    /// The same, as `command` would have it.
    pub(crate) fn launch(mut command: Command, folder: &Path, config: &str) -> Self {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        // It may be another user's.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        command.env("NOTIFY_SOCKET", path);
        let mut child = start(command.args(["lowmem", "--json", "--config", config]));
        let out = BufReader::new(child.stdout.take().unwrap());
        let killer = Self { child, out, socket };
        assert!(killer.heard().starts_with("READY=1"));
        killer
    }

    /// What its service manager hears next.
    pub(crate) fn heard(&self) -> String {
        let mut room = [0; 256];
        let length = self.socket.recv(&mut room).unwrap();
        String::from_utf8(room[..length].to_vec()).unwrap()
    }

    /// How much its service manager has been told and not heard yet.
    pub(crate) fn unheard(&self) -> usize {
        self.socket.set_nonblocking(true).unwrap();
        let mut count = 0;
        while self.socket.recv(&mut [0; 256]).is_ok() {
            count += 1;
        }
        self.socket.set_nonblocking(false).unwrap();
        count
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pidfd = pidfd_open(self.pid(), PidfdFlags::empty()).unwrap();
        pidfd_send_signal(pidfd, signal).unwrap();
    }

    /// Reads records until one has `words`, and returns that.
    pub(crate) fn read_until(&mut self, words: &str) -> Value {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            if self.out.read_line(&mut line).unwrap() == 0 {
                let mut complaints = String::new();
                let stderr = self.child.stderr.as_mut().unwrap();
                stderr.read_to_string(&mut complaints).unwrap();
                panic!("ended without {words}: {complaints}");
            }
        }
        serde_json::from_str(&line).unwrap()
    }

    /// Ends it, and returns its complaints.
    pub(crate) fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        assert!(self.child.wait().unwrap().success());
        let mut complaints = String::new();
        let stderr = self.child.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut complaints).unwrap();
        complaints
    }
}

/// Levels in MiB: of so much memory everybody is short.
pub(crate) fn levels(hard: u64) -> String {
    let (more, floor) = (hard + 50, hard / 4);
    format!(
        "[levels]\nwarn = \"{more}M\"\nsoft = \"{hard}M\"\nhard = \"{hard}M\"\n\
         floor = \"{floor}M\"\ntarget = \"{more}M\"\n"
    )
}

/// Levels by which memory is low until `mib` more of it are there.
pub(crate) fn short_of(mib: u64) -> String {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .unwrap();
    let available: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    let zoneinfo = fs::read("/proc/zoneinfo").unwrap();
    let kept = exithand_lowmem::reading::per_cpu_pages(&zoneinfo) >> 8;
    levels((available >> 10) + kept + mib)
}
