//! A watch of every fork and exit on the machine, through the kernel's process connector.
//!
//! The connector speaks in pids of the initial pid namespace and answers only there, so one
//! answer to the subscription proves that its pids are ours. It tells a fork before the child
//! runs and before the parent's call returns: events are in causal order, and once a process has
//! ended every fork of its own can be read.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::process;

use rustix::io::Errno;
use rustix::net::netlink::CONNECTOR;

use self::event::{Order, order, parse};
use crate::netlink::Netlink;

mod event;

pub use self::event::{Event, Kinds};

/// Says what a message holds.
pub(crate) fn describe(datagram: &[u8]) -> String {
    format!("{:?}", parse(datagram))
}

/// The connector's multicast group for process events (`CN_IDX_PROC`), as a mask.
const PROC_GROUP: u32 = 1;
/// An event takes 76 bytes.
const DATAGRAM_BYTES: usize = 256;

/// Why forks cannot be watched here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unwatchable {
    /// The kernel was built without the process connector.
    NoConnector,
    /// Before Linux 6.6 the connector asks for `CAP_NET_ADMIN`; a sandbox may refuse it too.
    NotPermitted,
    /// The connector exists in the initial network namespace only.
    OtherNetworkNamespace,
    /// The connector answers in the initial pid and user namespace only.
    OtherPidNamespace,
    /// The caller asked not to.
    NotAsked,
    /// A call failed for another reason.
    Failed {
        /// The call.
        call: &'static str,
        /// Its error.
        errno: Errno,
    },
}

impl fmt::Display for Unwatchable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConnector => f.write_str("this kernel has no process connector"),
            Self::NotPermitted => {
                f.write_str("the process connector needs Linux 6.6 or CAP_NET_ADMIN")
            }
            Self::OtherNetworkNamespace => {
                f.write_str("the process connector is out of reach from this network namespace")
            }
            Self::OtherPidNamespace => {
                f.write_str("the process connector does not answer in this pid or user namespace")
            }
            Self::NotAsked => f.write_str("the watch of forks is switched off"),
            Self::Failed { call, errno } => write!(f, "{call}: {errno}"),
        }
    }
}

/// Whether all that happened has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Drained {
    /// Every event up to now.
    Whole,
    /// The kernel dropped events: between two of those read, or after the last.
    Lost,
}

/// A subscription to the forks of the machine.
#[derive(Debug)]
pub struct Connector {
    socket: Netlink,
}

impl Connector {
    /// Subscribes to forks and exits. Every fork that begins after the return will be told.
    ///
    /// # Errors
    ///
    /// [`Unwatchable`], which says what is missing.
    pub fn start() -> Result<Self, Unwatchable> {
        let socket = Netlink::open(CONNECTOR, PROC_GROUP, DATAGRAM_BYTES);
        let mut watcher = Self {
            socket: socket.map_err(|(call, errno)| refusal(call, errno))?,
        };
        watcher.subscribe()?;
        Ok(watcher)
    }

    /// Asks the kernel to send no other events than these. Kernels before 6.6 send all of them.
    pub fn only(&self, kinds: Kinds) {
        // At worst more events come than are needed.
        self.send(Order::Only(kinds), 0).ok();
    }

