//! What is told: one record for each decision, one for each outcome, and notices.
//!
//! Records have a fixed size and are written into a fixed buffer, so that telling needs no memory.

use std::fmt;
use std::io::{self, Cursor, Write};
use std::time::Duration;

use serde::Serialize;

use crate::candidate::Candidate;
use crate::choose::SHOWN;
use crate::decide::{Means, Why};
use crate::level::Level;
use crate::{Name, Symbol};

/// What became of the attempt to release a victim's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Release {
    /// It was not tried: the program may want to tidy up.
    NotTried,
    /// All of it is back.
    Freed,
    /// A part is still held; it is tried again.
    Partly,
    /// The victim gave it up by itself.
    TooLate,
    /// Another process that is not dying holds it, too.
    Shared,
    /// The kernel cannot.
    Unsupported,
    /// We may not.
    Refused,
}

/// Whether victims really die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// They do.
    #[default]
    Live,
    /// It is only said who would.
    DryRun,
}

/// Who dies by one decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Together {
    /// One process.
    Process,
    /// All members of its cgroup.
    Cgroup,
    /// The first of its line and all descendants of the same name.
    Family,
    /// All that have its memory in common with it.
    Memory,
}

/// A decision that somebody dies.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Decision {
    /// A number for it; a whole cgroup is one decision.
    pub decision: u64,
    /// Why.
    pub why: Why,
    /// By which means.
    pub means: Means,
    /// Whether it is carried out.
    pub mode: Mode,
    /// Available memory.
    pub available_bytes: u64,
    /// What victims in flight owe.
    pub owed_bytes: u64,
    /// What has to come back.
    pub deficit_bytes: u64,
    /// What will be taken meanwhile.
    pub growth_bytes: u64,
    /// Free swap.
    pub swap_free_bytes: u64,
    /// Stall of some tasks within the window, in microseconds.
    pub some_us: u64,
    /// Stall of all tasks within the window, in microseconds.
    pub full_us: u64,
    /// Who dies with the victim.
    pub together: Together,
    /// How many processes die.
    pub victims: usize,
    /// The candidates, the victim first.
    #[serde(serialize_with = "present")]
    pub candidates: [Option<Candidate>; SHOWN],
}

fn present<S: serde::Serializer>(
    candidates: &[Option<Candidate>; SHOWN],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(candidates.iter().flatten())
}

/// What became of a victim.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Outcome {
    /// The decision it is the outcome of.
    pub decision: u64,
    /// Its pid.
    pub pid: u32,
    /// Its name.
    pub name: Name,
    /// What became of releasing its memory.
    pub release: Release,
    /// Milliseconds from the decision until its memory was back; `None` if it went by itself.
    pub released_ms: Option<u64>,
    /// Milliseconds from the decision until it was gone.
    pub gone_ms: u64,
    /// What was expected to come back.
    pub expected_bytes: u64,
    /// Available memory now, less that at the decision.
    pub gained_bytes: i64,
    /// Whether it was given up on before.
    pub late: bool,
}

/// A victim that does not die.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Stuck {
    /// Its pid.
    pub pid: u32,
    /// Its name.
    pub name: Name,
    /// Its state letter.
    pub state: char,
    /// Where in the kernel it sleeps.
    pub wchan: Symbol,
    /// Milliseconds since it was signalled.
    pub waited_ms: u64,
}

/// Memory has reached another level.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct LevelChange {
    /// The level.
    pub level: Level,
    /// Available memory.
    pub available_bytes: u64,
    /// Free swap.
    pub swap_free_bytes: u64,
}

/// What is told besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notice {
    /// Somebody would have to die, and nobody may, or is worth to.
    NobodyToKill,
    /// Too many died within a minute.
    RateLimit,
    /// A name is killed again and again.
    RestartLoop,
    /// Who would have to die is left alone for that.
    LeftAlone,
    /// A victim was asked, and is killed now.
    Escalated,
    /// It may not be signalled.
    NotPermitted,
    /// A member of its cgroup is spared, so it dies alone.
    UnitSpared,
    /// The main loop stalled; the watchdog has looked.
    Stalled,
    /// The kernel does not lock our memory.
    NotLocked,
    /// Memory cannot be read.
    Blind,
    /// The configuration was read again.
    Reloaded,
    /// The new configuration is wrong, and the old one stays.
    ReloadFailed,
}

