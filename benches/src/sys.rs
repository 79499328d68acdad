//! The calls that need `unsafe`.
#![expect(
    unsafe_code,
    reason = "fork, memory that a child shares, an allocator that counts"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_int;
use std::os::fd::OwnedFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rustix::io::Errno;
use rustix::ioctl;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use rustix::process::{Pid, Signal, set_parent_process_death_signal};

unsafe extern "C" {
    fn fork() -> c_int;
    fn _exit(status: c_int) -> !;
}

/// Forks a child that runs `child`, which must make nothing but system calls, and then exits with
/// the status that it returns. It is killed when the thread that forked it ends.
pub(crate) fn fork_child(child: impl FnOnce() -> i32) -> Pid {
    // SAFETY: callers keep to what is said above, so no lock of another thread is needed.
    match unsafe { fork() } {
        0 => {
            let died = set_parent_process_death_signal(Some(Signal::KILL));
            let status = if died.is_ok() { child() } else { 125 };
            // SAFETY: takes an integer and does not return.
            unsafe { _exit(status) }
        }
        pid => Pid::from_raw(pid)
            .filter(|pid| pid.as_raw_nonzero().is_positive())
            .unwrap_or_else(|| panic!("fork: {}", std::io::Error::last_os_error())),
    }
}

/// Makes a number that later children share with us.
pub(crate) fn shared_number() -> &'static AtomicU64 {
    let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
    // SAFETY: a new mapping, at an address the kernel picks, overlaps nothing.
    let page = unsafe { mmap_anonymous(ptr::null_mut(), size_of::<u64>(), access, flags) };
    let number: NonNull<AtomicU64> = NonNull::new(page.expect("map a page").cast())
        .expect("the kernel maps nothing at address 0");
    // SAFETY: the page is aligned, zeroed, as large as needed, and never unmapped.
    unsafe { number.as_ref() }
}

/// `struct pidfd_info`: mask, then fields that are not looked at, then the wait status.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    others: [u32; 13],
    exit_code: i32,
}
const _: () = assert!(size_of::<PidfdInfo>() == 64); // PIDFD_INFO_SIZE_VER0
const INFO_EXIT: u64 = 1 << 3;
const GET_INFO: ioctl::Opcode = ioctl::opcode::read_write::<PidfdInfo>(0xFF, 11);

/// Asks the kernel for the wait status of a reaped process, with nothing around the call.
/// Fails before Linux 6.15, and (`EAGAIN`) before the reap.
pub(crate) fn bare_info(pidfd: &OwnedFd) -> Result<i32, Errno> {
    let mut info = PidfdInfo {
        mask: INFO_EXIT,
        ..PidfdInfo::default()
    };
    // SAFETY: `GET_INFO` says how large `info` is, and any bytes are valid for its integers.
    unsafe { ioctl::ioctl(pidfd, ioctl::Updater::<GET_INFO, _>::new(&mut info))? };
    let kept = info.mask & INFO_EXIT != 0;
    kept.then_some(info.exit_code).ok_or(Errno::AGAIN)
}

/// An allocator that counts the bytes in use.
#[derive(Debug, Clone, Copy)]
pub struct CountingAllocator;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

/// Returns the bytes in use, where [`CountingAllocator`] is the global allocator.
pub fn allocated_bytes() -> usize {
    ALLOCATED.load(Ordering::Relaxed)
}

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(start, layout) }
    }
}
