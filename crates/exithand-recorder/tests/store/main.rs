//! The store, against what was put into it.

#![expect(
    clippy::unwrap_used,
    reason = "what tests share stands outside of test functions"
)]

mod crash;
mod damage;
mod disk;
mod filters;
mod gaps;
mod reading;
mod retention;
mod shell;
mod support;
mod versions;
