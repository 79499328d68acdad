//! `exithand record` with processes whose ends are known, asked over its socket.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

#[path = "../common/mod.rs"]
mod common;
mod failures;
mod machine;
mod outcomes;
mod recorder;
mod stream;
mod unrecorded;
mod users;
