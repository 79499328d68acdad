//! Seccomp filters under which the kernel is as an older one: it tells nothing through pidfds, or
//! releases nobody's memory.

use std::ffi::{c_int, c_ulong, c_ushort};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

unsafe extern "C" {
    fn prctl(option: c_int, ...) -> c_int;
}

/// `struct sock_filter`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Step {
    code: u16,
    jump_true: u8,
    jump_false: u8,
    value: u32,
}
const _: () = assert!(size_of::<Step>() == 8);

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    length: c_ushort,
    steps: *const Step,
}

const PR_SET_SECCOMP: c_int = 22;
const PR_SET_NO_NEW_PRIVS: c_int = 38;
const SECCOMP_MODE_FILTER: c_ulong = 2;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const IS_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
const ALLOW: u32 = 0x7fff_0000;
const REFUSE_WITH_EPERM: u32 = 0x0005_0001;
const REFUSE_WITH_ENOSYS: u32 = 0x0005_0026;

/// Where `struct seccomp_data` has the number of the call and the lower half of its second argument.
const NUMBER_AT: u32 = 0;
const REQUEST_AT: u32 = 24;
#[cfg(target_arch = "x86_64")]
const SYS_IOCTL: u32 = 16;
#[cfg(not(target_arch = "x86_64"))]
const SYS_IOCTL: u32 = 29;
/// `PIDFD_GET_INFO` without the size of the structure, which differs by version.
const ANY_SIZE: u32 = 0xc000_ffff;
const GET_INFO: u32 = 0xc000_ff0b;

const fn step(code: u16, value: u32) -> Step {
    Step {
        code,
        jump_true: 0,
        jump_false: 0,
        value,
    }
}

const fn unless_equal(value: u32, skip: u8) -> Step {
    Step {
        code: IS_EQUAL,
        jump_true: 0,
        jump_false: skip,
        value,
    }
}

static STEPS: [Step; 7] = [
    step(LOAD, NUMBER_AT),
    unless_equal(SYS_IOCTL, 4),
    step(LOAD, REQUEST_AT),
    step(AND, ANY_SIZE),
    unless_equal(GET_INFO, 1),
    step(RETURN, REFUSE_WITH_EPERM),
    step(RETURN, ALLOW),
];

static WITHOUT_MRELEASE: [Step; 4] = [
    step(LOAD, NUMBER_AT),
    unless_equal(448, 1),
    step(RETURN, REFUSE_WITH_ENOSYS),
    step(RETURN, ALLOW),
];

/// Has the calling thread, and those it starts later, run without `process_mrelease(2)`, as on kernels
/// before 5.15: a process that is stuck keeps its memory.
///
/// # Errors
/// As `prctl(2)`.
pub fn refuse_mrelease() -> io::Result<()> {
    refuse(&WITHOUT_MRELEASE)
}

/// Has `command` run where `PIDFD_GET_INFO` is refused, as on kernels before 6.13 it is unknown: the
/// kernel does not tell how a process ended that was reaped.
#[must_use]
pub fn without_pidfd_info(mut command: Command) -> Command {
    // SAFETY: what runs between fork and exec makes two system calls and allocates nothing.
    unsafe { command.pre_exec(|| refuse(&STEPS)) };
    command
}

fn refuse(steps: &'static [Step]) -> io::Result<()> {
    let program = Program {
        length: c_ushort::try_from(steps.len()).unwrap_or(0),
        steps: steps.as_ptr(),
    };
    let one: c_ulong = 1;
    let none: c_ulong = 0;
    // SAFETY: the call takes integers only.
    let promised = unsafe { prctl(PR_SET_NO_NEW_PRIVS, one, none, none, none) };
    // SAFETY: the kernel copies the program, and as many steps of it as it says, which live forever.
    let filtered = unsafe { prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &raw const program) };
    if promised == 0 && filtered == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
