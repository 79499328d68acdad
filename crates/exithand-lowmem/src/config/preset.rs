//! Good defaults for kinds of machines.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Config, Hooks, Tuning, Unit};
use crate::level::Amount;
use crate::rule::Rules;

/// A kind of machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Services that run for long: late, and with time to tidy up.
    Server,
    /// People who wait: earlier, and sooner dead.
    Desktop,
    /// Jobs that can be run again: a whole cgroup at once.
    Ci,
    /// An application manager that says by `oom_score_adj` who is needed, as on Android.
    AndroidLike,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Server, Self::Desktop, Self::Ci, Self::AndroidLike];

    /// Returns its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Desktop => "desktop",
            Self::Ci => "ci",
            Self::AndroidLike => "android-like",
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The word is no preset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no preset {0:?}: there are server, desktop, ci and android-like")]
pub struct NoSuchPreset(String);

impl FromStr for Preset {
    type Err = NoSuchPreset;

    fn from_str(word: &str) -> Result<Self, NoSuchPreset> {
        let found = Self::ALL.into_iter().find(|it| it.word() == word);
        found.ok_or_else(|| NoSuchPreset(word.to_owned()))
    }
}

/// Returns the configuration of a preset.
pub(super) fn config(preset: Preset) -> Config {
    let server = server();
    match preset {
        Preset::Server => server,
        Preset::Desktop => Config {
            preset,
            warn: Amount::share(150, 2048),
            soft: Amount::share(100, 1024),
            hard: Amount::share(50, 512),
            floor: Amount::share(20, 256),
            target: Amount::share(150, 2048),
            psi_some: Duration::from_millis(100),
            psi_full: Duration::from_millis(50),
            tuning: Tuning {
                grace: Duration::from_secs(3),
                ..server.tuning
            },
            hooks: Hooks {
                desktop: true,
                ..server.hooks
            },
            ..server
        },
        Preset::Ci => Config {
            preset,
            tuning: Tuning {
                unit: Unit::Auto,
                grace: Duration::from_secs(1),
                max_per_minute: 60,
                ..server.tuning
            },
            ..server
        },
        Preset::AndroidLike => Config {
            preset,
            psi_some: Duration::from_millis(70),
            psi_full: Duration::from_millis(700),
            psi_window: Duration::from_secs(1),
            tuning: Tuning {
                thrashing_percent: 30,
                grace: Duration::ZERO,
                max_per_minute: 120,
                ..server.tuning
            },
            bands: vec![900, 800, 700, 600, 500, 400, 300, 200, 100, 0],
            ..server
        },
    }
}

fn server() -> Config {
    Config {
        preset: Preset::Server,
        tuning: Tuning {
            unit: Unit::Auto,
            swap_low: Amount::share(100, 1 << 20),
            thrashing_percent: 100,
            grace: Duration::from_secs(5),
            max_in_flight: 8,
            max_per_minute: 20,
            min_victim_bytes: 1 << 20,
            base_deadline: Duration::from_millis(200),
            rate_bytes: 2 << 30,
            horizon: Duration::from_secs(2),
            loop_kills: 3,
            loop_within: Duration::from_mins(2),
            loop_backoff: Duration::from_secs(10),
        },
        warn: Amount::share(120, 3072),
        soft: Amount::share(80, 2048),
        hard: Amount::share(40, 1024),
        floor: Amount::share(15, 256),
        target: Amount::share(120, 3072),
        psi_some: Duration::from_millis(200),
        psi_full: Duration::from_millis(100),
        psi_window: Duration::from_secs(2),
        bands: vec![500, 0],
        rules: Rules::default(),
        cgroups: Vec::new(),
        hooks: Hooks {
            timeout: Duration::from_secs(5),
            ..Hooks::default()
        },
        metrics: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check::contradictions;

    #[test]
    fn every_preset_has_a_name_and_is_sound() {
        for preset in Preset::ALL {
            assert_eq!(preset.word().parse(), Ok(preset));
            assert_eq!(config(preset).preset, preset);
            for total_gib in [1, 2, 16, 512] {
                let faults = contradictions(&config(preset), total_gib << 30);
                assert_eq!(faults, [], "{preset} with {total_gib} GiB");
            }
        }
        let error = "laptop".parse::<Preset>().unwrap_err();
        assert!(error.to_string().contains("desktop"));
    }
}
