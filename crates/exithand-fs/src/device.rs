//! The line to the kernel.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys::{Shared, watch_readable};
use crate::wire::REQUEST_ROOM;

/// Where requests come from.
#[derive(Debug)]
pub(crate) struct Requests {
    fd: AsyncFd<Shared>,
    buffer: Vec<u8>,
}

/// Where replies and notifications go.
#[derive(Debug, Clone)]
pub(crate) struct Replies(Shared);

/// Splits an open `/dev/fuse`, which must not block, in its two directions.
///
/// The connection lasts until both are gone; then all who still wait get an error.
pub(crate) fn open(fd: OwnedFd) -> io::Result<(Requests, Replies)> {
    let fd = Shared(Arc::new(fd));
    let requests = Requests {
        fd: watch_readable(fd.clone())?,
        buffer: vec![0; REQUEST_ROOM],
    };
    Ok((requests, Replies(fd)))
}

impl Requests {
    /// Waits for the next request; `None` once the filesystem is unmounted or aborted.
    pub(crate) async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            // An aborted connection is no more readable: it shows an error, and nothing else.
            let mut guard = self.fd.ready(Interest::READABLE | Interest::ERROR).await?;
            let read = guard.try_io(|fd| {
                rustix::io::read(&*fd.get_ref().0, self.buffer.as_mut_slice())
                    .map_err(io::Error::from)
            });
            let Ok(read) = read else { continue };
            match read {
                Ok(length) => return Ok(Some(&self.buffer[..length])),
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::NODEV | Errno::CONNABORTED) => return Ok(None),
                    // Whoever asked gave up before the request was handed over; it was too long.
                    Some(Errno::NOENT | Errno::INTR | Errno::IO) => {}
                    _ => return Err(error),
                },
            }
        }
    }
}

impl Replies {
    /// Hands over one message. May block for a notification of names, never for a reply.
    pub(crate) fn send(&self, message: &[u8]) {
        // Whoever asked may have given up (`ENOENT`), and the connection may be gone (`ENODEV`):
        // the reader of requests learns that by itself.
        while rustix::io::write(&*self.0.0, message) == Err(Errno::INTR) {}
    }
}
