//! The configuration: a preset, and what a file changes of it.

mod check;
mod keys;
mod parse;
mod preset;
mod tuning;

use std::time::Duration;

pub use check::{ConfigError, Fault};
pub use keys::{KEYS, Key};
pub use preset::Preset;
pub use tuning::{Tuning, Unit};

use crate::level::Amount;
use crate::rule::Rules;

/// Everything that can be configured, checked as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The preset it began with.
    pub preset: Preset,
    /// What is taken over as it is, whatever the machine.
    pub tuning: Tuning,
    /// Where hooks are told.
    pub warn: Amount,
    /// Where programs are asked to end.
    pub soft: Amount,
    /// Where programs are killed.
    pub hard: Amount,
    /// Where victims in flight are waited for no more.
    pub floor: Amount,
    /// What a kill is to bring back at least.
    pub target: Amount,
    /// Stall of some tasks within the window that confirms low memory.
    pub psi_some: Duration,
    /// Stall of all tasks within the window that confirms low memory.
    pub psi_full: Duration,
    /// The window of both.
    pub psi_window: Duration,
    /// Lowest `oom_score_adj` of each class, the least important first.
    pub bands: Vec<i32>,
    /// Who is protected, avoided, preferred.
    pub rules: Rules,
    /// Cgroups whose own limits are watched.
    pub cgroups: Vec<String>,
    /// Programs told of what happens.
    pub hooks: Hooks,
    /// The file that metrics are written to.
    pub metrics: Option<String>,
}

/// Programs told of what happens, each with its arguments; an empty one is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Hooks {
    /// Run when memory gets low.
    pub warn: Vec<String>,
    /// Run when a victim was chosen; it is not waited for.
    pub before: Vec<String>,
    /// Run when a victim is gone.
    pub after: Vec<String>,
    /// How long each may run.
    pub timeout: Duration,
    /// Whether the desktop is told, through `notify-send`.
    pub desktop: bool,
}

impl Hooks {
    /// Says whether there is anybody to tell.
    pub fn is_empty(&self) -> bool {
        let Self {
            warn,
            before,
            after,
            timeout: _,
            desktop,
        } = self;
        warn.is_empty() && before.is_empty() && after.is_empty() && !desktop
    }
}

impl Config {
    /// Reads the text of a configuration file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, not only the first thing.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        parse::parse(text)
    }

    /// Finds what contradicts each other on a machine with so much memory.
    pub fn contradictions(&self, total_bytes: u64) -> Vec<Fault> {
        check::contradictions(self, total_bytes)
    }

    /// Returns the configuration of a preset.
    pub fn of(preset: Preset) -> Self {
        preset::config(preset)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::Server)
    }
}
