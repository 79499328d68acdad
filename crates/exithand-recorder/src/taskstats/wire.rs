//! The bytes of the kernel's task statistics, as values.
//!
//! Generic netlink: a header of 16 bytes, one of 4, then attributes, some of which hold others.
//! Sources: `linux/taskstats.h`, `Documentation/accounting/taskstats.rst`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// What one thread used, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ThreadEnd {
    pub(super) tgid: u32,
    pub(super) ppid: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) status: i32,
    /// Whether the process ended with it.
    pub(super) is_last: bool,
    pub(super) comm: OsString,
    /// How long the process had run, if this is its last thread.
    pub(super) process_us: u64,
    pub(super) utime_us: u64,
    pub(super) stime_us: u64,
    pub(super) peak_kib: u64,
    pub(super) read_bytes: u64,
    pub(super) write_bytes: u64,
    pub(super) nvcsw: u64,
    pub(super) nivcsw: u64,
}

/// What a datagram was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    End(Box<ThreadEnd>),
    /// The number of the family that was asked for.
    Family(u16),
    /// The answer to a request; 0 is success.
    Answer(i32),
    /// From a kernel whose statistics do not say which thread is the last.
    TooOld(u16),
}

const NLMSG_ERROR: u16 = 2;
const NETLINK_BYTES: usize = 16;
const HEADER_BYTES: usize = NETLINK_BYTES + 4;

/// The family that knows the others.
pub(super) const CONTROL: u16 = 16;
const CONTROL_GET_FAMILY: u8 = 3;
const CONTROL_ATTR_ID: u16 = 1;
const CONTROL_ATTR_NAME: u16 = 2;

const CMD_GET: u8 = 1;
const CMD_ATTR_REGISTER: u16 = 3;
const TYPE_STATS: u16 = 3;
const TYPE_AGGR_PID: u16 = 4;

/// The first version with `AGROUP` and the process's pid. Linux 5.19.
const VERSION_MIN: u16 = 12;
const AGROUP: u8 = 0x20;
const COMM_BYTES: usize = 32;

/// Asks for the number of the family of task statistics.
pub(super) fn ask_family() -> Vec<u8> {
    message(
        CONTROL,
        CONTROL_GET_FAMILY,
        CONTROL_ATTR_NAME,
        b"TASKSTATS\0",
    )
}

/// Subscribes to the ends of threads on these CPUs, as `0-3`.
pub(super) fn subscribe(family: u16, cpus: &str) -> Vec<u8> {
    let mut value = cpus.as_bytes().to_vec();
    value.push(0);
    message(family, CMD_GET, CMD_ATTR_REGISTER, &value)
}

fn message(family: u16, command: u8, attribute: u16, value: &[u8]) -> Vec<u8> {
    const REQUEST: u16 = 1;
    const ACKNOWLEDGE: u16 = 4;
    // Where the answer is data, an acknowledgement would be taken for that of the next request.
    let flags = match family {
        CONTROL => REQUEST,
        _ => REQUEST | ACKNOWLEDGE,
    };
    let value_bytes = u16::try_from(value.len()).unwrap_or(0);
    let total = HEADER_BYTES + 4 + value.len().next_multiple_of(4);
    let mut bytes = Vec::with_capacity(total);
    bytes.extend(u32::try_from(total).unwrap_or(0).to_ne_bytes());
    bytes.extend(family.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]); // sequence, port
    bytes.extend([command, 1, 0, 0]);
    bytes.extend((value_bytes + 4).to_ne_bytes());
    bytes.extend(attribute.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(total, 0);
    bytes
}

/// Reads one datagram that came for `family`. `None`: nothing of ours.
pub(super) fn parse(datagram: &[u8], family: u16) -> Option<Message> {
    let kind = u16_at(datagram, 4)?;
    if kind == NLMSG_ERROR {
        return Some(Message::Answer(
            u32_at(datagram, NETLINK_BYTES)?.cast_signed(),
        ));
    }
    if kind != family {
        return None;
    }
    let mut attributes = Attributes(datagram.get(HEADER_BYTES..)?);
    if family == CONTROL {
        let (_, id) = attributes.find(|it| it.0 == CONTROL_ATTR_ID)?;
        return Some(Message::Family(u16_at(id, 0)?));
    }
    let (_, of_thread) = attributes.find(|it| it.0 == TYPE_AGGR_PID)?;
    let (_, stats) = Attributes(of_thread).find(|it| it.0 == TYPE_STATS)?;
    let version = u16_at(stats, 0)?;
    if version < VERSION_MIN {
        return Some(Message::TooOld(version));
    }
    Some(Message::End(Box::new(thread_end(stats)?)))
}

