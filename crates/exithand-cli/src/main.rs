//! The `exithand` command.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().collect();
    exithand_cli::app::run(&args).into()
}
