//! Encodes what the kernel is told.

use rustix::io::Errno;

use super::{MAJOR, MAX_WRITE, MINOR, RawNode};

/// `FUSE_ATOMIC_O_TRUNC`: truncation is asked of `open`. `FUSE_PARALLEL_DIROPS`: lookups in one
/// directory do not wait for each other.
const WANTED: u32 = 1 << 3 | 1 << 18;

/// `FOPEN_DIRECT_IO`: every read is asked. `FOPEN_NONSEEKABLE`, `FOPEN_STREAM`: there are no
/// positions, and readers that share a file do not wait for each other.
const STREAM: u32 = 1 << 0 | 1 << 2 | 1 << 4;

const NOTIFY_POLL: i32 = 1;
const NOTIFY_INVAL_ENTRY: i32 = 3;
const NOTIFY_DELETE: i32 = 6;

const POLLIN: u32 = 0x0001 | 0x0040; // POLLIN | POLLRDNORM

/// What an inode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Directory,
    File,
    Link,
}

impl FileKind {
    /// Type and permissions.
    fn mode(self) -> u32 {
        match self {
            Self::Directory => 0o040_555,
            Self::File => 0o100_444,
            Self::Link => 0o120_777,
        }
    }

    /// The type as `readdir` tells it.
    fn entry_type(self) -> u32 {
        self.mode() >> 12
    }
}

/// What `stat` tells of an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attr {
    pub(crate) inode: u64,
    pub(crate) kind: FileKind,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Seconds and nanoseconds since 1970.
    pub(crate) time: (u64, u32),
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Init {
        minor: u32,
        flags: u32,
    },
    /// An entry that was looked up. The kernel asks again each time: it keeps nothing.
    Entry {
        node: RawNode,
        attr: Attr,
    },
    Attr(Attr),
    Data(Vec<u8>),
    /// A file that reads like a pipe.
    OpenedStream(u64),
    OpenedDirectory(u64),
    Poll {
        ready: bool,
    },
    StatFs,
    Done,
    Error(Errno),
}

impl Reply {
    /// Lays the answer to request `unique` out.
    pub(crate) fn to_bytes(&self, unique: u64) -> Vec<u8> {
        let mut message = Message::new(unique);
        match self {
            Self::Init { minor, flags } => message.init(*minor, *flags),
            Self::Entry { node, attr } => {
                message.u64(*node).u64(0); // generation: numbers are never used again
                message.u64(0).u64(0).u32(0).u32(0); // neither name nor attributes last
                message.attr(attr);
            }
            Self::Attr(attr) => {
                message.u64(0).u32(0).u32(0);
                message.attr(attr);
            }
            Self::Data(data) => message.0.extend(data),
            Self::OpenedStream(file) => {
                message.u64(*file).u32(STREAM).u32(0);
            }
            Self::OpenedDirectory(file) => {
                message.u64(*file).u32(0).u32(0);
            }
            Self::Poll { ready } => {
                message.u32(if *ready { POLLIN } else { 0 }).u32(0);
            }
            Self::StatFs => message.statfs(),
            Self::Done => {}
            Self::Error(errno) => return Message::error(unique, -errno.raw_os_error()).finish(),
        }
        message.finish()
    }
}

/// Tells the kernel that pollers of this open file should look again.
pub(crate) fn notify_poll(kernel_file: u64) -> Vec<u8> {
    let mut message = Message::error(0, NOTIFY_POLL);
    message.u64(kernel_file);
    message.finish()
}

/// Tells the kernel that an entry is gone for good, and with it the inode.
pub(crate) fn notify_delete(parent: RawNode, child: RawNode, name: &str) -> Vec<u8> {
    let mut message = Message::error(0, NOTIFY_DELETE);
    message.u64(parent).u64(child).name(name);
    message.finish()
}

/// Tells the kernel to forget an entry, which may still be there.
pub(crate) fn notify_entry(parent: RawNode, name: &str) -> Vec<u8> {
    let mut message = Message::error(0, NOTIFY_INVAL_ENTRY);
    message.u64(parent).name(name);
    message.finish()
}

/// The entries of a directory, as many as the caller has room for.
#[derive(Debug)]
pub(crate) struct Listing {
    bytes: Vec<u8>,
    room: usize,
}

impl Listing {
    pub(crate) fn new(size: u32) -> Self {
        Self {
            bytes: Vec::new(),
            room: usize::try_from(size).unwrap_or(usize::MAX),
        }
    }

    /// Adds an entry; false if it has no room. `next` is the offset at which to go on after it.
    pub(crate) fn add(&mut self, inode: u64, kind: FileKind, name: &str, next: u64) -> bool {
        let padded = (24 + name.len()).next_multiple_of(8);
        if self.bytes.len() + padded > self.room {
            return false;
        }
        let end = self.bytes.len() + padded;
        let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
        self.bytes.extend(inode.to_ne_bytes());
        self.bytes.extend(next.to_ne_bytes());
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(kind.entry_type().to_ne_bytes());
        self.bytes.extend(name.as_bytes());
        self.bytes.resize(end, 0);
        true
    }

