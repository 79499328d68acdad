//! `PIDFD_GET_INFO`: what a pidfd tells about its process.

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::ioctl;
use rustix::process::Pid;

/// `struct pidfd_info` as of its first version; later fields are not asked for.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup_id: u64,
    pid: u32,
    tgid: u32,
    ppid: u32,
    ids: [u32; 8],
    exit_code: i32,
}
const _: () = assert!(size_of::<PidfdInfo>() == 64); // PIDFD_INFO_SIZE_VER0
const _: () = assert!(std::mem::offset_of!(PidfdInfo, exit_code) == 60);

const INFO_PID: u64 = 1 << 0;
const INFO_EXIT: u64 = 1 << 3;
const GET_INFO: ioctl::Opcode = ioctl::opcode::read_write::<PidfdInfo>(0xFF, 11);

fn get_info<Fd: AsFd>(pidfd: Fd, mask: u64) -> Result<PidfdInfo, Errno> {
    let mut info = PidfdInfo {
        mask,
        ..PidfdInfo::default()
    };
    // SAFETY: `GET_INFO` encodes `size_of::<PidfdInfo>()`, so the kernel touches at most that many
    // bytes of `info`, which outlives the call; any bit pattern is valid for its integers.
    unsafe { ioctl::ioctl(pidfd, ioctl::Updater::<GET_INFO, _>::new(&mut info))? };
    Ok(info)
}

/// What the kernel kept of an ended process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitInfo {
    /// Reaped, with this wait status.
    Status(i32),
    /// It runs, or it is a zombie.
    NotReaped,
}

/// Reads the wait status the kernel kept for the process behind `pidfd`. Never blocks.
///
/// # Errors
///
/// - `ENOTTY`, `EINVAL`: the kernel is older than 6.13.
/// - `ESRCH`: reaped, and the kernel kept nothing (6.13 and 6.14).
/// - `EREMOTE`: the process lives in a pid namespace that is not ours or below ours.
///
/// Since Linux 6.15. Source: `PIDFD_INFO_EXIT` in `include/uapi/linux/pidfd.h`.
pub(crate) fn exit_info<Fd: AsFd>(pidfd: Fd) -> Result<ExitInfo, Errno> {
    let info = get_info(pidfd, INFO_EXIT)?;
    // The kernel leaves set only the bits of the fields it filled.
    if info.mask & INFO_EXIT == 0 {
        return Ok(ExitInfo::NotReaped);
    }
    Ok(ExitInfo::Status(info.exit_code))
}

/// The numbers of a process or thread in our own pid namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// The process, or the thread.
    pub(crate) pid: Option<Pid>,
    /// The process, or the one the thread belongs to.
    pub(crate) process: Option<Pid>,
}

/// Reads the numbers of the process (or thread) behind `pidfd`. Never blocks.
///
/// # Errors
///
/// As [`exit_info`]; `ESRCH` once it is reaped.
///
/// Since Linux 6.13. Source: `PIDFD_INFO_PID` in `include/uapi/linux/pidfd.h`.
pub(crate) fn numbers<Fd: AsFd>(pidfd: Fd) -> Result<Numbers, Errno> {
    let info = get_info(pidfd, INFO_PID)?;
    let pid = |raw: u32| i32::try_from(raw).ok().and_then(Pid::from_raw);
    Ok(Numbers {
        pid: pid(info.pid),
        process: pid(info.tgid),
    })
}

/// Reads the number of the process (or thread) behind `pidfd` in our own pid namespace, as
/// [`numbers`] does.
pub(crate) fn pid_in_our_namespace<Fd: AsFd>(pidfd: Fd) -> Result<Option<Pid>, Errno> {
    Ok(numbers(pidfd)?.pid)
}
