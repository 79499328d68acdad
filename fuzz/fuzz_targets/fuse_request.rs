//! No message on the line to the kernel, real or not, brings the server's parser down.
//!
//! Raw bytes seldom have a header that is whole, so they are also tried as the body of each kind of
//! request.
#![no_main]

use std::hint::black_box;

use libfuzzer_sys::fuzz_target;

const HEADER_BYTES: usize = 40;

fuzz_target!(|data: &[u8]| {
    black_box(exithand_fs::fuzz::request(data));
    let Some((kind, body)) = data.split_first() else {
        return;
    };
    let length = u32::try_from(HEADER_BYTES + body.len()).unwrap_or(u32::MAX);
    let mut request = vec![0; HEADER_BYTES];
    request[..4].copy_from_slice(&length.to_ne_bytes());
    request[4..8].copy_from_slice(&u32::from(*kind).to_ne_bytes());
    request.extend(body);
    black_box(exithand_fs::fuzz::request(&request));
});
