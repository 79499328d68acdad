//! The command line.

use clap::{Parser, Subcommand};

use crate::output::Format;

/// Wait for any process, without polling, and learn how it ended.
#[derive(Debug, Parser)]
#[command(
    name = "exithand",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 2 wrong usage, 124 timed out, 125 exithand failed, \
                  127 no such process. See exithand(1)."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "the doc comments of the Args are the help")]
pub enum Command {
    Wait(crate::wait::Args),
    Kill(crate::kill_command::Args),
    Id(crate::id::Args),
    Why(crate::why::Args),
    History(crate::history::Args),
    Watch(crate::watch::Args),
    Stats(crate::stats::Args),
    Mount(crate::mount_command::MountArgs),
    Umount(crate::mount_command::UmountArgs),
    Record(crate::record_command::Args),
    Lowmem(crate::lowmem_command::Args),
    Doctor(crate::doctor::Args),
    InstallNames(crate::install_names::Args),
    Completions(crate::completions::Args),
}

impl Command {
    /// Says whether the user wants no results printed.
    pub fn is_quiet(&self) -> bool {
        match self {
            Self::Wait(args) => args.end.format() == Format::Quiet,
            Self::Kill(args) => args.end.format() == Format::Quiet,
            _ => false,
        }
    }
}
