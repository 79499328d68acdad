//! How a process ended, as one line.

use std::ffi::OsString;
use std::fmt;

use exithand::{Outcome, Signal, Token};
use serde::{Deserialize, Serialize};

use super::{JsonError, parse_time, readable, rfc3339, write_json};
use crate::{Argv, ExitRecord, Killer, Link, Oom, OomScope, Parent, Place, Usage, WallTime};

/// A record as JSON; the fields are those of the contract's section 8, in its order.
///
/// What is not known is left out, but for `killer`, `oom` and `gap`, whose absence says something:
/// they are there unless the details are [withheld](RecordLine::is_withheld).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::option_option,
    reason = "the fields are those of the line; absent and null differ there"
)]
pub struct RecordLine {
    v: u8,
    #[serde(default, skip_serializing_if = "is_zero")]
    pid: u32,
    token: String,
    comm: String,
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    core_dumped: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(default)]
    source: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    tgid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    ppid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_comm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argv: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argv_truncated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    ended: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_ticks: Option<u64>,
    #[serde(
        default,
        deserialize_with = "said",
        skip_serializing_if = "Option::is_none"
    )]
    killer: Option<Option<KillerLine>>,
    #[serde(
        default,
        deserialize_with = "said",
        skip_serializing_if = "Option::is_none"
    )]
    oom: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oom_cgroup: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_user_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_system_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_rss_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    write_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    voluntary_switches: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    involuntary_switches: Option<u64>,
    #[serde(default, skip_serializing_if = "is_false")]
    namespace_init: bool,
    #[serde(default)]
    gap: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    withheld: bool,
}

/// Who sent the signal, within a [`RecordLine`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillerLine {
    pid: u32,
    comm: String,
    #[serde(default)]
    uid: Option<u32>,
    #[serde(default)]
    exe: Option<String>,
    #[serde(default)]
    unit: Option<String>,
    signal: i32,
    code: i32,
    #[serde(default)]
    chain: Vec<LinkLine>,
}

/// One of the killer's parents, within a [`KillerLine`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkLine {
    pid: u32,
    comm: String,
}

impl RecordLine {
    /// Writes a record.
    pub fn new(record: &ExitRecord) -> Self {
        let pid = pid_of(&record.token);
        let outcome = record.outcome;
        let killed = match outcome {
            Outcome::Killed {
                signal,
                core_dumped,
            } => Some((signal, core_dumped)),
            _ => None,
        };
        let argv = record.argv.as_ref();
        let text = |name: &Option<OsString>| name.as_deref().map(readable);
        let (place, usage) = (&record.place, record.usage);
        Self {
            v: 1,
            pid,
            token: record.token.to_string(),
            comm: readable(&record.comm),
            outcome: outcome_word(outcome).to_owned(),
            status: match outcome {
                Outcome::Exited(status) => Some(status),
                _ => None,
            },
            signal: killed.map(|(signal, _)| signal.number()),
            signal_name: killed.map(|(signal, _)| signal.to_string()),
            core_dumped: killed.map(|(_, core_dumped)| core_dumped),
            why: match outcome {
                Outcome::Unknown { why } => Some(why.to_string()),
                _ => None,
            },
            source: exithand::Source::Recorder.as_str().to_owned(),
            tgid: pid,
            ppid: record.parent.as_ref().map(|it| it.pid),
            parent_comm: record.parent.as_ref().and_then(|it| text(&it.comm)),
            uid: record.uid,
            gid: record.gid,
            exe: text(&record.exe),
            argv: argv.map(|it| it.words.iter().map(|word| readable(word)).collect()),
            argv_truncated: argv.map(|it| it.truncated),
            cgroup: text(&place.cgroup),
            unit: place.unit.clone(),
            container: place.container.clone(),
            started: record.started.map(rfc3339),
            ended: rfc3339(record.ended),
            runtime_ns: record.runtime_ns,
            start_ticks: record.start_ticks,
            killer: Some(record.killer.as_ref().map(KillerLine::new)),
            oom: Some(record.oom.as_ref().map(|it| it.scope.as_str().to_owned())),
            oom_cgroup: record.oom.as_ref().and_then(|it| text(&it.cgroup)),
            cpu_user_ns: usage.cpu_user_ns,
            cpu_system_ns: usage.cpu_system_ns,
            max_rss_bytes: usage.max_rss_bytes,
            read_bytes: usage.read_bytes,
            write_bytes: usage.write_bytes,
            voluntary_switches: usage.voluntary_switches,
            involuntary_switches: usage.involuntary_switches,
            namespace_init: record.namespace_init,
            gap: false,
            withheld: false,
        }
    }

    /// Says that records may be missing around this one.
    #[must_use]
    pub fn near_gap(self) -> Self {
        Self { gap: true, ..self }
    }

    /// Leaves what the process was called, whose it was, when it ran and how it ended; the rest is
    /// for those who may know the details.
    #[must_use]
    pub fn without_details(self) -> Self {
        Self {
            ppid: None,
            parent_comm: None,
            exe: None,
            argv: None,
            argv_truncated: None,
            cgroup: None,
            unit: None,
            container: None,
            killer: None,
            oom: None,
            oom_cgroup: None,
            cpu_user_ns: None,
            cpu_system_ns: None,
            max_rss_bytes: None,
            read_bytes: None,
            write_bytes: None,
            voluntary_switches: None,
            involuntary_switches: None,
            namespace_init: false,
            withheld: true,
            ..self
        }
    }

