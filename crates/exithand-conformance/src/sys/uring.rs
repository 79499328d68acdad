//! An `io_uring` with one request at a time.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, opcode, squeue};
use rustix::io::Errno;

/// How a request ended: the bytes read or the events seen, or an error.
pub(crate) type Done = Result<u32, Errno>;

/// A ring, the file its request is about, and the memory that the kernel writes to.
pub(crate) struct Ring {
    // Dropped first: the kernel is done with the buffer before it goes.
    ring: IoUring,
    buffer: Box<[u8; 4096]>,
}

impl Ring {
    /// Makes a ring.
    ///
    /// # Errors
    ///
    /// `EPERM`, `ENOSYS`: the kernel refuses.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            ring: IoUring::new(4)?,
            buffer: Box::new([0; 4096]),
        })
    }

    /// Hands a read of the file to the kernel, to do on a thread of its own: older kernels try first
    /// on ours, and take a file of a FUSE filesystem for one that never blocks (6.1 does).
    pub(crate) fn read(&mut self, file: impl AsFd) -> io::Result<()> {
        let descriptor = Fd(file.as_fd().as_raw_fd());
        let entry = opcode::Read::new(descriptor, self.buffer.as_mut_ptr(), 4096);
        self.submit(&entry.offset(u64::MAX).build().flags(squeue::Flags::ASYNC))
    }

    /// Has the kernel watch for the file to become readable.
    pub(crate) fn poll(&mut self, file: impl AsFd) -> io::Result<()> {
        const POLLIN: u32 = 1;
        let descriptor = Fd(file.as_fd().as_raw_fd());
        self.submit(&opcode::PollAdd::new(descriptor, POLLIN).build())
    }

    /// How the request ended; `None` if it has not.
    pub(crate) fn done(&mut self) -> Option<Done> {
        let entry = self.ring.completion().next()?;
        Some(
            u32::try_from(entry.result())
                .map_err(|_negative| Errno::from_raw_os_error(-entry.result())),
        )
    }

    /// How the request ended, which it has to do within ten seconds.
    pub(crate) fn wait(&mut self) -> io::Result<Option<Done>> {
        let soon = Timespec::new().sec(10);
        let args = SubmitArgs::new().timespec(&soon);
        loop {
            match self.ring.submitter().submit_with_args(1, &args) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() != Some(Errno::TIME.raw_os_error()) => {
                    return Err(error);
                }
                _ => return Ok(self.done()),
            }
        }
    }

    /// What was read.
    pub(crate) fn bytes(&self, length: u32) -> &[u8] {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.buffer.get(..length).unwrap_or(&self.buffer[..])
    }

    fn submit(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: the one buffer of requests belongs to this value and lives as long as the ring;
        // the file is held open by the check until the ring is dropped or the request has ended,
        // and the kernel keeps its own reference in any case.
        unsafe { self.ring.submission().push(entry) }.map_err(io::Error::other)?;
        self.ring.submit().map(drop)
    }
}
