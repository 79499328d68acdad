//! Result lines, for people and for programs.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use exithand::{Exit, Outcome, Signal, State};
use serde::Serialize;

use crate::target::{Absent, Label};

/// Who reads the result lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// People: aligned columns, coloured on a terminal.
    Text,
    /// Programs: one JSON object a line.
    Json,
    /// Nobody.
    Quiet,
}

/// What is known of a process when its line is printed.
#[derive(Debug, Clone, Copy)]
pub enum Standing {
    /// In this state; how it ended, if it has, is not asked.
    Is(State),
    /// It has ended.
    Finished(Exit),
}

/// Prints one line a target.
#[derive(Debug)]
pub struct Reporter<W> {
    out: W,
    format: Format,
    pid_width: usize,
    comm_width: usize,
}

impl<W: Write> Reporter<W> {
    /// Makes a reporter whose columns fit `targets`.
    pub fn new<'a>(out: W, format: Format, targets: impl Iterator<Item = &'a Label>) -> Self {
        let (mut pid_width, mut comm_width) = (1, 1);
        for target in targets {
            pid_width = pid_width.max(target.number().len());
            comm_width = comm_width.max(target.comm.chars().count());
        }
        Self {
            out,
            format,
            pid_width,
            comm_width,
        }
    }

    /// Prints how a target stands.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn target(&mut self, target: &Label, standing: Standing) -> io::Result<()> {
        self.signalled(target, standing, &[])
    }

    /// Prints how a target stands that was sent `signals`.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn signalled(
        &mut self,
        target: &Label,
        standing: Standing,
        signals: &[Signal],
    ) -> io::Result<()> {
        match self.format {
            Format::Quiet => Ok(()),
            Format::Json => {
                let signals = signals.iter().map(Signal::to_string).collect();
                self.json(&Record {
                    signals,
                    ..record(target, standing)
                })
            }
            Format::Text => {
                let (style, words) = match standing {
                    Standing::Is(state) => (Style::new(), state_word(state).to_owned()),
                    Standing::Finished(exit) => (style(exit.outcome), exit.to_string()),
                };
                self.line(&target.number(), &target.comm, style, &words)
            }
        }
    }

    /// Prints that a target does not exist.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn absent(&mut self, absent: &Absent) -> io::Result<()> {
        let pid = absent.pid.map(|pid| pid.as_raw_nonzero().get());
        match self.format {
            Format::Quiet => Ok(()),
            Format::Json => self.json(&Record {
                pid,
                ..Record::new(&absent.word, "missing")
            }),
            Format::Text => self.line(&absent.word, "", AnsiColor::Yellow.on_default(), "missing"),
        }
    }

    /// Returns who reads the lines.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Hands over what was printed so far.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn json(&mut self, record: &Record<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, record)?;
        self.out.write_all(b"\n")
    }

    fn line(&mut self, pid: &str, comm: &str, style: Style, words: &str) -> io::Result<()> {
        let comm = if comm.is_empty() { "-" } else { comm };
        let (pid_width, comm_width) = (self.pid_width, self.comm_width);
        writeln!(
            self.out,
            "{pid:>pid_width$}  {comm:comm_width$}  {style}{words}{style:#}"
        )
    }
}

fn state_word(state: State) -> &'static str {
    match state {
        State::Alive => "alive",
        State::Ended => "ended",
        State::Reaped => "reaped",
    }
}

fn style(outcome: Outcome) -> Style {
    match outcome {
        Outcome::Exited(0) => AnsiColor::Green.on_default(),
        Outcome::Exited(_) | Outcome::Killed { .. } => AnsiColor::Red.on_default(),
        Outcome::Unknown { .. } => AnsiColor::Yellow.on_default(),
    }
}

/// One line of `--json`; the fields of the contract's section 8.
#[derive(Debug, Serialize)]
struct Record<'a> {
    v: u8,
    target: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    comm: &'a str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    signals: Vec<String>,
}

impl<'a> Record<'a> {
    fn new(target: &'a str, state: &'static str) -> Self {
        Self {
            v: 1,
            target,
            pid: None,
            token: None,
            comm: "",
            state,
            outcome: None,
            status: None,
            signal: None,
            signal_name: None,
            core_dumped: None,
            why: None,
            source: None,
            signals: Vec::new(),
        }
    }
}

fn record(target: &Label, standing: Standing) -> Record<'_> {
    let state = match standing {
        Standing::Is(state) => state_word(state),
        Standing::Finished(exit) if exit.reaped => state_word(State::Reaped),
        Standing::Finished(_) => state_word(State::Ended),
    };
    let known = Record {
        pid: target.pid.map(|pid| pid.as_raw_nonzero().get()),
        token: Some(target.token.to_string()),
        comm: &target.comm,
        ..Record::new(&target.word, state)
    };
    let Standing::Finished(exit) = standing else {
        return known;
    };
    let ended = Record {
        source: exit.source.map(exithand::Source::as_str),
        ..known
    };
    match exit.outcome {
        Outcome::Exited(status) => Record {
            outcome: Some("exited"),
            status: Some(status),
            ..ended
        },
        Outcome::Killed {
            signal,
            core_dumped,
        } => Record {
            outcome: Some("killed"),
            signal: Some(signal.number()),
            signal_name: Some(signal.to_string()),
            core_dumped: Some(core_dumped),
            ..ended
        },
        Outcome::Unknown { why } => Record {
            outcome: Some("unknown"),
            why: Some(why.to_string()),
            ..ended
        },
    }
}
