//! Netlink sockets on which nobody but the kernel is believed.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recvfrom, send,
    socket_with, sockopt,
};

/// The kernel's own port. Everybody else's messages are forgeries.
const KERNEL_PORT: u32 = 0;
/// Room for tens of thousands of messages: as many as there are pids by default. Taken only as it
/// fills.
const BUFFER_BYTES: usize = 32 << 20;

/// A socket that never blocks.
#[derive(Debug)]
pub(crate) struct Netlink {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

impl Netlink {
    /// Opens one, and joins the multicast groups of the mask `groups`. No message is longer than
    /// `datagram_bytes`.
    ///
    /// # Errors
    ///
    /// The call that failed, and how.
    pub(crate) fn open(
        protocol: Protocol,
        groups: u32,
        datagram_bytes: usize,
    ) -> Result<Self, (&'static str, Errno)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let kind = SocketType::DGRAM;
        let fd = socket_with(AddressFamily::NETLINK, kind, flags, Some(protocol))
            .map_err(|errno| ("socket", errno))?;
        grow_buffer(&fd);
        bind(&fd, &SocketAddrNetlink::new(0, groups)).map_err(|errno| ("bind", errno))?;
        Ok(Self {
            fd,
            buffer: Vec::with_capacity(datagram_bytes),
        })
    }

    /// Sends a message to the kernel, which answers it within the call.
    pub(crate) fn send(&self, message: &[u8]) -> Result<(), Errno> {
        send(&self.fd, message, SendFlags::empty()).map(drop)
    }

    /// Receives a message and has it parsed. `None`: it makes no sense, or is not the kernel's.
    ///
    /// # Errors
    ///
    /// `EAGAIN`: there is none. `ENOBUFS`: the kernel dropped some. Else as `recvfrom(2)`.
    pub(crate) fn receive<T>(
        &mut self,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Errno> {
        self.buffer.clear();
        let room = spare_capacity(&mut self.buffer);
        let (_, _, sender) = recvfrom(&self.fd, room, RecvFlags::empty())?;
        let from_kernel = sender
            .and_then(|sender| SocketAddrNetlink::try_from(sender).ok())
            .is_some_and(|sender| sender.pid() == KERNEL_PORT);
        Ok(from_kernel.then(|| parse(&self.buffer)).flatten())
    }

    /// Makes the buffer as small as the kernel allows: room for two or three messages. For tests.
    pub(crate) fn shrink_buffer(&self) {
        let set = sockopt::set_socket_recv_buffer_size(&self.fd, 1);
        debug_assert!(set.is_ok());
    }
}

/// Readable when there is something to receive.
impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Makes the socket's buffer as large as we may: a full one loses messages.
fn grow_buffer(fd: &OwnedFd) {
    if sockopt::set_socket_recv_buffer_size_force(fd, BUFFER_BYTES).is_err() {
        // The kernel cuts this down to what everybody may have.
        sockopt::set_socket_recv_buffer_size(fd, BUFFER_BYTES).ok();
    }
}
