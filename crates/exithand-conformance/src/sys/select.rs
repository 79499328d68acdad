//! `select(2)`.

use std::os::fd::{AsFd, AsRawFd};

use rustix::event::{FdSetElement, Timespec, fd_set_insert, fd_set_num_elements, select};
use rustix::io::Errno;

/// Blocks in `select` until the file can be read; whether it can, which it cannot if time ran out.
pub(crate) fn select_readable(file: impl AsFd, timeout: &Timespec) -> Result<bool, Errno> {
    let descriptor = file.as_fd().as_raw_fd();
    let bound = descriptor + 1;
    let mut set = vec![FdSetElement::default(); fd_set_num_elements(1, bound)];
    fd_set_insert(&mut set, descriptor);
    // SAFETY: the set has room for all descriptors below `bound`, and the one in it is open.
    let ready = unsafe { select(bound, Some(&mut set), None, None, Some(timeout))? };
    Ok(ready > 0)
}
