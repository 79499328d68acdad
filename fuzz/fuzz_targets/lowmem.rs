//! Nothing that the low-memory killer reads, of the kernel or of people, brings it down.
#![no_main]

use std::hint::black_box;

use exithand_lowmem::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    black_box(fuzz::files(data));
    black_box(fuzz::config(data));
    black_box(fuzz::trace(data));
});