    /// Adds to `events` all that has happened since the last call. Never blocks.
    ///
    /// # Errors
    ///
    /// As `recvfrom(2)`, where the socket is of no use any more.
    pub fn drain(&mut self, events: &mut Vec<Event>) -> Result<Drained, Errno> {
        let mut drained = Drained::Whole;
        loop {
            match self.receive() {
                Ok(event) => events.extend(event),
                Err(Errno::AGAIN) => return Ok(drained),
                Err(Errno::NOBUFS) => drained = Drained::Lost,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Makes the buffer as small as the kernel allows: room for two or three events. For tests.
    #[doc(hidden)]
    pub fn shrink_buffer(&self) {
        self.socket.shrink_buffer();
    }

    /// Sends the subscription and looks for the answer, which the kernel queues within the call.
    ///
    /// It is sent bare first: the answer would not pass the kernel's own filter of events.
    fn subscribe(&mut self) -> Result<(), Unwatchable> {
        let ack = process::id();
        self.send(Order::Listen, ack)
            .map_err(|errno| refusal("send", errno))?;
        loop {
            match self.receive() {
                Ok(Some(Event::Answer {
                    ack: answered,
                    errno,
                })) if answered == ack + 1 => {
                    return match i32::try_from(errno) {
                        Ok(0) => {
                            self.only(Kinds::ForksAndExits);
                            Ok(())
                        }
                        Ok(errno) => Err(refusal("subscribe", Errno::from_raw_os_error(errno))),
                        Err(_too_large) => Err(refusal("subscribe", Errno::INVAL)),
                    };
                }
                Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(Unwatchable::OtherPidNamespace),
                Err(errno) => return Err(refusal("recvfrom", errno)),
            }
        }
    }

    fn send(&self, what: Order, ack: u32) -> Result<(), Errno> {
        self.socket.send(&order(what, process::id(), ack))
    }

    fn receive(&mut self) -> Result<Option<Event>, Errno> {
        self.socket.receive(parse)
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        // Kernels before 6.6 go on making events for a listener that left without a word.
        self.send(Order::Ignore, 0).ok();
    }
}

/// Readable when there is something to drain.
impl AsFd for Connector {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn refusal(call: &'static str, errno: Errno) -> Unwatchable {
    match errno {
        Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT | Errno::NOENT => Unwatchable::NoConnector,
        Errno::PERM | Errno::ACCESS => Unwatchable::NotPermitted,
        Errno::CONNREFUSED => Unwatchable::OtherNetworkNamespace,
        _ => Unwatchable::Failed { call, errno },
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use rustix::net::netlink::SocketAddrNetlink;
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, socket_with};

    use super::*;

    #[test]
    fn tells_the_fork_of_a_child_before_its_exit_and_ours_alone_as_its_parent() {
        let Ok(mut watcher) = Connector::start() else {
            return;
        };
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let mut events = Vec::new();
        assert_eq!(watcher.drain(&mut events), Ok(Drained::Whole));

        let (ours, child) = (process::id(), child.id());
        let forked = events.iter().any(|it| {
            matches!(it, Event::Fork { parent, child: told, .. } if (*parent, *told) == (ours, child))
        });
        assert!(forked, "{events:?}");
    }

    #[test]
    fn a_full_buffer_is_told_once_and_what_follows_is_read() {
        let Ok(mut watcher) = Connector::start() else {
            return;
        };
        watcher.shrink_buffer();
        for _ in 0..20 {
            Command::new("true").status().unwrap();
        }
        assert_eq!(watcher.drain(&mut Vec::new()), Ok(Drained::Lost));
        let mut events = Vec::new();
        // Others fork too, so the small buffer may be full again.
        while !events
            .iter()
            .any(|it| matches!(it, Event::Fork { parent, .. } if *parent == process::id()))
        {
            Command::new("true").status().unwrap();
            let _either: Result<Drained, Errno> = watcher.drain(&mut events);
        }
    }

    #[test]
    fn a_forged_message_is_not_believed() {
        let Ok(mut watcher) = Connector::start() else {
            return;
        };
        let port = SocketAddrNetlink::try_from(rustix::net::getsockname(&watcher.socket).unwrap())
            .unwrap();
        let flags = SocketFlags::CLOEXEC;
        let stranger = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            flags,
            Some(CONNECTOR),
        );
        let mut forged = order(Order::Listen, 0, 0);
        // The connector header, then "what" = fork, and pids no machine has.
        forged.resize(52, 0);
        forged[36..40].copy_from_slice(&1_u32.to_ne_bytes());
        for _ in 0..6 {
            forged.extend(0x7fff_fff0_u32.to_ne_bytes());
        }
        let to = SocketAddrNetlink::new(port.pid(), 0);
        let sent = rustix::net::sendto(stranger.unwrap(), &forged, SendFlags::empty(), &to);

        let mut events = Vec::new();
        assert_eq!(
            watcher.drain(&mut events),
            Ok(Drained::Whole),
            "sent: {sent:?}"
        );
        let lies = |it: &Event| {
            matches!(
                it,
                Event::Fork {
                    parent: 0x7fff_fff0,
                    ..
                }
            )
        };
        assert!(!events.iter().any(lies));
        assert!(parse(&forged).is_some(), "the forgery is well made");
    }
}
