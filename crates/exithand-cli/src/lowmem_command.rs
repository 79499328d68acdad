//! `exithand lowmem`.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use exithand_lowmem::config::{Config, Preset};
use exithand_lowmem::daemon::Format;
use exithand_lowmem::record::Mode;

use self::daemon::{Order, Source};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

pub mod daemon;
mod explain;
mod trace;

/// Kill one process when memory runs out, and the next only once that one is really gone
///
/// Runs in the foreground until SIGTERM or SIGINT; SIGHUP reads the configuration again. Root watches
/// over all processes, others over their own. Decides by the memory that is available and the memory
/// that victims in flight still owe.
#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub struct Args {
    /// Read this configuration instead of /etc/exithand/lowmem.toml (of a user: ~/.config/exithand)
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// Begin with the defaults for: server, desktop, ci or android-like
    #[arg(long, value_name = "KIND", conflicts_with = "config", global = true)]
    preset: Option<Preset>,

    /// Say whether the configuration is right, and do nothing
    #[arg(long, conflicts_with_all = ["explain", "dry_run"])]
    check_config: bool,

    /// Say how memory stands, who would be killed first and why, and do nothing
    #[arg(long, conflicts_with = "dry_run")]
    explain: bool,

    /// Decide as always, and kill nobody
    #[arg(long)]
    dry_run: bool,

    /// Print one JSON object a line
    #[arg(long, global = true)]
    json: bool,

    /// Be the helper that runs hooks.
    #[arg(long, hide = true)]
    hook_helper: bool,

    #[command(subcommand)]
    command: Option<Sub>,
}

/// What to do instead of watching.
#[derive(Debug, clap::Subcommand)]
enum Sub {
    /// Print snapshots of memory and processes, one JSON object a line
    Trace(trace::TraceArgs),
    /// Say who would have been killed, by snapshots that `trace` has printed
    Simulate(trace::SimulateArgs),
}

/// Watches, or says what it would do.
///
/// # Errors
///
/// The configuration is wrong, or something that is needed is missing. Nothing is killed then.
pub fn run(args: &Args, out: impl Write) -> Result<ExitCode, Failure> {
    if args.hook_helper {
        daemon::help()?;
        return Ok(ExitCode::Success);
    }
    let source = Source::of(args)?;
    let config = source
        .read()
        .map_err(|error| Failure::Usage(anyhow!(error)))?;
    match &args.command {
        Some(Sub::Trace(trace)) => return trace::trace(trace, &config, out),
        Some(Sub::Simulate(simulate)) => return trace::simulate(simulate, &config, out),
        None => {}
    }
    if args.check_config {
        return check(&source, &config, out);
    }
    if args.explain {
        return explain::explain(&config, args.json, out);
    }
    let order = Order {
        source,
        mode: if args.dry_run {
            Mode::DryRun
        } else {
            Mode::Live
        },
        format: if args.json {
            Format::Json
        } else {
            Format::Text
        },
    };
    order.carry_out(&config)?;
    Ok(ExitCode::Success)
}

impl Source {
    fn of(args: &Args) -> Result<Self, Failure> {
        if let Some(preset) = args.preset {
            return Ok(Self::Preset(preset));
        }
        if let Some(named) = &args.config {
            // It is read again later, when the working directory may be another.
            return Ok(Self::File(std::path::absolute(named)?));
        }
        let default = default_path().filter(|path| path.exists());
        Ok(default.map_or(Self::Preset(Preset::Server), Self::File))
    }
}

fn default_path() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/etc/exithand/lowmem.toml"));
    }
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let home = set("HOME").map(|home| Path::new(&home).join(".config"));
    let base = set("XDG_CONFIG_HOME").map(PathBuf::from).or(home)?;
    Some(base.join("exithand/lowmem.toml"))
}

fn check(source: &Source, config: &Config, mut out: impl Write) -> Result<ExitCode, Failure> {
    let what = match source {
        Source::File(path) => path.display().to_string(),
        Source::Preset(preset) => format!("the preset {preset}"),
    };
    let (rules, preset) = (config.rules.0.len(), config.preset);
    writeln!(out, "{what} is right: preset {preset}, {rules} rules")?;
    out.flush()?;
    Ok(ExitCode::Success)
}
