//! The FUSE protocol: bytes from and for `/dev/fuse`, without any file or process.
//!
//! Only what a filesystem of exithand files is asked is here. Structures are those of
//! `include/uapi/linux/fuse.h`, version 7.31 (Linux 5.3), which later kernels still speak.

mod reply;
mod request;

pub(crate) use reply::{Attr, FileKind, Listing, Reply, notify_delete, notify_entry, notify_poll};
pub(crate) use request::{Header, Operation, Request, describe};

/// The number the kernel knows an inode of ours by.
pub(crate) type RawNode = u64;

/// The root directory's number, given by the protocol.
pub(crate) const ROOT: RawNode = 1;

/// `FUSE_KERNEL_VERSION`.
pub(crate) const MAJOR: u32 = 7;
/// The version spoken here. Older kernels have no pidfds either.
pub(crate) const MINOR: u32 = 31;

/// The longest write that is taken, to be refused.
pub(crate) const MAX_WRITE: u32 = 4096;

/// A buffer for any request: at least `FUSE_MIN_READ_BUFFER`, and a longest write with its headers.
pub(crate) const REQUEST_ROOM: usize = 16 * 1024;
