//! `exithand kill`.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use exithand::{ExitHandle, Signal, State, StatusSource};

use crate::duration;
use crate::end_args::EndArgs;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::kill::{
    Cgroup, CgroupError, End, KillError, Note, Observer, Process, Report, Request, Scope,
    Survivors, Watch, run as kill,
};
use crate::output::{Format, Reporter, Standing};
use crate::progress::Progress;
use crate::select::Whole;
use crate::target::{Label, Missing, Opened, TargetArgs};

/// Send a signal, wait until the targets are really gone, and say how each ended
///
/// Signals through handles, so no process that took over a pid is ever hit. Those who are left
/// after the timeout get a second signal. With --tree or --cgroup alone, everybody in the tree or
/// cgroup is meant, those who are forked meanwhile too.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The signal to send: a name (TERM, SIGINT, RTMIN+1) or a number
    #[arg(short, long, value_name = "SIGNAL", default_value = "TERM")]
    signal: Signal,

    /// How long to wait before the second signal, and again after it
    #[arg(long, value_name = "DUR", value_parser = duration::parse, default_value = "10s")]
    timeout: Duration,

    /// The signal for those who are left at the timeout; `none` gives up instead
    #[arg(long, value_name = "SIGNAL", default_value = "KILL", value_parser = parse_then)]
    then: Escalation,

    #[command(flatten)]
    pub(crate) end: EndArgs,

    #[command(flatten)]
    targets: TargetArgs,
}

/// What follows the timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escalation {
    /// This signal.
    Signal(Signal),
    /// Nothing: those who are left stay.
    None,
}

fn parse_then(text: &str) -> Result<Escalation, exithand::ParseSignalError> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Escalation::None);
    }
    text.parse().map(Escalation::Signal)
}

impl Args {
    fn request<'a>(
        &self,
        targets: Vec<ExitHandle>,
        scope: Scope,
        source: Option<&'a dyn StatusSource>,
    ) -> Request<'a> {
        Request {
            targets,
            scope,
            signal: self.signal,
            timeout: Some(self.timeout),
            then: match self.then {
                Escalation::Signal(signal) => Some(signal),
                Escalation::None => None,
            },
            until: self.end.until,
            grace: self.end.grace,
            source,
            watch: Watch::Forks,
        }
    }
}

/// Signals, waits, and prints one line for each process to `out`.
///
/// # Errors
///
/// Nothing was signalled if a target was refused.
pub fn run(args: &Args, out: impl Write) -> Result<ExitCode, Failure> {
    let recorder = args.end.recorder()?;
    let source = recorder.as_ref().map(|it| -> &dyn StatusSource { it });
    let (opened, scope) = open(args)?;
    let labels: Vec<Label> = opened
        .targets
        .iter()
        .map(|target| target.label.clone())
        .collect();
    let mut reporter = Reporter::new(out, args.end.format(), labels.iter());
    for absent in &opened.absent {
        reporter.absent(absent)?;
    }
    let handles = opened
        .targets
        .into_iter()
        .map(|target| target.handle)
        .collect();
    let progress = Progress::start(args.end.format());
    progress.awaiting(labels.iter());
    let mut screen = Screen {
        reporter,
        labels,
        selection: args.targets.selection(),
        progress,
        timeout: args.timeout,
        failed: None,
    };
    let report = kill(args.request(handles, scope, source), &mut screen)?;
    screen.finish(&report)?;
    Ok(code(&report))
}

/// Opens whom the user means: a tree or cgroup as such, or the processes named and selected.
fn open(args: &Args) -> Result<(Opened, Scope), Failure> {
    match args.targets.whole() {
        Some(Whole::Cgroup(path)) => {
            let scope = match Cgroup::find(Path::new(path)) {
                Err(CgroupError::NotFound { .. }) if args.targets.missing == Missing::Ok => {
                    Scope::Plain
                }
                cgroup => Scope::Cgroup(cgroup.map_err(KillError::from)?),
            };
            Ok((Opened::default(), scope))
        }
        Some(Whole::Trees(roots)) => Ok((args.targets.open_pids(roots)?, Scope::Tree)),
        None => Ok((args.targets.open()?, Scope::Plain)),
    }
}

/// Says how it went: somebody we may not signal is worse than somebody who is slow.
fn code(report: &Report) -> ExitCode {
    let refused = report
        .processes
        .iter()
        .any(|process| process.refused.is_some());
    match (refused, report.survivors) {
        (true, _) => ExitCode::Failed,
        (false, Survivors::Some) => ExitCode::TimedOut,
        (false, Survivors::None) => ExitCode::Success,
    }
}

/// Prints what happens, as it happens.
struct Screen<W> {
    reporter: Reporter<W>,
    /// Those named, in the order of the request's targets.
    labels: Vec<Label>,
    /// What those were found by that were not named.
    selection: String,
    progress: Progress,
    timeout: Duration,
    /// The first failure to print, kept until the killing is done.
    failed: Option<io::Error>,
}

impl<W: Write> Screen<W> {
    fn label(&self, process: &Process) -> Label {
        match process.target.and_then(|at| self.labels.get(at)) {
            Some(label) => label.clone(),
            None => Label {
                word: self.selection.clone(),
                pid: process.token.pid(),
                token: process.token,
                comm: process.comm.clone(),
            },
        }
    }

    fn print(&mut self, process: &Process, standing: Standing) {
        let label = self.label(process);
        let reporter = &mut self.reporter;
        let printed = self.progress.aside(|| {
            reporter.signalled(&label, standing, &process.signals)?;
            reporter.flush()
        });
        self.failed = self.failed.take().or(printed.err());
    }

    fn say(&self, words: &str) {
        if self.reporter.format() != Format::Quiet {
            self.progress
                .aside(|| anstream::eprintln!("exithand: {words}"));
        }
    }

    /// Prints those who are left.
    fn finish(mut self, report: &Report) -> Result<(), Failure> {
        for process in &report.processes {
            if let Some(refused) = &process.refused {
                self.say(&refused.to_string());
            }
            if let End::Alive = process.end {
                self.print(process, Standing::Is(State::Alive));
            }
        }
        let left = |it: &&Process| matches!(it.end, End::Alive) && it.refused.is_none();
        match report.processes.iter().filter(left).count() {
            0 => {}
            left => self.say(&format!("gave up: {left} still alive")),
        }
        if report.ended_unseen > 0 {
            self.say(&format!(
                "{} more, forked meanwhile, ended unseen",
                report.ended_unseen
            ));
        }
        self.failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

impl<W: Write> Observer for Screen<W> {
    fn ended(&mut self, process: &Process) {
        if let End::Ended(exit) = process.end {
            self.print(process, Standing::Finished(exit));
        }
    }

    fn escalates(&mut self, signal: Signal, processes: usize) {
        let after = duration::format(self.timeout);
        self.say(&format!(
            "{processes} still alive after {after}: sending {signal}"
        ));
    }

    fn notes(&mut self, note: &Note) {
        self.say(&note.to_string());
    }
}
