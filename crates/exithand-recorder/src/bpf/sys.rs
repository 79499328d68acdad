//! The one call of the C library that has no safe name.
#![expect(unsafe_code, reason = "a foreign function")]

unsafe extern "C" {
    fn malloc_trim(pad: usize) -> i32;
}

/// Gives memory that has been freed back to the kernel.
pub(super) fn give_back_memory() {
    // SAFETY: `malloc_trim` has no preconditions, and may be called from any thread.
    unsafe { malloc_trim(0) };
}
