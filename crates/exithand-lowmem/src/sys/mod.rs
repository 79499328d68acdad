//! Kernel calls that rustix lacks, behind safe functions. The only `unsafe` of the crate.
#![expect(unsafe_code, reason = "raw system calls")]

use std::ffi::{c_int, c_long};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

use rustix::io::Errno;
use rustix::process::Pid;

#[cfg(target_arch = "x86_64")]
const SYS_KCMP: c_long = 312;
#[cfg(not(target_arch = "x86_64"))]
const SYS_KCMP: c_long = 272;
/// `KCMP_VM` of `include/uapi/linux/kcmp.h`.
const KCMP_VM: c_int = 1;

const SIG_BLOCK: c_int = 0;
const SFD_FLAGS: c_int = 0o2_000_000 | 0o4_000; // SFD_CLOEXEC | SFD_NONBLOCK

/// `sigset_t`, as large as the C library declares it.
#[repr(C)]
struct SignalSet([u64; 16]);

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn sigemptyset(set: *mut SignalSet) -> c_int;
    fn sigaddset(set: *mut SignalSet, signal: c_int) -> c_int;
    fn pthread_sigmask(how: c_int, set: *const SignalSet, old: *mut SignalSet) -> c_int;
    fn signalfd(fd: c_int, set: *const SignalSet, flags: c_int) -> c_int;
    #[cfg(target_env = "gnu")]
    fn malloc_trim(pad: usize) -> c_int;
}

/// Takes `signals` from the normal course, in this thread and those it starts, and returns a
/// descriptor they are read from instead.
///
/// # Errors
///
/// As `signalfd(2)`.
pub(crate) fn signals(signals: &[i32]) -> io::Result<OwnedFd> {
    let mut set = SignalSet([0; 16]);
    // SAFETY: `set` has the size of the C type and lives through all calls; a null `old` is allowed.
    let (errno, fd) = unsafe {
        sigemptyset(&raw mut set);
        for signal in signals {
            sigaddset(&raw mut set, *signal);
        }
        let errno = pthread_sigmask(SIG_BLOCK, &raw const set, ptr::null_mut());
        (errno, signalfd(-1, &raw const set, SFD_FLAGS))
    };
    if errno != 0 {
        return Err(io::Error::from_raw_os_error(errno));
    }
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so this is a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Says whether two processes have one memory. Both must be held, or the numbers mean nothing.
///
/// # Errors
///
/// `ESRCH`: one is gone. `EPERM`: not ours to compare. `ENOSYS`: the kernel cannot.
///
/// Source: `kcmp(2)`.
pub(crate) fn share_memory(one: Pid, other: Pid) -> Result<bool, Errno> {
    let (one, other) = (one.as_raw_nonzero().get(), other.as_raw_nonzero().get());
    // SAFETY: all arguments are plain integers.
    let result = unsafe { syscall(SYS_KCMP, one, other, KCMP_VM, 0_usize, 0_usize) };
    if result < 0 {
        let last = io::Error::last_os_error();
        return Err(Errno::from_io_error(&last).unwrap_or(Errno::IO));
    }
    Ok(result == 0)
}

/// Gives memory the allocator keeps for later back to the kernel.
pub(crate) fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes an integer, and locks the allocator itself.
    unsafe {
        malloc_trim(0);
    }
}

/// Gives back the pages of programs and libraries that nobody has written to; those still needed
/// come back from the page cache when they are touched. Call it before memory is locked.
pub(crate) fn drop_clean_pages() {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let mut range = None;
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (first, second) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        if let Some((start, end)) = first.split_once('-') {
            let address = |text: &str| usize::from_str_radix(text, 16).ok();
            let is_program = second.starts_with("r-") && line.contains('/');
            range = address(start).zip(address(end)).filter(|_| is_program);
        } else if first == "Anonymous:"
            && second == "0"
            && let Some((start, end)) = range.take()
        {
            let address = ptr::with_exposed_provenance_mut(start);
            // SAFETY: the range is one private mapping of a file that nobody may write to, or has
            // written to, so what comes back is what was there.
            let dropped = unsafe {
                rustix::mm::madvise(address, end - start, rustix::mm::Advice::LinuxDontNeed)
            };
            if dropped.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_shares_its_memory_with_itself_only() {
        let own = rustix::process::getpid();
        assert_eq!(share_memory(own, own), Ok(true));
        let child = exithand_testkit::actor(&["hang"]);
        assert_eq!(share_memory(own, child.pid()), Ok(false));
    }
}
