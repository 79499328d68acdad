//! The low-memory killer and nothing else: what `exithand lowmem` becomes.

use std::env;
use std::process::ExitCode;

use exithand_cli::exit_code;
use exithand_cli::lowmem_command::daemon;

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().skip(1).collect();
    match daemon::main(&args) {
        Ok(()) => exit_code::ExitCode::Success.into(),
        Err(error) => {
            daemon::complain(&format!("{error:#}"));
            exit_code::ExitCode::Failed.into()
        }
    }
}
