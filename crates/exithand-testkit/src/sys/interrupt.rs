//! Signals that disturb a waiting thread, and `waitid(2)` down to its bytes.

use std::ffi::{c_int, c_long, c_uint};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Pid, Signal, getpid};

use super::{SIG_ERR, signal, syscall};

#[cfg(target_arch = "x86_64")]
const SYS_TGKILL: c_long = 234;
#[cfg(not(target_arch = "x86_64"))]
const SYS_TGKILL: c_long = 131;
#[cfg(target_arch = "x86_64")]
const SYS_RT_SIGACTION: c_long = 13;
#[cfg(not(target_arch = "x86_64"))]
const SYS_RT_SIGACTION: c_long = 134;
const P_PID: c_uint = 1;
const WEXITED: c_int = 4;
const WNOWAIT: c_int = 0x0100_0000;

unsafe extern "C" {
    fn siginterrupt(signal: c_int, flag: c_int) -> c_int;
    fn waitid(kind: c_uint, id: c_uint, info: *mut SigInfoBytes, options: c_int) -> c_int;
}

/// `siginfo_t`, aligned as in C.
#[repr(C, align(8))]
struct SigInfoBytes([u8; 128]);

static INTERRUPTIONS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: c_int) {
    INTERRUPTIONS.fetch_add(1, Ordering::Relaxed);
}

/// Has `number` interrupt the system calls of this process (no `SA_RESTART`) and do nothing else.
///
/// # Errors
/// `EINVAL` for a signal that cannot be handled.
pub fn interrupt_on(number: Signal) -> io::Result<()> {
    let handler: extern "C" fn(c_int) = count;
    #[expect(
        clippy::as_conversions,
        reason = "the only way from a function to its address"
    )]
    let address = handler as usize;
    // SAFETY: the handler only adds to an atomic, which is allowed at any moment.
    let old = unsafe { signal(number.as_raw(), address) };
    // SAFETY: takes two integers.
    if old == SIG_ERR || unsafe { siginterrupt(number.as_raw(), 1) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Gives any signal its default action, those too that the C library keeps for itself and has
/// ignored in what it spawns.
///
/// # Errors
/// `EINVAL` for a signal that cannot be changed.
pub fn reset_signal(number: c_int) -> io::Result<()> {
    // `struct sigaction` of the kernel: the default action, no flags, nothing masked.
    let action = [0_u64; 4];
    let (old, set_size) = (ptr::null_mut::<u64>(), size_of::<u64>());
    // SAFETY: the kernel reads at most 32 bytes of `action`, and accepts a null `old`.
    match unsafe { syscall(SYS_RT_SIGACTION, number, action.as_ptr(), old, set_size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// How many signals have arrived since [`interrupt_on`].
pub fn interruptions() -> u64 {
    INTERRUPTIONS.load(Ordering::Relaxed)
}

/// Sends a signal to one thread of this process.
///
/// # Errors
/// `ESRCH` once the thread is gone.
pub fn signal_thread(tid: Pid, number: Signal) -> io::Result<()> {
    let (us, tid) = (getpid().as_raw_nonzero().get(), tid.as_raw_nonzero().get());
    // SAFETY: all arguments are integers.
    match unsafe { syscall(SYS_TGKILL, us, tid, number.as_raw()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The `siginfo_t` that `waitid(2)` fills for a child that has ended, which stays a zombie.
///
/// # Errors
/// `ECHILD` if it is no child of the caller.
pub fn waitid_bytes(child: Pid) -> io::Result<[u8; 128]> {
    let mut info = SigInfoBytes([0; 128]);
    let id = child.as_raw_nonzero().get().unsigned_abs();
    // SAFETY: `info` has the size and alignment of `siginfo_t`, and outlives the call.
    match unsafe { waitid(P_PID, id, &raw mut info, WEXITED | WNOWAIT) } {
        0 => Ok(info.0),
        _ => Err(io::Error::last_os_error()),
    }
}
