//! The probes behind [`Need`](crate::Need): each does once what is asked about.

use std::fs::{self, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use rustix::fs::fstat;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Resource, geteuid, getpid, getrlimit, pidfd_open};
use rustix::thread::gettid;

use crate::binary::actor_path;
use crate::isolate::{self, Isolation};
use crate::{Actor, Cgroup, Hierarchy, User, actor_command, run_as, sys, wait_status, wait_zombie};

mod bpf;
mod connector;
pub(crate) use bpf::bpf;
pub(crate) use connector::proc_connector;

/// `O_EXCL`, which `pidfd_open` calls `PIDFD_THREAD`.
const PIDFD_THREAD: PidfdFlags = PidfdFlags::from_bits_retain(0o200);
/// `FILEID_KERNFS`, the handle type of pidfs.
const FILEID_PIDFS: i32 = 0xfe;

pub(crate) fn effective_root() -> bool {
    geteuid().is_root()
}

/// In the initial user namespace the map covers all ids there are.
pub(crate) fn root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    effective_root() && map.split_whitespace().eq(["0", "0", "4294967295"])
}

pub(crate) fn other_users() -> bool {
    static MET: OnceLock<bool> = OnceLock::new();
    *MET.get_or_init(|| {
        let users = [User::NOBODY, User::STRANGER];
        users
            .iter()
            .all(|user| succeeds(run_as(*user, actor_command(&["exit-with", "0"]))))
    })
}

pub(crate) fn core_dumps() -> bool {
    static MET: OnceLock<bool> = OnceLock::new();
    *MET.get_or_init(|| {
        let mut actor = Actor::start(actor_command(&["segv-core"]));
        actor.release();
        actor.wait() & 0x80 != 0
    })
}

pub(crate) fn pidfd_info_exit() -> bool {
    let (mut child, pidfd) = child_with_pidfd();
    wait_status(&mut child);
    sys::pidfd_info_exit(pidfd.as_fd()) == Some(0)
}

pub(crate) fn pidfs() -> bool {
    let (mut child, theirs) = child_with_pidfd();
    let own = pidfd_open(getpid(), PidfdFlags::empty()).expect("open a pidfd");
    let inodes = [&own, &theirs].map(|pidfd| fstat(pidfd).expect("stat a pidfd").st_ino);
    wait_status(&mut child);
    inodes[0] != inodes[1]
}

pub(crate) fn pidfs_handles() -> bool {
    let own = pidfd_open(getpid(), PidfdFlags::empty()).expect("open a pidfd");
    sys::handle_type(&own) == Some(FILEID_PIDFS)
}

pub(crate) fn pidfd_thread() -> bool {
    pidfd_open(gettid(), PIDFD_THREAD).is_ok()
}

pub(crate) fn process_mrelease() -> bool {
    sys::mrelease_nothing().raw_os_error() == Some(Errno::BADF.raw_os_error())
}

pub(crate) fn descriptors(wanted: u64) -> bool {
    getrlimit(Resource::Nofile)
        .maximum
        .is_none_or(|maximum| maximum >= wanted)
}

pub(crate) fn cgroup(hierarchy: Hierarchy) -> bool {
    Cgroup::new(hierarchy).is_ok()
}

pub(crate) fn cgroup2_memory() -> bool {
    Cgroup::new(Hierarchy::V2).is_ok_and(|it| it.path().join("memory.max").exists())
}

pub(crate) fn fuse() -> bool {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .is_ok()
}

pub(crate) fn user_fuse() -> bool {
    static MET: OnceLock<bool> = OnceLock::new();
    *MET.get_or_init(|| root() && succeeds(inside(Isolation::default(), &["open-fuse"])))
}

pub(crate) fn private_pid_namespace() -> bool {
    static MET: OnceLock<bool> = OnceLock::new();
    *MET.get_or_init(|| succeeds(inside(Isolation::default(), &["exit-with", "0"])))
}

/// Tries the value only where it cannot change the machine's own.
pub(crate) fn per_namespace_pid_max(pid_max: u32) -> bool {
    static MET: OnceLock<bool> = OnceLock::new();
    *MET.get_or_init(pid_max_is_per_namespace)
        && succeeds(inside(
            isolate::private_pid_namespace(pid_max),
            &["exit-with", "0"],
        ))
}

/// A new namespace starts with the highest value there is. Where the machine has that too, it is
/// asked who owns the file: in a user namespace of nobody it is only writable if it is the namespace's.
fn pid_max_is_per_namespace() -> bool {
    let ask = || inside(Isolation::default(), &["pid-max"]);
    let (Some(first), Ok(host)) = (lines(ask()), fs::read_to_string(isolate::PID_MAX)) else {
        return false;
    };
    let same = first
        .first()
        .is_none_or(|value| *value == format!("ready {}", host.trim()));
    let writable = |answer: &[String]| answer.get(1).is_some_and(|line| line == "writable");
    match (same, effective_root()) {
        (false, _) => true,
        (true, false) => writable(&first),
        (true, true) => lines(run_as(User::NOBODY, ask())).is_some_and(|answer| writable(&answer)),
    }
}

/// Whether a directory of `PATH` has a file of this name.
pub(crate) fn program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

fn inside(isolation: Isolation, actor: &[&str]) -> Command {
    let mut command = isolation.command(actor_path());
    command.args(actor);
    command
}

fn succeeds(mut command: Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What `command` writes, or `None` if it fails.
fn lines(mut command: Command) -> Option<Vec<String>> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| text.lines().map(str::to_owned).collect())
}

/// A child that has exited 0 and is not reaped.
fn child_with_pidfd() -> (Child, OwnedFd) {
    let mut command = actor_command(&["exit-with", "0"]);
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("start an actor");
    let pid = Pid::from_child(&child);
    wait_zombie(pid).expect("wait for a child");
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).expect("open a pidfd of a zombie");
    (child, pidfd)
}
