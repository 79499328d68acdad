//! Runs a program as pid 1 of fresh pid and mount namespaces.

use std::ffi::CStr;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

use exithand_testkit::sys::unshare;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Signal, getegid, geteuid, getppid, set_parent_process_death_signal};
use rustix::thread::UnshareFlags;

use crate::stage::{argument, invalid, part, say};

const PID_MAX: &str = "/proc/sys/kernel/pid_max";

/// Makes the namespaces, runs the second half in them, and ends as the program did.
///
/// Anybody but root gets a user namespace around them. The death of the caller, or of this process,
/// kills pid 1 of the namespace and with it everything in there.
pub(crate) fn isolate(args: &[String]) -> io::Result<u8> {
    let caller = getppid();
    let (uid, gid) = (geteuid(), getegid());
    let spaces = UnshareFlags::NEWPID | UnshareFlags::NEWNS;
    if uid.is_root() {
        unshare(spaces)?;
    } else {
        unshare(spaces | UnshareFlags::NEWUSER)?;
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    }
    // After `unshare`: a change of credentials takes the death signal away.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != caller {
        return Err(invalid("the caller has ended".to_owned()));
    }
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    let init = ["isolated-init".to_owned()];
    let status = part(&[init.as_slice(), args].concat())?.status()?;
    let status = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(status
        .and_then(|status| u8::try_from(status).ok())
        .unwrap_or(125))
}

/// Second half: mounts the `/proc` of its own namespace, sets `pid_max`, becomes the program.
pub(crate) fn init(args: &[String]) -> io::Result<u8> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None::<&CStr>)?;
    let pid_max: String = argument(args, 0)?;
    if pid_max != "-" {
        fs::write(PID_MAX, &pid_max)?;
    }
    let program: String = argument(args, 1)?;
    Err(Command::new(program)
        .args(args.get(2..).unwrap_or_default())
        .exec())
}

/// Says by its exit status whether users can be given a `/dev/fuse`.
pub(crate) fn open_fuse(_: &[String]) -> io::Result<u8> {
    exithand_testkit::open_fuse_to_all()?;
    Ok(0)
}

/// Says `ready PID_MAX`, then `writable` or `read-only`; opening the file changes nothing.
pub(crate) fn pid_max(_: &[String]) -> io::Result<u8> {
    say(&format!("ready {}", fs::read_to_string(PID_MAX)?.trim()));
    let opened = OpenOptions::new().write(true).open(PID_MAX);
    say(if opened.is_ok() {
        "writable"
    } else {
        "read-only"
    });
    Ok(0)
}
