//! No message on the recorder's netlink sockets, real or not, brings it down.
//!
//! Raw bytes seldom begin as a message of the process connector does, so they are also tried as the
//! rest of one.
#![no_main]

use std::hint::black_box;

use exithand_recorder::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    black_box(fuzz::taskstats(data));
    black_box(fuzz::connector(data));
    let mut message = vec![0; 16];
    for word in [1_u32, 1, 0, 0, 40] {
        message.extend(word.to_ne_bytes());
    }
    message.extend(data);
    black_box(fuzz::connector(&message));
});