    /// Says whether records may be missing around this one.
    pub fn is_near_gap(&self) -> bool {
        self.gap
    }

    /// Says whether the reader may not know the details.
    pub fn is_withheld(&self) -> bool {
        self.withheld
    }

    /// Reads the record.
    ///
    /// # Errors
    ///
    /// [`JsonError::Version`] and [`JsonError::Field`] for what another program wrote.
    pub fn to_record(&self) -> Result<ExitRecord, JsonError> {
        if self.v != 1 {
            return Err(JsonError::Version(self.v));
        }
        let name = |text: &Option<String>| text.as_ref().map(OsString::from);
        let token: Token = self
            .token
            .parse()
            .map_err(|_form| JsonError::field("token", &self.token))?;
        Ok(ExitRecord {
            token,
            start_ticks: self.start_ticks,
            outcome: self.to_outcome()?,
            parent: self.ppid.map(|pid| Parent {
                pid,
                comm: name(&self.parent_comm),
            }),
            uid: self.uid,
            gid: self.gid,
            comm: OsString::from(&self.comm),
            exe: name(&self.exe),
            argv: self.argv.as_ref().map(|words| Argv {
                words: words.iter().map(OsString::from).collect(),
                truncated: self.argv_truncated.unwrap_or_default(),
            }),
            place: Place {
                cgroup: name(&self.cgroup),
                unit: self.unit.clone(),
                container: self.container.clone(),
            },
            started: match &self.started {
                Some(text) => Some(time("started", text)?),
                None => None,
            },
            ended: time("ended", &self.ended)?,
            runtime_ns: self.runtime_ns,
            usage: self.usage(),
            killer: match self.killer.as_ref().and_then(Option::as_ref) {
                Some(killer) => Some(killer.to_killer()?),
                None => None,
            },
            oom: self.to_oom()?,
            namespace_init: self.namespace_init,
        })
    }

    fn usage(&self) -> Usage {
        Usage {
            cpu_user_ns: self.cpu_user_ns,
            cpu_system_ns: self.cpu_system_ns,
            max_rss_bytes: self.max_rss_bytes,
            read_bytes: self.read_bytes,
            write_bytes: self.write_bytes,
            voluntary_switches: self.voluntary_switches,
            involuntary_switches: self.involuntary_switches,
        }
    }

    /// Reads how the process ended.
    ///
    /// # Errors
    ///
    /// [`JsonError::Field`] where the fields contradict each other.
    pub fn to_outcome(&self) -> Result<Outcome, JsonError> {
        let status = || self.status.map(Outcome::Exited);
        let killed = || {
            Some(Outcome::Killed {
                signal: Signal::from_number(self.signal?)?,
                core_dumped: self.core_dumped?,
            })
        };
        let unknown = || format!("unknown: {}", self.why.as_ref()?).parse().ok();
        let outcome = match self.outcome.as_str() {
            "exited" => status(),
            "killed" => killed(),
            "unknown" => unknown(),
            _ => None,
        };
        outcome.ok_or_else(|| JsonError::field("outcome", &self.outcome))
    }

    fn to_oom(&self) -> Result<Option<Oom>, JsonError> {
        let Some(word) = self.oom.as_ref().and_then(Option::as_ref) else {
            return Ok(None);
        };
        let known = [OomScope::Memcg, OomScope::Global];
        let scope = known.into_iter().find(|scope| scope.as_str() == word);
        Ok(Some(Oom {
            scope: scope.ok_or_else(|| JsonError::field("oom", word))?,
            cgroup: self.oom_cgroup.as_ref().map(OsString::from),
        }))
    }
}

impl fmt::Display for RecordLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_json(f, self)
    }
}

impl KillerLine {
    fn new(killer: &Killer) -> Self {
        Self {
            pid: killer.pid,
            comm: readable(&killer.comm),
            uid: killer.uid,
            exe: killer.exe.as_deref().map(readable),
            unit: killer.unit.clone(),
            signal: killer.signal.number(),
            code: killer.code,
            chain: killer.chain.iter().map(LinkLine::new).collect(),
        }
    }

    fn to_killer(&self) -> Result<Killer, JsonError> {
        let link = |line: &LinkLine| Link {
            pid: line.pid,
            comm: OsString::from(&line.comm),
        };
        Ok(Killer {
            pid: self.pid,
            comm: OsString::from(&self.comm),
            uid: self.uid,
            exe: self.exe.as_ref().map(OsString::from),
            unit: self.unit.clone(),
            signal: Signal::from_number(self.signal)
                .ok_or_else(|| JsonError::field("killer", self.signal))?,
            code: self.code,
            chain: self.chain.iter().map(link).collect(),
        })
    }
}

impl LinkLine {
    fn new(link: &Link) -> Self {
        Self {
            pid: link.pid,
            comm: readable(&link.comm),
        }
    }
}

/// Returns the word for an outcome: `exited`, `killed` or `unknown`.
pub fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Exited(_) => "exited",
        Outcome::Killed { .. } => "killed",
        Outcome::Unknown { .. } => "unknown",
    }
}

fn pid_of(token: &Token) -> u32 {
    token
        .pid()
        .map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs())
}

fn time(field: &'static str, text: &str) -> Result<WallTime, JsonError> {
    parse_time(text).ok_or_else(|| JsonError::field(field, text))
}

/// Reads a field that is there, even if it is null.
#[expect(clippy::option_option, reason = "absent and null differ")]
fn said<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
fn is_false(flag: &bool) -> bool {
    !*flag
}
