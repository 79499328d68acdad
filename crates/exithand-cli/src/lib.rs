//! The parts of the `exithand` command that are worth testing on their own.

pub mod kill;
