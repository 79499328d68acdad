//! `exithand completions`.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Print the completion script for a shell
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script to `out`.
///
/// # Errors
///
/// The writer's.
pub fn run(args: &Args, mut out: impl Write) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "exithand", &mut script);
    out.write_all(&script)?;
    out.flush()?;
    Ok(ExitCode::Success)
}
