//! From `argv` to an exit code.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};

use anyhow::anyhow;
use clap::Parser;

use crate::cli::{Cli, Command};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::{
    completions, doctor, history, id, install_names, kill_command, lowmem_command, mount_command,
    record_command, stats, sys, wait, watch, why,
};

/// Runs `exithand` with `args`, the name it was called by first.
pub fn run(args: &[OsString]) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    subcommand(&cli.command).unwrap_or_else(|failure| {
        anstream::eprintln!("exithand: {failure}");
        failure.code()
    })
}

/// Prints what clap has to say: help and version are no errors.
fn usage(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    match (error.use_stderr(), printed) {
        (true, _) => ExitCode::Usage,
        (false, Ok(())) => ExitCode::Success,
        (false, Err(_)) => ExitCode::Failed,
    }
}

fn subcommand(command: &Command) -> Result<ExitCode, Failure> {
    let out = stdout(command)?;
    match command {
        Command::Wait(args) => wait::run(args, out),
        Command::Kill(args) => kill_command::run(args, out),
        Command::Id(args) => id::run(args, out),
        Command::Why(args) => why::run(args, out),
        Command::History(args) => history::run(args, out),
        Command::Watch(args) => watch::run(args, out),
        Command::Stats(args) => stats::run(args, out),
        Command::Mount(args) => mount_command::mount(args, out),
        Command::Umount(args) => mount_command::umount(args),
        Command::Record(args) => record_command::run(args, out),
        Command::Lowmem(args) => lowmem_command::run(args, out),
        Command::Doctor(args) => doctor::run(args, out),
        Command::InstallNames(args) => install_names::run(args, out),
        Command::Completions(args) => completions::run(args, out),
    }
}

/// Opens standard output for results, with colours where they are seen.
fn stdout(command: &Command) -> Result<impl Write, Failure> {
    if sys::stdout_was_closed() && !command.is_quiet() {
        let advice = "standard output is closed, and the results would be lost: open it";
        return Err(Failure::Failed(anyhow!(advice)));
    }
    Ok(BufWriter::new(anstream::AutoStream::auto(io::stdout())))
}
