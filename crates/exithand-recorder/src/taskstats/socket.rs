//! The socket on which the kernel tells the statistics of threads that end.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use rustix::net::netlink::GENERIC;

use super::TaskstatsError;
use super::wire::{CONTROL, Message, ThreadEnd, ask_family, parse, subscribe};
use crate::connector::Drained;
use crate::netlink::Netlink;

/// The statistics of a thread and of its process take less than 1 KiB.
const DATAGRAM_BYTES: usize = 8 << 10;

/// A subscription to the ends of all threads.
#[derive(Debug)]
pub(super) struct Socket {
    netlink: Netlink,
    family: u16,
}

impl Socket {
    pub(super) fn subscribe() -> Result<Self, TaskstatsError> {
        let netlink = Netlink::open(GENERIC, 0, DATAGRAM_BYTES);
        let mut this = Self {
            netlink: netlink.map_err(|(call, errno)| failed(call, errno))?,
            family: CONTROL,
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
                        &self.netlink,
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
        let sent = self.netlink.send(message);
        sent.map_err(|errno| failed("send", errno))
    }

    fn receive(&mut self) -> Result<Option<Message>, Errno> {
        let family = self.family;
        self.netlink.receive(|message| parse(message, family))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.netlink.as_fd()
    }
}

fn failed(call: &'static str, errno: Errno) -> TaskstatsError {
    match errno {
        Errno::PERM | Errno::ACCESS => TaskstatsError::NotPermitted,
        Errno::INVAL if call == "subscribe" => TaskstatsError::OtherNamespace,
        _ => TaskstatsError::Syscall { call, errno },
    }
}
