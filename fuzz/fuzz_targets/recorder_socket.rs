//! No line on the recorder's socket brings either side down, and a request that is understood is
//! understood again as it is written.
#![no_main]

use std::hint::black_box;

use exithand_recorder::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    black_box(fuzz::reply(line));
    let once = fuzz::request(line);
    if once.starts_with('{') {
        assert_eq!(fuzz::request(once.as_bytes()), once);
    }
});
