//! Files of `/proc` and of cgroups, opened before they are needed and read in place.

use std::ffi::CStr;
use std::io::{Cursor, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{Errno, retry_on_intr};

/// The longest path below `/proc` or a cgroup that is opened.
const PATH_ROOM: usize = 1024;

/// Opens a file below `directory` to be read, without allocation.
///
/// # Errors
///
/// As `openat(2)`; `ENAMETOOLONG` for a path that no process of ours would have.
pub(super) fn open_below(
    directory: BorrowedFd<'_>,
    path: std::fmt::Arguments<'_>,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    let mut room = [0_u8; PATH_ROOM];
    let mut cursor = Cursor::new(&mut room[..PATH_ROOM - 1]);
    cursor.write_fmt(path).map_err(|_full| Errno::NAMETOOLONG)?;
    let path = CStr::from_bytes_until_nul(&room).map_err(|_none| Errno::NAMETOOLONG)?;
    retry_on_intr(|| openat(directory, path, flags | OFlags::CLOEXEC, Mode::empty()))
}

/// Reads a file below `directory` as far as `room` goes.
///
/// # Errors
///
/// As `openat(2)` and `read(2)`.
pub(super) fn read_below<'a>(
    directory: BorrowedFd<'_>,
    path: std::fmt::Arguments<'_>,
    room: &'a mut [u8],
) -> Result<&'a [u8], Errno> {
    let file = open_below(directory, path, OFlags::RDONLY)?;
    read_from_start(&file, room)
}

/// Reads an open file from its start, as far as `room` goes.
///
/// # Errors
///
/// As `pread(2)`.
pub(super) fn read_from_start(file: impl AsFd, room: &mut [u8]) -> Result<&[u8], Errno> {
    let mut length = 0;
    while length < room.len() {
        let offset = u64::try_from(length).unwrap_or(u64::MAX);
        match retry_on_intr(|| rustix::io::pread(&file, &mut room[length..], offset))? {
            0 => break,
            count => length += count,
        }
    }
    Ok(&room[..length])
}