impl Notice {
    /// Says it in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NobodyToKill => "memory is low, and nobody may be killed or is worth it",
            Self::RateLimit => "memory is low, but kill.max-per-minute is reached",
            Self::RestartLoop => "it is killed again and again: it is left alone for a while",
            Self::LeftAlone => {
                "memory is low, but who would have to die was killed again and again"
            }
            Self::Escalated => "it was asked to end and has not: it is killed now",
            Self::NotPermitted => "it may not be signalled: it is left out from now on",
            Self::UnitSpared => "a member of its cgroup is spared: it dies alone",
            Self::Stalled => "the main loop has stalled for two seconds: the watchdog takes over",
            Self::NotLocked => "the kernel does not lock exithand's memory",
            Self::Blind => "memory cannot be read",
            Self::Reloaded => "the configuration was read again",
            Self::ReloadFailed => "the new configuration is wrong: the old one stays in force",
        }
    }
}

/// Anything that is told.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[expect(
    clippy::large_enum_variant,
    reason = "events wait in a fixed table; a box would be an allocation"
)]
pub enum Event {
    /// Somebody is to die.
    Decision(Decision),
    /// Somebody is gone.
    Outcome(Outcome),
    /// Somebody does not die.
    Stuck(Stuck),
    /// Memory has reached another level.
    Level(LevelChange),
    /// Something besides.
    Notice {
        /// What.
        notice: Notice,
        /// Of whom; 0 for nobody.
        pid: u32,
        /// Its name.
        name: Name,
    },
}

/// The longest record.
pub const LINE_ROOM: usize = 4096;

/// Writes `event` as one line of JSON into `room`, without allocation; `None` if it is too long.
/// Where it is about the memory of a cgroup, not the machine's, that is named.
pub fn json<'a>(
    event: &Event,
    at: Duration,
    cgroup: Option<&str>,
    room: &'a mut [u8],
) -> Option<&'a [u8]> {
    let mut cursor = Cursor::new(&mut room[..]);
    let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    write!(cursor, "{{\"v\":1,\"at_ms\":{at_ms},").ok()?;
    if let Some(cgroup) = cgroup {
        cursor.write_all(b"\"cgroup\":").ok()?;
        serde_json::to_writer(&mut cursor, cgroup).ok()?;
        cursor.write_all(b",").ok()?;
    }
    let begin = usize::try_from(cursor.position()).ok()?;
    serde_json::to_writer(&mut cursor, event).ok()?;
    cursor.write_all(b"\n").ok()?;
    let length = usize::try_from(cursor.position()).ok()?;
    // The record's own opening brace is in the way.
    room.copy_within(begin + 1..length, begin);
    room.get(..length - 1)
}

/// Writes `event` as one line for people into `room`, without allocation. Where it is about the
/// memory of a cgroup, not the machine's, that is named.
///
/// # Errors
///
/// The line is too long.
pub fn text<'a>(event: &Event, cgroup: Option<&str>, room: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut cursor = Cursor::new(&mut room[..]);
    if let Some(cgroup) = cgroup {
        write!(cursor, "cgroup {cgroup}: ")?;
    }
    writeln!(cursor, "{event}")?;
    let length = usize::try_from(cursor.position()).unwrap_or(0);
    Ok(&room[..length])
}

/// Prints bytes as MiB.
#[derive(Debug, Clone, Copy)]
pub struct Mib(pub u64);

