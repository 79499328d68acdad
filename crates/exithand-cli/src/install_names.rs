//! `exithand install-names`.

use std::io::Write;
use std::path::PathBuf;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::names::install::{InTheWay, install};

/// Make links by which exithand stands in for waitpid, pwait, pidwait and getino
///
/// Called by one of those names, exithand takes the options of the tool, and gives its messages
/// and exit codes, without its bugs. See exithand-names(7).
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directory for the links, one that comes first in PATH
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Replace what has one of the names already
    #[arg(long)]
    force: bool,
}

/// Makes the links and prints them to `out`.
///
/// # Errors
///
/// Nothing is made if something is in the way, or the directory is missing or not writable.
pub fn run(args: &Args, mut out: impl Write) -> Result<ExitCode, Failure> {
    let in_the_way = if args.force {
        InTheWay::Replace
    } else {
        InTheWay::Refuse
    };
    let installed = install(&args.directory, in_the_way).map_err(anyhow::Error::from)?;
    for link in installed {
        writeln!(out, "{link}")?;
    }
    out.flush()?;
    Ok(ExitCode::Success)
}
