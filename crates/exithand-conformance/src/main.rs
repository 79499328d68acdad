//! `exithand-conformance`: judges a directory of exithand files.

use std::process::ExitCode;

fn main() -> ExitCode {
    exithand_conformance::main()
}