impl fmt::Display for Mib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0 >> 20)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decision(decision) => decision.fmt(f),
            Self::Outcome(outcome) => outcome.fmt(f),
            Self::Stuck(stuck) => stuck.fmt(f),
            Self::Level(change) => {
                let (level, available) = (change.level.word(), Mib(change.available_bytes));
                write!(f, "level {level}: {available} available")
            }
            Self::Notice { notice, pid: 0, .. } => f.write_str(notice.words()),
            Self::Notice { notice, pid, name } => write!(f, "{pid} {name}: {}", notice.words()),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match (self.mode, self.means) {
            (Mode::Live, Means::Kill) => "kills",
            (Mode::Live, Means::Ask) => "asks",
            (Mode::DryRun, Means::Kill) => "would kill",
            (Mode::DryRun, Means::Ask) => "would ask",
        };
        let why = self.why.words();
        let [victim, others @ ..] = &self.candidates;
        if let Some(it) = victim {
            let (pid, name, bytes) = (it.identity.pid, it.name, Mib(it.relief_bytes(0)));
            write!(f, "{verb} {pid} {name} ({bytes}")?;
            let others = self.victims - 1;
            match self.together {
                _ if others == 0 => {}
                Together::Process => {}
                Together::Cgroup => write!(f, ", and {others} more of its cgroup")?,
                Together::Family => write!(f, ", and {others} of its name that it started")?,
                Together::Memory => write!(f, ", and {others} that have the same memory")?,
            }
            f.write_str(")")?;
        }
        let (available, owed) = (Mib(self.available_bytes), Mib(self.owed_bytes));
        let deficit = Mib(self.deficit_bytes);
        write!(
            f,
            ": {why}; {available} available, {owed} owed, {deficit} needed"
        )?;
        for (index, it) in others.iter().flatten().enumerate() {
            let before = if index == 0 { "; then " } else { ", " };
            let (pid, name, bytes) = (it.identity.pid, it.name, Mib(it.relief_bytes(0)));
            write!(f, "{before}{pid} {name} {bytes}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid, name, gone_ms, ..
        } = self;
        let late = if self.late { "late, " } else { "" };
        write!(f, "{pid} {name} is gone: {late}after {gone_ms} ms")?;
        if let Some(ms) = self.released_ms.filter(|_| self.release == Release::Freed) {
            write!(f, ", memory back after {ms} ms")?;
        }
        write!(f, ", {} expected", Mib(self.expected_bytes))
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            name,
            state,
            wchan,
            waited_ms,
        } = self;
        write!(
            f,
            "{pid} {name} does not die: state {state}, in {wchan}, for {waited_ms} ms; its memory is counted on no more"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choose::tests::process;

    fn decision() -> Event {
        Event::Decision(Decision {
            decision: 3,
            why: Why::LowMemory,
            means: Means::Kill,
            mode: Mode::Live,
            available_bytes: 100 << 20,
            owed_bytes: 0,
            deficit_bytes: 300 << 20,
            growth_bytes: 0,
            swap_free_bytes: 0,
            some_us: 0,
            full_us: 0,
            together: Together::Process,
            victims: 1,
            candidates: [
                Some(process(7, 2, 500)),
                Some(process(8, 2, 900)),
                None,
                None,
                None,
            ],
        })
    }

    #[test]
    fn a_decision_says_who_why_and_who_else() {
        let mut room = [0; LINE_ROOM];
        let line = text(&decision(), None, &mut room).unwrap();
        assert_eq!(
            String::from_utf8_lossy(line),
            "kills 7 test (500 MiB): memory is low; 100 MiB available, 0 MiB owed, 300 MiB needed; \
             then 8 test 900 MiB\n"
        );
    }

    #[test]
    fn a_decision_says_who_else_dies() {
        for (together, victims, expected) in [
            (Together::Cgroup, 1, "(500 MiB):"),
            (Together::Cgroup, 3, "(500 MiB, and 2 more of its cgroup):"),
            (
                Together::Family,
                3,
                "(500 MiB, and 2 of its name that it started):",
            ),
            (
                Together::Memory,
                2,
                "(500 MiB, and 1 that have the same memory):",
            ),
        ] {
            let Event::Decision(mut it) = decision() else {
                panic!("it is one");
            };
            (it.together, it.victims) = (together, victims);
            let line = it.to_string();
            assert!(line.contains(expected), "{line}");
        }
    }

    #[test]
    fn json_is_one_flat_record_a_line() {
        let mut room = [0; LINE_ROOM];
        let line = json(&decision(), Duration::from_millis(12), None, &mut room).unwrap();
        assert_eq!(line.last(), Some(&b'\n'));
        let value: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert_eq!(value["v"], 1);
        assert_eq!(value["at_ms"], 12);
        assert_eq!(value["event"], "decision");
        assert_eq!(value["why"], "low-memory");
        assert_eq!(value["candidates"][1]["identity"]["pid"], 8);
    }

    #[test]
    fn the_longest_record_fits() {
        let mut longest = process(u32::MAX, 255, u64::MAX >> 20);
        longest.name = Name::new(&[1; 15]);
        longest.identity.mark = u64::MAX;
        longest.growth_bytes = u64::MAX;
        longest.cgroup = u64::MAX;
        let Event::Decision(mut full) = decision() else {
            panic!("it is one");
        };
        full.candidates = [Some(longest); SHOWN];
        let mut room = [0; LINE_ROOM];
        let (full, path) = (Event::Decision(full), "\u{1}".repeat(200));
        assert!(json(&full, Duration::MAX, Some(&path), &mut room).is_some());
    }

    #[test]
    fn what_is_about_a_cgroup_names_it() {
        let low = Event::Level(LevelChange {
            level: Level::Warn,
            available_bytes: 30 << 20,
            swap_free_bytes: 0,
        });
        let path = Some("/sys/fs/cgroup/a \"b\"");
        let mut room = [0; LINE_ROOM];
        let line = text(&low, path, &mut room).unwrap();
        assert_eq!(
            String::from_utf8_lossy(line),
            "cgroup /sys/fs/cgroup/a \"b\": level warn: 30 MiB available\n"
        );
        let line = json(&low, Duration::ZERO, path, &mut room).unwrap();
        let value: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert_eq!(value["cgroup"].as_str(), path);
        assert_eq!(value["level"], "warn");
        let line = json(&low, Duration::ZERO, None, &mut room).unwrap();
        let value: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert!(value.get("cgroup").is_none(), "{value}");
    }
}