    pub(crate) fn into_reply(self) -> Reply {
        Reply::Data(self.bytes)
    }
}

/// A message that grows: header first, its length set at the end.
struct Message(Vec<u8>);

impl Message {
    fn new(unique: u64) -> Self {
        let mut message = Self(Vec::with_capacity(144));
        message.u32(0).u32(0).u64(unique);
        message
    }

    fn error(unique: u64, error: i32) -> Self {
        let mut message = Self(Vec::with_capacity(40));
        message.u32(0);
        message.0.extend(error.to_ne_bytes());
        message.u64(unique);
        message
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn name(&mut self, name: &str) {
        let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
        self.u32(length).u32(0);
        self.0.extend(name.as_bytes());
        self.0.push(0);
    }

    fn init(&mut self, minor: u32, flags: u32) {
        self.u32(MAJOR).u32(minor.min(MINOR));
        self.u32(0).u32(flags & WANTED); // no read-ahead
        self.u32(0); // background requests: the kernel's own limits
        self.u32(MAX_WRITE).u32(1); // times to the nanosecond
        self.0.resize(16 + 64, 0);
    }

    fn attr(&mut self, attr: &Attr) {
        let (seconds, nanoseconds) = attr.time;
        let links = if attr.kind == FileKind::Directory {
            2
        } else {
            1
        };
        self.u64(attr.inode).u64(0).u64(0);
        self.u64(seconds).u64(seconds).u64(seconds);
        self.u32(nanoseconds).u32(nanoseconds).u32(nanoseconds);
        self.u32(attr.kind.mode()).u32(links);
        self.u32(attr.uid).u32(attr.gid);
        self.u32(0).u32(4096).u32(0);
    }

    fn statfs(&mut self) {
        for _ in 0..5 {
            self.u64(0);
        }
        self.u32(4096).u32(255).u32(4096);
        self.0.resize(16 + 80, 0);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attr(kind: FileKind) -> Attr {
        Attr {
            inode: 9,
            kind,
            uid: 1,
            gid: 2,
            time: (3, 4),
        }
    }

    #[test]
    fn every_reply_has_the_size_of_its_structure() {
        let entry = Reply::Entry {
            node: 7,
            attr: attr(FileKind::File),
        };
        let init = Reply::Init {
            minor: 45,
            flags: u32::MAX,
        };
        for (reply, size) in [
            (init, 64),
            (entry, 40 + 88),
            (Reply::Attr(attr(FileKind::Directory)), 16 + 88),
            (Reply::Data(b"exited 3\n".to_vec()), 9),
            (Reply::OpenedStream(1), 16),
            (Reply::OpenedDirectory(1), 16),
            (Reply::Poll { ready: true }, 8),
            (Reply::StatFs, 80),
            (Reply::Done, 0),
            (Reply::Error(Errno::NOENT), 0),
        ] {
            let bytes = reply.to_bytes(5);
            assert_eq!(bytes.len(), 16 + size, "{reply:?}");
            let length = u32::try_from(bytes.len()).unwrap();
            assert_eq!(bytes[..4], length.to_ne_bytes(), "{reply:?}");
            assert_eq!(bytes[8..16], 5_u64.to_ne_bytes(), "{reply:?}");
        }
    }

    #[test]
    fn errors_are_negative() {
        let bytes = Reply::Error(Errno::NOENT).to_bytes(5);
        assert_eq!(bytes[4..8], (-2_i32).to_ne_bytes());
    }

    #[test]
    fn speaks_no_newer_version_than_it_knows() {
        let bytes = Reply::Init {
            minor: 45,
            flags: u32::MAX,
        }
        .to_bytes(1);
        assert_eq!(bytes[20..24], 31_u32.to_ne_bytes());
        assert_eq!(bytes[28..32], WANTED.to_ne_bytes());
    }

    #[test]
    fn notifications_carry_the_whole_name() {
        let bytes = notify_delete(1, 16, "4242");
        assert_eq!(bytes.len(), 16 + 24 + 5);
        assert_eq!(bytes[4..8], NOTIFY_DELETE.to_ne_bytes());
        assert_eq!(&bytes[40..], b"4242\0");
        assert_eq!(notify_entry(1, "7").len(), 16 + 16 + 2);
        assert_eq!(notify_poll(3).len(), 16 + 8);
    }

    #[test]
    fn a_listing_keeps_to_its_room() {
        let mut listing = Listing::new(64);
        assert!(listing.add(1, FileKind::Directory, ".", 1));
        assert!(listing.add(2, FileKind::Link, "self", 2));
        assert!(!listing.add(3, FileKind::File, "pid_generation", 3));
        let Reply::Data(bytes) = listing.into_reply() else {
            panic!("no data");
        };
        assert_eq!(bytes.len(), 64);
        assert_eq!(bytes[20..24], 4_u32.to_ne_bytes());
    }
}
