//! The one frame around every function: errors become negative numbers, and so do panics.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

use exithand::Errno;

/// Runs `body` and gives what it returns in the form that C programs expect.
///
/// A panic is a bug here, and no reason to take the program down: `-ENOTRECOVERABLE`.
pub(crate) fn guard(body: impl FnOnce() -> Result<c_int, Errno>) -> c_int {
    // Nothing outlives the call, so nothing half-done is ever seen again.
    let result = catch_unwind(AssertUnwindSafe(body));
    match result.unwrap_or(Err(Errno::NOTRECOVERABLE)) {
        Ok(answer) => answer,
        Err(errno) => -errno.raw_os_error(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_number() {
        assert_eq!(guard(|| Ok(3)), 3);
        assert_eq!(guard(|| Err(Errno::SRCH)), -3);
        assert_eq!(guard(|| panic!("a bug, for this test")), -131);
    }
}
