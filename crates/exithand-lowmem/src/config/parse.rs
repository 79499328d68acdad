//! From TOML to a configuration.

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use toml::{Table, Value};

use super::check::{ConfigError, Fault, contradictions};
use super::keys::{KEYS, near};
use super::{Config, Preset, Unit};
use crate::level::{Amount, size};
use crate::rule::{Action, Matcher, Rule};

/// The file, as it is written. What is absent stays as the preset has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct File {
    preset: Option<Preset>,
    unit: Option<Unit>,
    levels: LevelsTable,
    swap: SwapTable,
    psi: PsiTable,
    thrashing: ThrashingTable,
    kill: KillTable,
    restart_loop: LoopTable,
    victim: VictimTable,
    cgroup: Vec<CgroupTable>,
    rule: Vec<RuleTable>,
    hook: HookTable,
    notify: NotifyTable,
    metrics: MetricsTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LevelsTable {
    warn: Option<Parsed<Amount>>,
    soft: Option<Parsed<Amount>>,
    hard: Option<Parsed<Amount>>,
    floor: Option<Parsed<Amount>>,
    target: Option<Parsed<Amount>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SwapTable {
    low: Option<Parsed<Amount>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PsiTable {
    some: Option<Parsed<Time>>,
    full: Option<Parsed<Time>>,
    window: Option<Parsed<Time>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ThrashingTable {
    percent: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct KillTable {
    grace: Option<Parsed<Time>>,
    max_in_flight: Option<usize>,
    max_per_minute: Option<usize>,
    min_victim: Option<Parsed<Bytes>>,
    base_deadline: Option<Parsed<Time>>,
    rate: Option<Parsed<Bytes>>,
    horizon: Option<Parsed<Time>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LoopTable {
    kills: Option<usize>,
    within: Option<Parsed<Time>>,
    backoff: Option<Parsed<Time>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct VictimTable {
    bands: Option<Vec<i32>>,
}

#[derive(Debug, Deserialize)]
struct CgroupTable {
    path: String,
}

#[derive(Debug, Deserialize)]
struct RuleTable {
    name: Option<String>,
    exe: Option<String>,
    command: Option<String>,
    user: Option<Parsed<User>>,
    unit: Option<String>,
    cgroup: Option<String>,
    container: Option<String>,
    action: Action,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HookTable {
    warn: Option<Vec<String>>,
    before: Option<Vec<String>>,
    after: Option<Vec<String>>,
    timeout: Option<Parsed<Time>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NotifyTable {
    desktop: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MetricsTable {
    file: Option<String>,
}

/// A value written as text, or as a bare number.
#[derive(Debug, Clone, Copy)]
struct Parsed<T>(T);

impl<'de, T: FromStr<Err: std::fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Number(u64),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::Number(number) => number.to_string(),
        };
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

/// A duration, as `500ms`, `10s` or `2m`.
#[derive(Debug, Clone, Copy)]
struct Time(Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let unit = UNITS
            .iter()
            .find(|(unit, _)| *unit == &text[digits.len()..]);
        let number = digits.parse::<u64>().ok();
        let millis = unit
            .zip(number)
            .and_then(|((_, unit), it)| it.checked_mul(*unit));
        let time = millis.map(|millis| Self(Duration::from_millis(millis)));
        time.ok_or_else(|| {
            format!("{text:?} is no duration: write for example \"500ms\" or \"10s\"")
        })
    }
}

/// A size, as `512M`.
#[derive(Debug, Clone, Copy)]
struct Bytes(u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = size(text).map(Self);
        bytes.ok_or_else(|| format!("{text:?} is no size: write for example \"512M\""))
    }
}

/// A user, by number or by the name in `/etc/passwd`.
#[derive(Debug, Clone, Copy)]
struct User(u32);

impl FromStr for User {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(uid) = text.parse() {
            return Ok(Self(uid));
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let uid = passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == text).then(|| fields.nth(1)?.parse().ok())?
        });
        uid.map(Self)
            .ok_or_else(|| format!("no user {text:?} in /etc/passwd: give the number"))
    }
}

/// Reads, overlays and checks a file.
pub(super) fn parse(text: &str) -> Result<Config, ConfigError> {
    let one = |text: String| ConfigError(vec![Fault(text)]);
    let table: Table = text.parse().map_err(|error| one(toml_fault(&error)))?;
    let unknown = unknown_keys(&table);
    if !unknown.is_empty() {
        return Err(ConfigError(unknown));
    }
    let file: File = toml::from_str(text).map_err(|error| one(toml_fault(&error)))?;
    let config = overlay(file);
    // The machine's size is not known here; what holds for 16 GiB is what is meant.
    let faults = contradictions(&config, 16 << 30);
    if faults.is_empty() {
        Ok(config)
    } else {
        Err(ConfigError(faults))
    }
}

/// Says on one line what toml says on several.
fn toml_fault(error: &toml::de::Error) -> String {
    let text = error.to_string();
    let place = text.lines().next().unwrap_or_default();
    let place = place.strip_prefix("TOML parse error ").unwrap_or("in it");
    format!("{place}: {}", error.message())
}

/// Finds the keys nobody knows, and what they were meant to be.
fn unknown_keys(file: &Table) -> Vec<Fault> {
    let mut faults = Vec::new();
    let tables = || KEYS.iter().map(|key| key.table).filter(|it| !it.is_empty());
    let in_table = |table: &'static str| {
        KEYS.iter()
            .filter(move |key| key.table == table)
            .map(|key| key.name)
    };
    for (name, value) in file {
        let Some(table) = tables().find(|table| table == name) else {
            if !in_table("").any(|key| key == name) {
                faults.push(unknown("", name, in_table("").chain(tables())));
            }
            continue;
        };
        let inner = match value {
            Value::Table(inner) => vec![inner],
            Value::Array(many) => many.iter().filter_map(Value::as_table).collect(),
            _ => {
                let text = format!("{table} is a table: write [{table}], and its keys below");
                faults.push(Fault(text));
                Vec::new()
            }
        };
        for key in inner.into_iter().flat_map(Table::keys) {
            if !in_table(table).any(|known| known == key) {
                faults.push(unknown(table, key, in_table(table)));
            }
        }
    }
    faults
}

fn unknown(table: &str, key: &str, known: impl Iterator<Item = &'static str>) -> Fault {
    let place = if table.is_empty() {
        String::new()
    } else {
        format!("{table}.")
    };
    let advice = near(key, known).map_or_else(
        || "see exithand-lowmem.toml(5)".to_owned(),
        |near| format!("did you mean {place}{near}?"),
    );
    Fault(format!("unknown key {place}{key}: {advice}"))
}

/// Puts what the file says over the preset.
fn overlay(file: File) -> Config {
    /// Sets a field to what was written, if anything was.
    fn set<T, U>(field: &mut T, written: Option<U>, value: impl Fn(U) -> T) {
        if let Some(written) = written {
            *field = value(written);
        }
    }
    let amount = |Parsed(amount): Parsed<Amount>| amount;
    let time = |Parsed(Time(time)): Parsed<Time>| time;
    let bytes = |Parsed(Bytes(bytes)): Parsed<Bytes>| bytes;
    let mut config = Config::of(file.preset.unwrap_or(Preset::Server));
    set(&mut config.warn, file.levels.warn, amount);
    set(&mut config.soft, file.levels.soft, amount);
    set(&mut config.hard, file.levels.hard, amount);
    set(&mut config.floor, file.levels.floor, amount);
    set(&mut config.target, file.levels.target, amount);
    set(&mut config.psi_some, file.psi.some, time);
    set(&mut config.psi_full, file.psi.full, time);
    set(&mut config.psi_window, file.psi.window, time);
    let tuning = &mut config.tuning;
    set(&mut tuning.unit, file.unit, |it| it);
    set(&mut tuning.swap_low, file.swap.low, amount);
    set(
        &mut tuning.thrashing_percent,
        file.thrashing.percent,
        |it| it,
    );
    set(&mut tuning.grace, file.kill.grace, time);
    set(&mut tuning.max_in_flight, file.kill.max_in_flight, |it| it);
    set(&mut tuning.max_per_minute, file.kill.max_per_minute, |it| {
        it
    });
    set(&mut tuning.min_victim_bytes, file.kill.min_victim, bytes);
    set(&mut tuning.base_deadline, file.kill.base_deadline, time);
    set(&mut tuning.rate_bytes, file.kill.rate, bytes);
    set(&mut tuning.horizon, file.kill.horizon, time);
    set(&mut tuning.loop_kills, file.restart_loop.kills, |it| it);
    set(&mut tuning.loop_within, file.restart_loop.within, time);
    set(&mut tuning.loop_backoff, file.restart_loop.backoff, time);
    set(&mut config.bands, file.victim.bands, |it| it);
    set(&mut config.hooks.warn, file.hook.warn, |it| it);
    set(&mut config.hooks.before, file.hook.before, |it| it);
    set(&mut config.hooks.after, file.hook.after, |it| it);
    set(&mut config.hooks.timeout, file.hook.timeout, time);
    set(&mut config.hooks.desktop, file.notify.desktop, |it| it);
    set(&mut config.metrics, file.metrics.file, Some);
    config.cgroups = file.cgroup.into_iter().map(|it| it.path).collect();
    config.rules.0 = file.rule.into_iter().map(rule).collect();
    config
}

fn rule(table: RuleTable) -> Rule {
    let matcher = Matcher {
        name: table.name,
        exe: table.exe,
        command: table.command,
        uid: table.user.map(|Parsed(User(uid))| uid),
        unit: table.unit,
        cgroup: table.cgroup,
        container: table.container,
    };
    Rule {
        matcher,
        action: table.action,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_whole_file() {
        let config = Config::parse(
            r#"
            preset = "desktop"
            [levels]
            hard = "3% or 700M"
            [kill]
            grace = "10s"
            max-per-minute = 5
            min-victim = "4M"
            [[rule]]
            name = "sshd"
            action = "protect"
            [[rule]]
            unit = "build-*.service"
            user = "root"
            action = "as-unit"
            [hook]
            warn = ["wall", "low"]
            "#,
        )
        .unwrap();
        assert_eq!(config.preset, Preset::Desktop);
        assert_eq!(config.hard, Amount::share(30, 700));
        assert_eq!(config.tuning.grace, Duration::from_secs(10));
        assert_eq!(
            (config.tuning.max_per_minute, config.tuning.min_victim_bytes),
            (5, 4 << 20)
        );
        assert_eq!(config.rules.0.len(), 2);
        assert_eq!(config.rules.0[1].matcher.uid, Some(0));
        assert_eq!(config.hooks.warn, ["wall", "low"]);
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn says_what_is_wrong_and_what_was_meant() {
        for (text, words) in [
            ("[levels]\nflor = \"1%\"", "did you mean levels.floor?"),
            ("[level]\nhard = \"1%\"", "did you mean levels?"),
            (
                "[kill]\nmax_per_minute = 1",
                "did you mean kill.max-per-minute?",
            ),
            ("colour = 1", "unknown key colour"),
            ("[levels]\nhard = \"4 percent\"", "no amount of memory"),
            (
                "[levels]\nhard = \"9%\"",
                "levels.hard (9%) is above levels.soft (8% or 2G)",
            ),
            (
                "[levels]\nfloor = \"5%\"",
                "levels.floor (5%) is above levels.hard",
            ),
            (
                "[levels]\ntarget = \"1%\"",
                "levels.target (1%) is below levels.hard",
            ),
            (
                "[[rule]]\nname = \"*\"\naction = \"protect\"",
                "rule 1 protects everything",
            ),
            (
                "[[rule]]\naction = \"avoid\"",
                "rule 1 says not whom it means",
            ),
            ("[[rule]]\nname = \"a\"\naction = \"spare\"", "spare"),
            (
                "[[rule]]\nuser = \"no-such-user\"\naction = \"avoid\"",
                "no user",
            ),
            ("[psi]\nwindow = \"100ms\"", "500ms to 10s"),
            ("[psi]\nsome = \"5s\"", "lie within psi.window"),
            ("[kill]\ngrace = \"soon\"", "no duration"),
            ("[kill]\nmax-in-flight = 0", "kill.max-in-flight is 0"),
            ("[victim]\nbands = [0, 500]", "must fall"),
            ("preset = \"laptop\"", "laptop"),
            ("levels = 4", "write [levels]"),
            ("[levels\n", "line 1"),
        ] {
            let error = Config::parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text:?}: {error}");
            assert!(!error.contains('\n'), "{text:?}: {error}");
        }
    }

    #[test]
    fn tells_all_unknown_keys_at_once() {
        let error = Config::parse("[kill]\na = 1\nb = 2\n").unwrap_err();
        assert_eq!(error.0.len(), 2, "{error}");
    }

    #[test]
    fn every_default_in_the_table_is_that_of_the_server() {
        for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
            let bare = key.default.parse::<u64>().is_ok()
                || key.default.starts_with('[')
                || key.default == "false";
            let value = if bare {
                key.default.to_owned()
            } else {
                format!("\"{}\"", key.default)
            };
            let head = if key.table.is_empty() {
                String::new()
            } else {
                format!("[{}]\n", key.table)
            };
            let text = format!("{head}{} = {value}\n", key.name);
            let config = Config::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(config, Config::default(), "{text}");
        }
    }
}
