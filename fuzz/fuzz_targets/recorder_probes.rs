//! No record in the probes' ring, and no description of a kernel's types, brings the recorder down.
//!
//! Raw bytes seldom say their own length, so they are also tried as the body of each kind of record.
#![no_main]

use std::hint::black_box;

use exithand_recorder::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    black_box(fuzz::ring(data));
    black_box(fuzz::kernel_types(data, "sched_process_exit"));
    let Some((flags, body)) = data.split_first_chunk::<2>() else {
        return;
    };
    for kind in [1_u16, 2] {
        let length = u32::try_from(body.len() + 8).unwrap_or(u32::MAX);
        let mut record = kind.to_ne_bytes().to_vec();
        record.extend(flags);
        record.extend(length.to_ne_bytes());
        record.extend(body);
        black_box(fuzz::ring(&record));
    }
});
