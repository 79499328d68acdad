//! The bytes of the kernel's process connector, as values.
//!
//! One datagram is a netlink header, a connector header and one process event, all in host byte
//! order. Every field is copied out by a checked read; a short or foreign message is no event.

/// What the connector said about one process, by pids of the initial pid namespace.
///
/// Times are nanoseconds since boot on a clock that stands still while the machine is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A process was made. Told before it runs its first instruction, so before any fork of its
    /// own.
    Fork {
        /// Who made it.
        parent: u32,
        /// Its pid.
        child: u32,
        /// When.
        at_ns: u64,
    },
    /// A process got another thread.
    ThreadFork {
        /// The process.
        process: u32,
        /// The new thread.
        tid: u32,
    },
    /// A process executes another program, with the calling thread alone, which now is the leader.
    Exec {
        /// The process.
        process: u32,
    },
    /// A process has ended, or only its leading thread has.
    Exit {
        /// Its pid.
        process: u32,
        /// Its parent; 0 before Linux 4.18.
        parent: u32,
        /// The wait status of the leading thread.
        status: i32,
        /// When.
        at_ns: u64,
    },
    /// A thread that does not lead its process has ended.
    ThreadExit {
        /// The process.
        process: u32,
        /// The thread.
        tid: u32,
        /// The parent of the process; 0 before Linux 4.18.
        parent: u32,
        /// The thread's wait status.
        status: i32,
        /// When.
        at_ns: u64,
    },
    /// The answer to the subscription that carried `ack - 1`; 0 is success.
    Answer {
        /// The number of the subscription, plus one.
        ack: u32,
        /// Its error.
        errno: u32,
    },
}

/// What to tell the connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Start to send every kind of event. Answered.
    Listen,
    /// Send these kinds only. Since Linux 6.6; earlier kernels ignore it.
    Only(Kinds),
    /// Stop.
    Ignore,
}

/// Which events the kernel should send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// Forks alone.
    Forks,
    /// Forks and exits.
    ForksAndExits,
    /// Forks, exits, and when a process executes another program.
    Lives,
}

const NETLINK_HEADER_BYTES: usize = 16;
const CONNECTOR_HEADER_BYTES: usize = 20;
const EVENT_AT: usize = NETLINK_HEADER_BYTES + CONNECTOR_HEADER_BYTES;
/// After `what`, `cpu` and the 64-bit timestamp.
const DATA_AT: usize = EVENT_AT + 16;

const NLMSG_DONE: u16 = 3;
/// Both the connector's index and its value for process events.
const CN_IDX_PROC: u32 = 1;
const CN_VAL_PROC: u32 = 1;

const LISTEN: u32 = 1;
const IGNORE: u32 = 2;

const WHAT_ANSWER: u32 = 0;
const WHAT_FORK: u32 = 1;
const WHAT_EXEC: u32 = 2;
const WHAT_EXIT: u32 = 0x8000_0000;

/// Reads one datagram. `None`: an event of another kind, or not the connector's.
pub(super) fn parse(datagram: &[u8]) -> Option<Event> {
    let ours = u32_at(datagram, NETLINK_HEADER_BYTES)? == CN_IDX_PROC
        && u32_at(datagram, NETLINK_HEADER_BYTES + 4)? == CN_VAL_PROC;
    if !ours {
        return None;
    }
    let data = |word: usize| u32_at(datagram, DATA_AT + 4 * word);
    let at_ns = u64_at(datagram, EVENT_AT + 8)?;
    match u32_at(datagram, EVENT_AT)? {
        WHAT_ANSWER => Some(Event::Answer {
            ack: u32_at(datagram, NETLINK_HEADER_BYTES + 12)?,
            errno: data(0)?,
        }),
        WHAT_FORK => {
            let (parent, tid, child) = (data(1)?, data(2)?, data(3)?);
            // A new thread of a process that is already known has a tid of its own.
            Some(if tid == child {
                Event::Fork {
                    parent,
                    child,
                    at_ns,
                }
            } else {
                Event::ThreadFork {
                    process: child,
                    tid,
                }
            })
        }
        WHAT_EXEC => Some(Event::Exec { process: data(1)? }),
        WHAT_EXIT => {
            let (tid, process, status) = (data(0)?, data(1)?, data(2)?.cast_signed());
            let parent = data(5).unwrap_or(0);
            Some(if tid == process {
                Event::Exit {
                    process,
                    parent,
                    status,
                    at_ns,
                }
            } else {
                Event::ThreadExit {
                    process,
                    tid,
                    parent,
                    status,
                    at_ns,
                }
            })
        }
        _ => None,
    }
}

