//! Calls that take more than safe Rust. The only `unsafe` of the suite.
#![expect(unsafe_code, reason = "raw system calls, descriptor sets and rings")]

mod clone;
mod select;
mod truncate;
mod uring;

pub(crate) use clone::fork_with_pid;
pub(crate) use select::select_readable;
pub(crate) use truncate::truncate;
pub(crate) use uring::{Done, Ring};
