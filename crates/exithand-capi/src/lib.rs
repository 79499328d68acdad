//! `libexithand`: exit handles for C. The manual begins with `libexithand(3)`; the header is
//! `exithand.h`, made from this crate by `cargo xtask header`.
//!
//! # A handle is a descriptor
//!
//! C has no owners, so whatever a library hands out will be closed twice, used after it was closed,
//! inherited by a fork and shared by threads. A pointer cannot be told from a dangling one, and a
//! table of valid handles would be state that a fork copies while it is locked. A pidfd is already
//! what is wanted: the kernel keeps the table, judges each number, counts the users, and every poll
//! loop takes it. So this library keeps nothing: each call asks the kernel what the number stands for.
//! A wait set is an epoll instance in the same way.
//!
//! What it costs: four calls of a fraction of a microsecond each before a wait, one after it to see
//! that the handle is still the same, and that an outcome is asked for anew each time.
//!
//! # Panics
//!
//! Every function runs in a frame (`guard.rs`) that turns a panic into `-ENOTRECOVERABLE`. That needs
//! a build that unwinds, so the release profile of the command will not do.

#![expect(
    clippy::doc_markdown,
    clippy::missing_safety_doc,
    reason = "the docs are those of the header, for those who write C"
)]

#[cfg(not(panic = "unwind"))]
compile_error!("a panic would take the C program down: build with `--profile library`");

mod boundary;
mod guard;
pub mod handle;
pub mod outcome;
pub mod probe;
pub mod set;
pub mod signal;
pub mod token;
pub mod wait;
