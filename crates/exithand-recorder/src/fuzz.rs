//! The decoders of bytes from outside, open to the fuzzer. Nothing to build upon.
//!
//! Each reads the bytes as the recorder does and says what is in them; none may panic, whatever they
//! are.

use crate::json::Line;
use crate::wire::{Reply, Request};

/// A record of the probes' ring.
pub fn ring(bytes: &[u8]) -> String {
    crate::bpf::describe(bytes)
}

/// A message of the process connector.
pub fn connector(bytes: &[u8]) -> String {
    crate::connector::describe(bytes)
}

/// A message of task statistics, or of the family that names them.
pub fn taskstats(bytes: &[u8]) -> String {
    crate::taskstats::describe(bytes)
}

/// A tracepoint of this name, in what a kernel says of its types.
pub fn kernel_types(bytes: &[u8], tracepoint: &str) -> String {
    crate::bpf::describe_types(bytes, tracepoint)
}

/// A line that a client sends.
pub fn request(line: &[u8]) -> String {
    match serde_json::from_slice::<Request>(line) {
        // What was understood is understood again as it is written.
        Ok(request) => serde_json::to_string(&request).unwrap_or_default(),
        Err(error) => error.to_string(),
    }
}

/// A line that a recorder sends.
pub fn reply(line: &[u8]) -> String {
    let told = match serde_json::from_slice::<Reply>(line) {
        Ok(Reply::Line(Line::Record(line))) => format!("{:?}", line.to_record()),
        Ok(Reply::Line(Line::Gap(line))) => format!("{:?}", line.to_gap()),
        Ok(Reply::Tally(line)) => format!("{:?}", line.to_tally()),
        Ok(other) => serde_json::to_string(&other).unwrap_or_default(),
        Err(error) => error.to_string(),
    };
    // Somebody who reads the socket may be asked anything about any token.
    let token = str::from_utf8(line).map(|text| format!("{:?}", crate::wire::parse_token(text)));
    format!("{told} {token:?}")
}
