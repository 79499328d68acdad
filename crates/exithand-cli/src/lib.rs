//! The parts of the `exithand` command that are worth testing on their own.

pub mod duration;
pub mod limits;
pub mod names;
pub mod select;
