//! An allocator that can be told to fail.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static FAILS: AtomicBool = AtomicBool::new(false);
static FAILED: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, until [`fail_allocations`].
#[derive(Debug, Clone, Copy)]
pub struct FailingAllocator;

/// Has every allocation fail from now on, where [`FailingAllocator`] is the global allocator.
pub fn fail_allocations() {
    FAILS.store(true, Ordering::SeqCst);
}

/// Lets allocations succeed again.
pub fn allow_allocations() {
    FAILS.store(false, Ordering::SeqCst);
}

/// Counts the allocations that failed.
pub fn failed_allocations() -> u64 {
    FAILED.load(Ordering::SeqCst)
}

// SAFETY: all is left to the system's allocator, or refused as the trait allows.
unsafe impl GlobalAlloc for FailingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if FAILS.load(Ordering::SeqCst) {
            FAILED.fetch_add(1, Ordering::SeqCst);
            return ptr::null_mut();
        }
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(start, layout) }
    }
}
