//! The bytes of the kernel's process connector, as values.
//!
//! One datagram is a netlink header, a connector header and one process event, all in host byte
//! order. Every field is copied out by a checked read; a short or foreign message is no event.

/// What the connector said about one process, by pids of the initial pid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// `parent` made `child`. Told before `child` runs its first instruction, so before any fork
    /// of its own.
    Fork { parent: u32, child: u32 },
    /// `process` has ended, or only its leading thread has. `parent` is 0 before Linux 4.18.
    Exit { process: u32, parent: u32 },
    /// The answer to the subscription that carried `ack - 1`; 0 is success.
    Answer { ack: u32, errno: u32 },
}

/// What to tell the connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Start to send every kind of event. Answered.
    Listen,
    /// Send these kinds only. Since Linux 6.6; earlier kernels ignore it.
    Only(Kinds),
    /// Stop.
    Ignore,
}

/// Which events the kernel should send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kinds {
    Forks,
    ForksAndExits,
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
const WHAT_EXIT: u32 = 0x8000_0000;

/// Reads one datagram. `None`: an event of another kind, a thread's, or not the connector's.
pub(crate) fn parse(datagram: &[u8]) -> Option<Event> {
    let ours = u32_at(datagram, NETLINK_HEADER_BYTES)? == CN_IDX_PROC
        && u32_at(datagram, NETLINK_HEADER_BYTES + 4)? == CN_VAL_PROC;
    if !ours {
        return None;
    }
    let data = |word: usize| u32_at(datagram, DATA_AT + 4 * word);
    match u32_at(datagram, EVENT_AT)? {
        WHAT_ANSWER => Some(Event::Answer {
            ack: u32_at(datagram, NETLINK_HEADER_BYTES + 12)?,
            errno: data(0)?,
        }),
        WHAT_FORK => {
            let (parent, child_tid, child) = (data(1)?, data(2)?, data(3)?);
            // A new thread of a process that is already known has a tid of its own.
            (child_tid == child).then_some(Event::Fork { parent, child })
        }
        WHAT_EXIT => {
            let (tid, process) = (data(0)?, data(1)?);
            let parent = data(5).unwrap_or(0);
            (tid == process).then_some(Event::Exit { process, parent })
        }
        _ => None,
    }
}

/// Writes one order; `ack` comes back, plus one, in the answer.
pub(crate) fn order(order: Order, port: u32, ack: u32) -> Vec<u8> {
    let payload: Vec<u32> = match order {
        Order::Listen => vec![LISTEN],
        Order::Ignore => vec![IGNORE],
        Order::Only(Kinds::Forks) => vec![LISTEN, WHAT_FORK],
        Order::Only(Kinds::ForksAndExits) => vec![LISTEN, WHAT_FORK | WHAT_EXIT],
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
        bytes.extend([0; 12]);
        bytes.extend(data.into_iter().flat_map(u32::to_ne_bytes));
        assert_eq!(bytes.len(), 76);
        bytes
    }

    #[test]
    fn reads_forks_exits_and_answers_of_processes_only() {
        for (what, data, expected) in [
            (
                WHAT_FORK,
                [10, 9, 30, 30, 0, 0],
                Some(Event::Fork {
                    parent: 9,
                    child: 30,
                }),
            ),
            (WHAT_FORK, [10, 9, 31, 30, 0, 0], None),
            (
                WHAT_EXIT,
                [30, 30, 256, 17, 9, 9],
                Some(Event::Exit {
                    process: 30,
                    parent: 9,
                }),
            ),
            (WHAT_EXIT, [31, 30, 256, 17, 9, 9], None),
            (
                WHAT_ANSWER,
                [22, 0, 0, 0, 0, 0],
                Some(Event::Answer { ack: 8, errno: 22 }),
            ),
            (2, [30, 30, 0, 0, 0, 0], None),
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
