//! The `exithand` command.
fn main() {}
