//! Lists directories.

use exithand::{ExitHandle, Pid};
use rustix::fs::{Mode, OFlags, RawDir, SeekFrom};
use rustix::io::Errno;

use crate::lookup::{parse_number, raw};
use crate::node::{Node, Of, Part, inode};
use crate::proc::Status;
use crate::server::{Server, is_gone};
use crate::wire::{FileKind, Header, Listing, Reply};

/// Offsets from here on are those of `/proc`, after the entries that are always there.
const FROM_PROC: u64 = 16;
/// What an entry without a known inode number shows, as in other FUSE filesystems.
const UNKNOWN_INODE: u64 = 0xffff_ffff;

impl Server {
    /// Lists as much of a directory as there is room for, from `offset` on.
    pub(crate) fn list(
        &self,
        header: &Header,
        node: Node,
        offset: u64,
        size: u32,
    ) -> Result<Reply, Errno> {
        let mut listing = Listing::new(size);
        let fixed = self.fixed_entries(header, node)?;
        let mut next = 0;
        for (name, inode, kind) in fixed {
            next += 1;
            if next > offset && !listing.add(inode, kind, name, next) {
                return Ok(listing.into_reply());
            }
        }
        match node {
            Node::Root => self.list_processes(header, &mut listing, offset)?,
            Node::Part(key, Part::Tasks) => {
                let number = self.state().entries.get(key).map(|entry| entry.number);
                list_threads(&mut listing, number.ok_or(Errno::NOENT)?, offset)?;
            }
            _ => {}
        }
        Ok(listing.into_reply())
    }

    /// The entries that a directory has whatever goes on.
    fn fixed_entries(
        &self,
        header: &Header,
        node: Node,
    ) -> Result<Vec<(&'static str, u64, FileKind)>, Errno> {
        let mut list = vec![
            (".", UNKNOWN_INODE, FileKind::Directory),
            ("..", UNKNOWN_INODE, FileKind::Directory),
        ];
        match node {
            Node::Root => {
                list.extend(Node::FIXED.map(|(name, node, kind)| (name, node.raw(), kind)));
            }
            Node::Part(key, part) => {
                let state = self.state();
                if self.is_hidden(&state, header, key) || is_gone(&state, key) {
                    return Err(Errno::NOENT);
                }
                let entry = state.entries.get(key).ok_or(Errno::NOENT)?;
                let parts: &[Part] = match (part, entry.of) {
                    (Part::Directory, Of::Process) => &Part::IN_PROCESS,
                    (Part::Directory, Of::Thread) => &[Part::Exithand],
                    _ => &[],
                };
                let there = |part: &&Part| **part != Part::Tasks || self.has_threads;
                list.extend(parts.iter().filter(there).map(|part| {
                    let inode = inode(&entry.token, entry.of, *part);
                    (part.name(), inode, part.kind())
                }));
            }
            _ => return Err(Errno::NOTDIR),
        }
        Ok(list)
    }

    fn list_processes(
        &self,
        header: &Header,
        listing: &mut Listing,
        offset: u64,
    ) -> Result<(), Errno> {
        let hides = self.hides(header);
        numbers_in("/proc", offset, |pid, next| {
            let hidden = || Status::read(raw(pid)).is_none_or(|it| it.uids[0] != header.uid);
            if hides && hidden() {
                return true;
            }
            let inode = match ExitHandle::open(pid) {
                Ok(handle) => inode(&handle.token(), Of::Process, Part::Directory),
                // Gone since.
                Err(error) if error.is_gone() => return true,
                Err(_) => UNKNOWN_INODE,
            };
            let name = pid.as_raw_nonzero().to_string();
            listing.add(inode, FileKind::Directory, &name, next)
        })
    }
}

fn list_threads(listing: &mut Listing, process: Pid, offset: u64) -> Result<(), Errno> {
    let path = format!("/proc/{}/task", process.as_raw_nonzero());
    numbers_in(&path, offset, |tid, next| {
        let name = tid.as_raw_nonzero().to_string();
        listing.add(UNKNOWN_INODE, FileKind::Directory, &name, next)
    })
}

/// Gives the numbers that a directory of `/proc` has from `offset` on to `take`, each with the
/// offset of the next, until that is full.
fn numbers_in(
    path: &str,
    offset: u64,
    mut take: impl FnMut(Pid, u64) -> bool,
) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    let from = SeekFrom::Start(offset.saturating_sub(FROM_PROC));
    rustix::fs::seek(&directory, from)?;
    let mut buffer = Vec::with_capacity(8192);
    let mut entries = RawDir::new(&directory, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let number = entry.file_name().to_str().ok().and_then(parse_number);
        if let Some(number) = number
            && !take(number, entry.next_entry_cookie().saturating_add(FROM_PROC))
        {
            break;
        }
    }
    Ok(())
}
