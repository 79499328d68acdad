//! `truncate(2)`, which rustix lacks.

use std::ffi::{CString, c_char, c_int};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;

unsafe extern "C" {
    fn truncate64(path: *const c_char, length: i64) -> c_int;
}

/// Sets the size of the file at `path`.
pub(crate) fn truncate(path: &Path, length: i64) -> Result<(), Errno> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_zero_byte| Errno::INVAL)?;
    // SAFETY: `path` is a C string that outlives the call.
    if unsafe { truncate64(path.as_ptr(), length) } == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO))
}
