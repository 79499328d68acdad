//! What the `exithand` command is made of.

pub mod limits;
pub mod names;