/// Writes one order; `ack` comes back, plus one, in the answer.
pub(super) fn order(order: Order, port: u32, ack: u32) -> Vec<u8> {
    let payload: Vec<u32> = match order {
        Order::Listen => vec![LISTEN],
        Order::Ignore => vec![IGNORE],
        Order::Only(Kinds::Forks) => vec![LISTEN, WHAT_FORK],
        Order::Only(Kinds::ForksAndExits) => vec![LISTEN, WHAT_FORK | WHAT_EXIT],
        Order::Only(Kinds::Lives) => vec![LISTEN, WHAT_FORK | WHAT_EXEC | WHAT_EXIT],
    };
    // At most eight bytes: both lengths fit.
    let payload_bytes = u16::try_from(payload.len() * 4).unwrap_or(u16::MAX);
    let total_bytes = u32::try_from(EVENT_AT).unwrap_or(u32::MAX) + u32::from(payload_bytes);

    let mut bytes = Vec::with_capacity(EVENT_AT + payload.len() * 4);
    bytes.extend(total_bytes.to_ne_bytes());
    bytes.extend(NLMSG_DONE.to_ne_bytes());
    bytes.extend(0_u16.to_ne_bytes()); // flags
    bytes.extend(0_u32.to_ne_bytes()); // sequence
    bytes.extend(port.to_ne_bytes());
    bytes.extend(CN_IDX_PROC.to_ne_bytes());
    bytes.extend(CN_VAL_PROC.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes()); // sequence, which the kernel overwrites
    bytes.extend(ack.to_ne_bytes());
    bytes.extend(payload_bytes.to_ne_bytes());
    bytes.extend(0_u16.to_ne_bytes()); // flags
    bytes.extend(payload.into_iter().flat_map(u32::to_ne_bytes));
    bytes
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_ne_bytes(field.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(field.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One datagram as the kernel lays it out.
    fn datagram(what: u32, ack: u32, data: [u32; 6]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(76_u32.to_ne_bytes());
        bytes.extend([0; 12]);
        for word in [CN_IDX_PROC, CN_VAL_PROC, 5, ack] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(40_u16.to_ne_bytes());
        bytes.extend([0; 2]);
        bytes.extend(what.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(77_u64.to_ne_bytes());
        bytes.extend(data.into_iter().flat_map(u32::to_ne_bytes));
        assert_eq!(bytes.len(), 76);
        bytes
    }

    #[test]
    fn reads_forks_execs_exits_and_answers() {
        for (what, data, expected) in [
            (
                WHAT_FORK,
                [10, 9, 30, 30, 0, 0],
                Some(Event::Fork {
                    parent: 9,
                    child: 30,
                    at_ns: 77,
                }),
            ),
            (
                WHAT_FORK,
                [10, 9, 31, 30, 0, 0],
                Some(Event::ThreadFork {
                    process: 30,
                    tid: 31,
                }),
            ),
            (
                WHAT_EXEC,
                [30, 30, 0, 0, 0, 0],
                Some(Event::Exec { process: 30 }),
            ),
            (
                WHAT_EXIT,
                [30, 30, 256, 17, 9, 9],
                Some(Event::Exit {
                    process: 30,
                    parent: 9,
                    status: 256,
                    at_ns: 77,
                }),
            ),
            (
                WHAT_EXIT,
                [31, 30, 9, 17, 9, 9],
                Some(Event::ThreadExit {
                    process: 30,
                    tid: 31,
                    parent: 9,
                    status: 9,
                    at_ns: 77,
                }),
            ),
            (
                WHAT_ANSWER,
                [22, 0, 0, 0, 0, 0],
                Some(Event::Answer { ack: 8, errno: 22 }),
            ),
            (4, [30, 30, 0, 0, 0, 0], None),
        ] {
            assert_eq!(
                parse(&datagram(what, 8, data)),
                expected,
                "{what:#x} {data:?}"
            );
        }
    }

    #[test]
    fn a_cut_or_foreign_message_is_no_event() {
        let whole = datagram(WHAT_FORK, 0, [10, 9, 30, 30, 0, 0]);
        for len in 0..DATA_AT + 16 {
            assert_eq!(parse(&whole[..len]), None, "cut to {len} bytes");
        }
        let mut foreign = whole;
        foreign[NETLINK_HEADER_BYTES] ^= 0xff;
        assert_eq!(parse(&foreign), None);
    }

    #[test]
    fn orders_say_their_own_length() {
        for (what, total) in [(Order::Listen, 40), (Order::Only(Kinds::Forks), 44)] {
            let bytes = order(what, 7, 8);
            assert_eq!(bytes.len(), total);
            assert_eq!(u32_at(&bytes, 0), u32::try_from(total).ok());
            assert_eq!(u32_at(&bytes, 28), Some(8));
        }
    }
}
