//! What `wait` and `kill` have in common: which end is awaited, and who reads the results.

use std::path::PathBuf;
use std::time::Duration;

use exithand::Until;
use exithand_recorder::Client;

use crate::duration;
use crate::failure::Failure;
use crate::output::Format;
use crate::record::listening_socket;

/// The flags about the end of a process.
#[derive(Debug, clap::Args)]
pub struct EndArgs {
    /// The event to wait for: `ended` (a zombie counts) or `reaped` (the pid is free again)
    #[arg(long, value_name = "EVENT", default_value = "ended")]
    pub until: Until,

    /// How long to wait for the reap after the end, where only that tells how it ended
    #[arg(long, value_name = "DUR", value_parser = duration::parse, default_value = "100ms")]
    pub grace: Duration,

    /// Ask the recorder on this socket how those ended of whom the kernel does not tell it
    ///
    /// By default that on /run/exithand.sock or `$XDG_RUNTIME_DIR/exithand.sock`, if there is one.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,

    /// Print one JSON object a line
    #[arg(long, conflicts_with = "quiet")]
    json: bool,

    /// Print no results
    #[arg(short, long)]
    quiet: bool,
}

impl EndArgs {
    /// Returns the recorder to ask; `None` where there is none, and none was named.
    ///
    /// # Errors
    ///
    /// Where the one that was named cannot be reached.
    pub fn recorder(&self) -> Result<Option<Client>, Failure> {
        match &self.socket {
            Some(named) => {
                let client = Client::connect(named).map_err(anyhow::Error::from)?;
                Ok(Some(client))
            }
            None => Ok(listening_socket().map(|path| Client::at(&path))),
        }
    }

    /// Says who reads the results.
    pub fn format(&self) -> Format {
        match (self.json, self.quiet) {
            (true, _) => Format::Json,
            (_, true) => Format::Quiet,
            _ => Format::Text,
        }
    }
}
