//! `exithand id`.

use std::io::Write;

use serde::Serialize;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::target::TargetArgs;

/// Print names that no later process can have
///
/// A pid is given to another process sooner or later; a token never is. Every subcommand takes
/// tokens where it takes pids.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Add the boot id, so that the token can be stored across reboots
    #[arg(long)]
    boot: bool,

    /// Print one JSON object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    targets: TargetArgs,
}

#[derive(Serialize)]
struct Record<'a> {
    v: u8,
    target: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    token: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    comm: &'a str,
    state: &'static str,
}

/// Prints one token a target to `out`, in the order given.
///
/// # Errors
///
/// A missing failure for a target that does not exist, unless `--missing ok`.
pub fn run(args: &Args, mut out: impl Write) -> Result<ExitCode, Failure> {
    for target in args.targets.open()?.targets {
        let token = target.label.token;
        let token = if args.boot {
            token.with_boot_id()?
        } else {
            token
        };
        if !args.json {
            writeln!(out, "{token}")?;
            continue;
        }
        let state = match target.handle.state()? {
            exithand::State::Alive => "alive",
            exithand::State::Ended => "ended",
            exithand::State::Reaped => "reaped",
        };
        let record = Record {
            v: 1,
            target: &target.label.word,
            pid: target.label.pid.map(|pid| pid.as_raw_nonzero().get()),
            token: token.to_string(),
            comm: &target.label.comm,
            state,
        };
        serde_json::to_writer(&mut out, &record).map_err(std::io::Error::from)?;
        writeln!(out)?;
    }
    out.flush()?;
    Ok(ExitCode::Success)
}
