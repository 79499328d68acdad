//! No line of `/proc/PID/stat`, real or not, brings the parser down.
//!
//! The command name is the part a user controls: it may hold parentheses, spaces and newlines.
#![no_main]

use std::hint::black_box;

use libfuzzer_sys::fuzz_target;

/// What follows the command name: fields 3 to 52.
const FIELDS: &str = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 \
                      29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49";

fuzz_target!(|data: &[u8]| {
    black_box(exithand::fuzz::proc_stat(data));
    let line = [b"4242 (", data, b") ", FIELDS.as_bytes(), b"\n"].concat();
    black_box(exithand::fuzz::proc_stat(&line));
});