fn thread_end(stats: &[u8]) -> Option<ThreadEnd> {
    let comm = stats.get(80..80 + COMM_BYTES)?;
    let comm = comm.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(ThreadEnd {
        tgid: u32_at(stats, 368)?,
        ppid: u32_at(stats, 132)?,
        uid: u32_at(stats, 120)?,
        gid: u32_at(stats, 124)?,
        status: u32_at(stats, 4)?.cast_signed(),
        is_last: stats.get(8)? & AGROUP != 0,
        comm: OsString::from_vec(comm.to_vec()),
        process_us: u64_at(stats, 376)?,
        utime_us: u64_at(stats, 152)?,
        stime_us: u64_at(stats, 160)?,
        peak_kib: u64_at(stats, 200)?,
        read_bytes: u64_at(stats, 248)?,
        write_bytes: u64_at(stats, 256)?,
        nvcsw: u64_at(stats, 272)?,
        nivcsw: u64_at(stats, 280)?,
    })
}

/// Attributes: a length with the header of four bytes, a type, a value padded to four bytes.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        /// Says that the value holds attributes, or is in network order.
        const TYPE_MASK: u16 = 0x3fff;
        let len = usize::from(u16_at(self.0, 0)?);
        let kind = u16_at(self.0, 2)? & TYPE_MASK;
        let value = self.0.get(4..len)?;
        self.0 = self.0.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(field(bytes, at)?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(field(bytes, at)?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(field(bytes, at)?))
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILY: u16 = 27;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn datagram(version: u16, flags: u8) -> Vec<u8> {
        let mut stats = vec![0; 416];
        stats[..2].copy_from_slice(&version.to_ne_bytes());
        stats[4..8].copy_from_slice(&0x0900_u32.to_ne_bytes());
        stats[8] = flags;
        stats[80..83].copy_from_slice(b"cat");
        stats[368..372].copy_from_slice(&77_u32.to_ne_bytes());
        let inner = [attribute(1, &78_u32.to_ne_bytes()), attribute(3, &stats)].concat();
        let outer = attribute(4 | 0x8000, &inner);
        let mut bytes = Vec::new();
        let total = HEADER_BYTES + outer.len();
        bytes.extend(u32::try_from(total).unwrap().to_ne_bytes());
        bytes.extend(FAMILY.to_ne_bytes());
        bytes.resize(HEADER_BYTES, 0);
        bytes.extend(outer);
        bytes
    }

    #[test]
    fn reads_the_end_of_a_thread() {
        for (flags, is_last) in [(AGROUP | 1, true), (1, false)] {
            let bytes = datagram(13, flags);
            let Some(Message::End(end)) = parse(&bytes, FAMILY) else {
                panic!("no end");
            };
            assert_eq!((end.tgid, end.status, end.is_last), (77, 0x0900, is_last));
            assert_eq!(end.comm, "cat");
        }
        assert_eq!(parse(&datagram(11, 0), FAMILY), Some(Message::TooOld(11)));
    }

    #[test]
    fn a_cut_or_foreign_datagram_is_none() {
        let bytes = datagram(13, 0);
        for len in 0..bytes.len() {
            assert_eq!(parse(&bytes[..len], FAMILY), None, "cut to {len}");
        }
        assert_eq!(parse(&bytes, FAMILY + 1), None);
    }

    #[test]
    fn requests_say_their_own_length() {
        for bytes in [ask_family(), subscribe(FAMILY, "0-127")] {
            assert_eq!(u32_at(&bytes, 0), u32::try_from(bytes.len()).ok());
            assert_eq!(bytes.len() % 4, 0);
        }
    }
}
