//! `libexithand`: exit handles for C. The manual begins with `libexithand(3)`; the header is
//! `exithand.h`, made from this crate by `cargo xtask header`.
//!
//! # A handle is a descriptor
//!
//! C has no owners, so whatever a library hands out will be closed twice, used after it was closed,
//! inherited by a fork and shared by threads. A pointer cannot be told from a dangling one, and a
//! table of valid handles would be state that a fork copies while it is locked. A pidfd is already
//! what is wanted: the kernel keeps the table, judges each number, counts the users, and every poll
//! loop takes it. So this library keeps nothing. Each call takes a copy of the descriptor, asks what
//! it is, and closes the copy again; whoever closes the handle meanwhile cannot lead the call astray.
//! A wait set is an epoll instance in the same way.
//!
//! What it costs: a few calls of below a microsecond each before a wait, a descriptor during it, and
//! that an outcome is asked for anew each time.
//!
//! # Panics
//!
//! Every function runs in [`guard`](mod@guard), which turns a panic into `-ENOTRECOVERABLE`. That needs
//! a build that unwinds, so the release profile of the command will not do.

#[cfg(not(panic = "unwind"))]
compile_error!("a panic would take the C program down: build with `--profile library`");

mod boundary;
pub mod guard;
pub mod handle;
pub mod outcome;
pub mod probe;
pub mod set;
pub mod signal;
pub mod token;
pub mod wait;
