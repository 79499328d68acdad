//! What `wait` and `kill` have in common: which end is awaited, and who reads the results.

use std::time::Duration;

use exithand::Until;

use crate::duration;
use crate::output::Format;

/// The flags about the end of a process.
#[derive(Debug, clap::Args)]
pub struct EndArgs {
    /// The event to wait for: `ended` (a zombie counts) or `reaped` (the pid is free again)
    #[arg(long, value_name = "EVENT", default_value = "ended")]
    pub until: Until,

    /// How long to wait for the reap after the end, where only that tells how it ended
    #[arg(long, value_name = "DUR", value_parser = duration::parse, default_value = "100ms")]
    pub grace: Duration,

    /// Print one JSON object a line
    #[arg(long, conflicts_with = "quiet")]
    json: bool,

    /// Print no results
    #[arg(short, long)]
    quiet: bool,
}

impl EndArgs {
    /// Says who reads the results.
    pub fn format(&self) -> Format {
        match (self.json, self.quiet) {
            (true, _) => Format::Json,
            (_, true) => Format::Quiet,
            _ => Format::Text,
        }
    }
}
