//! What can be wrong with a configuration.

use std::fmt;
use std::time::Duration;

use super::Config;
use crate::rule::Action;

/// One thing that is wrong: where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(pub String);

/// Everything that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub Vec<Fault>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Fault(text)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{text}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Finds what contradicts each other on a machine with `total_bytes` of memory.
pub(super) fn contradictions(config: &Config, total_bytes: u64) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |text: String| faults.push(Fault(text));
    let bytes = |amount: crate::level::Amount| amount.of(total_bytes);
    let steps = [
        ("floor", config.floor),
        ("hard", config.hard),
        ("soft", config.soft),
        ("warn", config.warn),
    ];
    for pair in steps.windows(2) {
        let [(low, less), (high, more)] = [pair[0], pair[1]];
        if bytes(less) > bytes(more) {
            fault(format!(
                "levels.{low} ({less}) is above levels.{high} ({more}): make it smaller"
            ));
        }
    }
    if bytes(config.target) < bytes(config.hard) {
        let (target, hard) = (config.target, config.hard);
        fault(format!(
            "levels.target ({target}) is below levels.hard ({hard}): a kill would bring back too \
             little to stop there"
        ));
    }
    if bytes(config.hard) == 0 {
        fault("levels.hard is 0: nothing would ever be killed".to_owned());
    }
    if config.psi_some > config.psi_window || config.psi_full > config.psi_window {
        fault("psi.some and psi.full lie within psi.window: make it longer".to_owned());
    }
    let window = config.psi_window;
    if !(Duration::from_millis(500)..=Duration::from_secs(10)).contains(&window) {
        fault(format!(
            "psi.window is {window:?}: the kernel takes 500ms to 10s"
        ));
    }
    for (name, value) in [("some", config.psi_some), ("full", config.psi_full)] {
        if value.is_zero() {
            fault(format!("psi.{name} is 0: everything would be pressure"));
        }
    }
    for (name, value, most) in [
        (
            "max-in-flight",
            config.tuning.max_in_flight,
            crate::ledger::ROOM,
        ),
        (
            "max-per-minute",
            config.tuning.max_per_minute,
            crate::limit::ROOM,
        ),
    ] {
        if !(1..=most).contains(&value) {
            fault(format!("kill.{name} is {value}: it can be 1 to {most}"));
        }
    }
    if config.tuning.rate_bytes < 1 << 20 {
        fault("kill.rate is below 1M a second: victims would be waited for for hours".to_owned());
    }
    if config.bands.len() > crate::policy::MAX_BANDS {
        let most = crate::policy::MAX_BANDS;
        fault(format!("victim.bands has more than {most} entries"));
    }
    if config.bands.windows(2).any(|pair| pair[0] <= pair[1]) {
        fault("victim.bands must fall: the least important class comes first".to_owned());
    }
    faults.extend(config.rules.0.iter().enumerate().filter_map(rule_fault));
    faults
}

fn rule_fault((index, rule): (usize, &crate::rule::Rule)) -> Option<Fault> {
    let number = index + 1;
    if rule.matcher.is_empty() {
        let text =
            format!("rule {number} says not whom it means: give it a name, unit or the like");
        return Some(Fault(text));
    }
    let everything = rule.matcher.matches_everything();
    (everything && rule.action == Action::Protect).then(|| {
        let text = format!("rule {number} protects everything, so nothing would ever be killed");
        Fault(text)
    })
}
