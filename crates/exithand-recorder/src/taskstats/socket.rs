//! The socket on which the kernel tells the statistics of threads that end.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::netlink::{GENERIC, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recvfrom, send,
    socket_with, sockopt,
};

use super::TaskstatsError;
use super::wire::{CONTROL, Message, ThreadEnd, ask_family, parse, subscribe};
use crate::connector::Drained;

/// The kernel's own port. Everybody else's messages are forgeries.
const KERNEL_PORT: u32 = 0;
/// Taken only as it fills.
const BUFFER_BYTES: usize = 32 << 20;
/// The statistics of a thread and of its process take less than 1 KiB.
const DATAGRAM_BYTES: usize = 8 << 10;

/// A subscription to the ends of all threads.
#[derive(Debug)]
pub(super) struct Socket {
    fd: OwnedFd,
    family: u16,
    buffer: Vec<u8>,
}

impl Socket {
    pub(super) fn subscribe() -> Result<Self, TaskstatsError> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let kind = SocketType::RAW;
        let socket = socket_with(AddressFamily::NETLINK, kind, flags, Some(GENERIC))
            .map_err(|errno| failed("socket", errno))?;
        if sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER_BYTES).is_err() {
            // The kernel cuts this down to what everybody may have.
            sockopt::set_socket_recv_buffer_size(&socket, BUFFER_BYTES).ok();
        }
        bind(&socket, &SocketAddrNetlink::new(0, 0)).map_err(|errno| failed("bind", errno))?;
        let mut this = Self {
            fd: socket,
            family: CONTROL,
            buffer: Vec::with_capacity(DATAGRAM_BYTES),
        };
        this.family = this.ask_family()?;
        this.register()?;
        Ok(this)
    }

    /// Answers are queued within the call that asks.
    fn ask_family(&mut self) -> Result<u16, TaskstatsError> {
        self.send(&ask_family())?;
        loop {
            match self.receive() {
                Ok(Some(Message::Family(family))) => return Ok(family),
                Ok(Some(Message::Answer(0)) | None) => {}
                Ok(Some(Message::Answer(_))) => return Err(TaskstatsError::NotBuilt),
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Err(errno) => return Err(failed("recvfrom", errno)),
            }
        }
    }

    fn register(&mut self) -> Result<(), TaskstatsError> {
        let cpus = fs::read_to_string("/sys/devices/system/cpu/possible")
            .map_err(TaskstatsError::NoCpus)?;
        self.send(&subscribe(self.family, cpus.trim()))?;
        loop {
            match self.receive() {
                Ok(Some(Message::Answer(0))) => return Ok(()),
                Ok(Some(Message::Answer(code))) => {
                    let errno = Errno::from_raw_os_error(code.saturating_neg());
                    return Err(failed("subscribe", errno));
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(failed("recvfrom", errno)),
            }
        }
    }

    /// Gives all ends since the last call to `end`. Never blocks.
    pub(super) fn drain(&mut self, mut end: impl FnMut(ThreadEnd)) -> Result<Drained, Errno> {
        let mut drained = Drained::Whole;
        loop {
            match self.receive() {
                Ok(Some(Message::End(it))) => end(*it),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(drained),
                Err(Errno::NOBUFS) => drained = Drained::Lost,
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Whether what this kernel tells says which thread is the last: looks at one that ends.
    pub(super) fn check_version(&mut self) -> Result<(), TaskstatsError> {
        let thread = std::thread::spawn(|| {});
        drop(thread.join());
        loop {
            match self.receive() {
                Ok(Some(Message::TooOld(version))) => return Err(TaskstatsError::TooOld(version)),
                Ok(Some(Message::End(_))) => return Ok(()),
                Ok(_) | Err(Errno::INTR | Errno::NOBUFS) => {}
                // The thread has been joined, and may still be on its way through the kernel.
                Err(Errno::AGAIN) => {
                    let mut fds = [rustix::event::PollFd::new(
                        &self.fd,
                        rustix::event::PollFlags::IN,
                    )];
                    let second = rustix::event::Timespec {
                        tv_sec: 1,
                        tv_nsec: 0,
                    };
                    if rustix::event::poll(&mut fds, Some(&second)) == Ok(0) {
                        return Err(TaskstatsError::Silent);
                    }
                }
                Err(errno) => return Err(failed("recvfrom", errno)),
            }
        }
    }

    fn send(&self, message: &[u8]) -> Result<(), TaskstatsError> {
        send(&self.fd, message, SendFlags::empty())
            .map(drop)
            .map_err(|errno| failed("send", errno))
    }

    fn receive(&mut self) -> Result<Option<Message>, Errno> {
        self.buffer.clear();
        let (_, _, sender) = recvfrom(
            &self.fd,
            spare_capacity(&mut self.buffer),
            RecvFlags::empty(),
        )?;
        let from_kernel = sender
            .and_then(|sender| SocketAddrNetlink::try_from(sender).ok())
            .is_some_and(|sender| sender.pid() == KERNEL_PORT);
        Ok(if from_kernel {
            parse(&self.buffer, self.family)
        } else {
            None
        })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn failed(call: &'static str, errno: Errno) -> TaskstatsError {
    match errno {
        Errno::PERM | Errno::ACCESS => TaskstatsError::NotPermitted,
        Errno::INVAL if call == "subscribe" => TaskstatsError::OtherNamespace,
        _ => TaskstatsError::Syscall { call, errno },
    }
}
