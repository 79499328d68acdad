//! The `exithand` command, by its own name and by those it stands in for.

use std::env;
use std::process::ExitCode;

use exithand_cli::{app, names};

fn main() -> ExitCode {
    names::dispatch_or(|| {
        let args: Vec<_> = env::args_os().collect();
        app::run(&args).into()
    })
}
