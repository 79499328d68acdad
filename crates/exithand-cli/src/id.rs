//! `exithand id`.

use std::io::Write;

use exithand::BootId;

use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output::{Format, Reporter, Standing};
use crate::target::{Label, Target, TargetArgs};

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

/// Prints one token a target to `out`, in the order given.
///
/// # Errors
///
/// A missing failure for a target that does not exist, unless `--missing ok`.
pub fn run(args: &Args, mut out: impl Write) -> Result<ExitCode, Failure> {
    let opened = args.targets.open()?;
    let boot = args.boot.then(BootId::current).transpose()?;
    let named = opened.targets.into_iter().map(|Target { label, handle }| {
        let token = boot.map_or(label.token, |boot| label.token.of_boot(boot));
        (Label { token, ..label }, handle)
    });
    if args.json {
        let mut reporter = Reporter::new(&mut out, Format::Json, std::iter::empty());
        for (label, handle) in named {
            reporter.target(&label, Standing::Is(handle.state()?))?;
        }
        for absent in &opened.absent {
            reporter.absent(absent)?;
        }
    } else {
        for (label, _) in named {
            writeln!(out, "{}", label.token)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::Success)
}
