//! The `exithand` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    exithand_cli::names::dispatch_or(|| ExitCode::from(2))
}
