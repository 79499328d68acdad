//! Reads records out of a BPF ring.
//!
//! # Safety
//!
//! The kernel shares three pieces of memory with us: a page with our position, which we write; a
//! page with its own position; and the data, twice in a row, so that a record that goes over the
//! end is in one piece. A record is read only once its header says that it is complete, and the
//! kernel leaves it alone until our position has passed it.
#![expect(unsafe_code, reason = "memory shared with the kernel")]

use std::ffi::c_void;
use std::fmt;
use std::hint;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::param::page_size;

/// Set in a header while the record is being written.
const BUSY: u32 = 1 << 31;
/// Set in a header of a record that its writer took back.
const DISCARD: u32 = 1 << 30;
/// The bytes before each record.
const HEADER_BYTES: usize = 8;
/// How much of the data is mapped at a time: what is mapped counts as our memory.
const WINDOW_BYTES: usize = 256 << 10;
/// No record is longer.
const RECORD_BYTES_MAX: usize = 16 << 10;
/// How often to look again at a record that is being written, which takes less than a microsecond.
const LOOKS_MAX: u32 = 1 << 20;

/// The reading end of a ring.
pub(super) struct Ring {
    fd: OwnedFd,
    size: usize,
    ours: Mapping,
    theirs: Mapping,
    window: Option<Window>,
    position: u64,
}

/// A piece of the data, and where it begins.
struct Window {
    begin: usize,
    memory: Mapping,
}

impl Ring {
    /// Maps the ring of `size` bytes, a power of two, behind `fd`.
    ///
    /// # Errors
    ///
    /// As `mmap(2)`.
    pub(super) fn new(fd: OwnedFd, size: usize) -> io::Result<Self> {
        let page = page_size();
        let (read, write) = (ProtFlags::READ, ProtFlags::READ | ProtFlags::WRITE);
        let ours = Mapping::new(fd.as_fd(), 0, page, write)?;
        let theirs = Mapping::new(fd.as_fd(), page, page, read)?;
        let mut ring = Self {
            fd,
            size,
            ours,
            theirs,
            window: None,
            position: 0,
        };
        ring.position = ring.ours.position().load(Ordering::Acquire);
        Ok(ring)
    }

    /// Gives every complete record to `take`, and the bytes that were waiting at once at most.
    ///
    /// Looks again after the last, so that whoever then waits for the ring to become readable
    /// misses nothing.
    pub(super) fn read(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let mut left = self.size.saturating_mul(2);
        loop {
            let end = self.theirs.position().load(Ordering::SeqCst);
            if self.position == end || left == 0 {
                return Ok(());
            }
            while self.position < end && left > 0 {
                let Some(taken) = self.read_one(&mut take)? else {
                    return Ok(());
                };
                left = left.saturating_sub(taken);
            }
            fence(Ordering::SeqCst);
        }
    }

    /// How many bytes wait to be read.
    pub(super) fn waiting(&self) -> u64 {
        let end = self.theirs.position().load(Ordering::Acquire);
        end.saturating_sub(self.position)
    }

    /// Reads the next record. `None`: it is still being written.
    fn read_one(&mut self, take: &mut impl FnMut(&[u8])) -> io::Result<Option<usize>> {
        // A ring is at most 4 GiB.
        let at = usize::try_from(self.position).unwrap_or(usize::MAX) & (self.size - 1);
        let record = self.window_at(at)?;
        let Some(header) = complete(record) else {
            return Ok(None);
        };
        let len = usize::try_from(header & !DISCARD).unwrap_or(usize::MAX);
        if len > RECORD_BYTES_MAX {
            return Err(io::Error::other("the ring of the probes holds nonsense"));
        }
        if header & DISCARD == 0 {
            // SAFETY: the window goes on for the longest record, and the record is complete, so
            // the kernel changes none of it before the store below.
            take(unsafe { slice::from_raw_parts(record.add(HEADER_BYTES).as_ptr(), len) });
        }
        let taken = HEADER_BYTES + len.next_multiple_of(8);
        self.position += u64::try_from(taken).unwrap_or(0);
        self.ours.position().store(self.position, Ordering::SeqCst);
        Ok(Some(taken))
    }

    /// The address of the byte `at` of the data, mapped with at least one record after it.
    fn window_at(&mut self, at: usize) -> io::Result<NonNull<u8>> {
        let begin = at - at % WINDOW_BYTES.min(self.size);
        let memory = match &mut self.window {
            Some(window) if window.begin == begin => &window.memory,
            window => {
                let len = (WINDOW_BYTES + RECORD_BYTES_MAX + page_size()).min(2 * self.size);
                let offset = 2 * page_size() + begin;
                let memory = Mapping::new(self.fd.as_fd(), offset, len, ProtFlags::READ)?;
                &window.insert(Window { begin, memory }).memory
            }
        };
        // SAFETY: `at - begin` is less than the window's length.
        Ok(unsafe { memory.start.cast::<u8>().add(at - begin) })
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("fd", &self.fd)
            .field("size", &self.size)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// Reads a header once its record is complete. Another CPU may be in the middle of writing it, with
/// complete ones behind it, so it is worth a moment.
fn complete(record: NonNull<u8>) -> Option<u32> {
    // SAFETY: records begin at multiples of eight bytes inside the window.
    let header = unsafe { AtomicU32::from_ptr(record.cast::<u32>().as_ptr()) };
    for _ in 0..LOOKS_MAX {
        let word = header.load(Ordering::Acquire);
        if word & BUSY == 0 {
            return Some(word);
        }
        hint::spin_loop();
    }
    None
}

/// Memory shared with the kernel, unmapped when dropped.
struct Mapping {
    start: NonNull<c_void>,
    len: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread; `Ring` hands out no reference to it
// but through `&mut self`, or to atomics.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(fd: BorrowedFd<'_>, offset: usize, len: usize, prot: ProtFlags) -> io::Result<Self> {
        let offset = u64::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let start = unsafe { mmap(ptr::null_mut(), len, prot, MapFlags::SHARED, fd, offset)? };
        let start = NonNull::new(start).ok_or_else(|| io::Error::other("mapped at 0"))?;
        Ok(Self { start, len })
    }

    /// The position with which both pages of positions begin. It is a long; all our systems that
    /// have BPF rings of use have 64-bit ones.
    fn position(&self) -> &AtomicU64 {
        const { assert!(size_of::<usize>() == 8, "positions are 64 bits wide") };
        // SAFETY: the page is mapped as long as `self` lives, is aligned, and is changed by the
        // kernel with atomic stores only.
        unsafe { AtomicU64::from_ptr(self.start.cast::<u64>().as_ptr()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length, and no reference outlives `self`.
        let unmapped = unsafe { munmap(self.start.as_ptr(), self.len) };
        debug_assert!(unmapped.is_ok());
    }
}
