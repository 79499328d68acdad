//! Asks the process connector for events, and sees whether one comes.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::net::netlink::{CONNECTOR, SocketAddrNetlink};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, bind, send, socket_with};

use super::child_with_pidfd;
use crate::wait_status;

const NLMSG_DONE: u16 = 3;
/// Index, value and multicast group of process events are all one.
const PROC: u32 = 1;
const LISTEN: u32 = 1;

/// Whether an event arrives within a second of a child's life.
pub(crate) fn proc_connector() -> bool {
    let Ok(socket) = listen() else { return false };
    let (mut child, _) = child_with_pidfd();
    wait_status(&mut child);
    let mut fds = [PollFd::new(&socket, PollFlags::IN)];
    let second = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    matches!(retry_on_intr(|| poll(&mut fds, Some(&second))), Ok(1..))
}

fn listen() -> rustix::io::Result<OwnedFd> {
    let (kind, flags) = (SocketType::DGRAM, SocketFlags::CLOEXEC);
    let socket = socket_with(AddressFamily::NETLINK, kind, flags, Some(CONNECTOR))?;
    bind(&socket, &SocketAddrNetlink::new(0, PROC))?;
    send(&socket, &subscription(), SendFlags::empty())?;
    Ok(socket)
}

/// A netlink header of 16 bytes, a connector header of 20, and one word.
fn subscription() -> Vec<u8> {
    let mut message = Vec::with_capacity(40);
    message.extend(40_u32.to_ne_bytes());
    message.extend(NLMSG_DONE.to_ne_bytes());
    message.extend([0; 10]);
    message.extend(PROC.to_ne_bytes());
    message.extend(PROC.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(4_u16.to_ne_bytes());
    message.extend([0; 2]);
    message.extend(LISTEN.to_ne_bytes());
    message
}
