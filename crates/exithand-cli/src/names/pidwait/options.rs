//! What the options of `pidwait` ask for.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use exithand::{Pid, Signal};

use super::choose::Criteria;
use super::ere;
use super::extras::{Handler, KINDS, Kind, Namespaces};
use super::flags::{FLAGS, Key, USAGE};
use super::pidfile::{self, Lock};
use super::words::{
    TRY, group_id, kind, list, nobody, number, own, process, reference, seconds, signal, states,
    terminal, usage, user_id, wrong,
};
use super::{FAILED, FATAL, NAME};
use crate::names::getopt::{Dialect, Getopt};
use crate::names::io_set::{Failure, Io};
use crate::select::{Ancestors, Case, Extent, Pattern, Patterns, Pick, Sense, own_when_zero};

/// The longest name the kernel keeps of a process, in bytes.
const COMM_MAX_BYTES: usize = 15;

/// What was asked for.
#[derive(Debug)]
pub(super) enum Request {
    Help,
    Version,
    Wait(Box<Options>),
}

/// Everything but what has to be looked up.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) count: bool,
    pub(super) echo: bool,
    criteria: Criteria,
    pattern: Option<String>,
    against: Against,
    extent: Extent,
    case: Case,
    require_handler: bool,
    signal: Option<Handler>,
    reference: Option<Pid>,
    kinds: Option<Vec<Kind>>,
    pidfile: Option<PathBuf>,
    lock: Lock,
}

/// What the pattern is matched against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Against {
    #[default]
    Name,
    CommandLine,
}

/// Reads the command line.
pub(super) fn parse(args: &[OsString]) -> Result<Request, Failure> {
    let mut options = Options::default();
    let mut asks = false;
    let mut getopt = Getopt::new(Dialect::Gnu, FLAGS, args);
    while let Some((key, value)) = getopt
        .next()
        .map_err(|misuse| wrong(&misuse.to_string()).and(USAGE))?
    {
        match key {
            Key::Help => return Ok(Request::Help),
            Key::Version => return Ok(Request::Version),
            key => {
                options.take_flag(key)?;
                asks |= options.take_condition(key, value)?;
            }
        }
    }
    options.take_operands(&getopt.into_operands(), asks)?;
    Ok(Request::Wait(Box::new(options)))
}

impl Options {
    /// Takes in what stands alone.
    fn take_flag(&mut self, key: Key) -> Result<(), Failure> {
        match key {
            Key::Usage => return Err(usage()),
            Key::Ancestors => self.criteria.selector.ancestors = Ancestors::Excluded,
            Key::Count => self.count = true,
            Key::Echo => self.echo = true,
            Key::Exact => self.extent = Extent::Whole,
            Key::Full => self.against = Against::CommandLine,
            Key::IgnoreCase => self.case = Case::Ignored,
            Key::Lock => self.lock = Lock::Required,
            Key::Handler => self.require_handler = true,
            Key::Inverse | Key::Newest | Key::Oldest => self.take_pick(key)?,
            Key::Threads => {
                return Err(wrong(
                    "--lightweight: processes are waited for, not threads",
                ));
            }
            Key::Foreign(tool, name) => {
                return Err(wrong(&format!(
                    "--{name} is an option of {tool}, and does nothing here"
                )));
            }
            _ => {}
        }
        Ok(())
    }

    fn take_pick(&mut self, key: Key) -> Result<(), Failure> {
        if self.criteria.sense == Sense::Unlike || self.criteria.pick != Pick::All {
            return Err(wrong("-n, -o and -v exclude each other").and(USAGE));
        }
        match key {
            Key::Newest => self.criteria.pick = Pick::Newest,
            Key::Oldest => self.criteria.pick = Pick::Oldest,
            _ => self.criteria.sense = Sense::Unlike,
        }
        Ok(())
    }

    /// Takes in what has a value; says whether the option asks for something.
    fn take_condition(&mut self, key: Key, value: &OsStr) -> Result<bool, Failure> {
        let Criteria {
            selector, extras, ..
        } = &mut self.criteria;
        match key {
            Key::Newest | Key::Oldest | Key::Handler => {}
            Key::Cgroup => extras.cgroups = list(value, |word| Ok(word.as_bytes().to_owned()))?,
            Key::Env => extras.environment = list(value, |word| Ok(word.as_bytes().to_owned()))?,
            Key::Euid => selector.users = list(value, user_id)?,
            Key::Uid => selector.real_users = list(value, user_id)?,
            Key::Group => selector.groups = list(value, group_id)?,
            Key::Older => selector.older_than = Some(seconds(value)?),
            Key::Parent => selector.parents = list(value, |word| number(word, "not a number"))?,
            Key::Pid => {
                let pids = list(value, |word| number(word, "not a number"))?;
                selector.pids = pids
                    .into_iter()
                    .map(|pid| pid.unwrap_or(nobody()))
                    .collect();
            }
            Key::Pgroup => {
                let groups = list(value, |word| number(word, "invalid process group"))?;
                selector.pgroups = own_when_zero(&groups, own()?.pgrp);
            }
            Key::Session => {
                let sessions = list(value, |word| number(word, "invalid session id"))?;
                selector.sessions = own_when_zero(&sessions, own()?.session);
            }
            Key::Terminal => selector.ttys = list(value, |word| Ok(terminal(word)))?,
            Key::RunStates => selector.states = states(value),
            Key::Pidfile => self.pidfile = Some(PathBuf::from(value)),
            Key::Ns => self.reference = Some(reference(value)?),
            Key::NsList => {
                self.kinds = Some(list(value, kind)?);
                return Ok(false);
            }
            Key::Signal => {
                self.signal = Some(signal(value)?);
                return Ok(false);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take_operands(&mut self, operands: &[&OsStr], asks: bool) -> Result<(), Failure> {
        if self.lock == Lock::Required && self.pidfile.is_none() {
            return Err(wrong("-L without -F makes no sense").and(TRY));
        }
        if self.pidfile.is_some() && !self.criteria.selector.pids.is_empty() {
            let message = "Cannot use pidfile and pid option together";
            return Err(Failure::of(FAILED, NAME, message).and(TRY));
        }
        match operands {
            [] if asks => {}
            [] => return Err(wrong("no matching criteria specified").and(TRY)),
            [pattern] => self.take_pattern(pattern)?,
            _ => return Err(wrong("only one pattern can be provided").and(TRY)),
        }
        Ok(())
    }

    fn take_pattern(&mut self, pattern: &OsStr) -> Result<(), Failure> {
        let refused = |why: &str| wrong(&format!("regex error: {why}"));
        let text = pattern
            .to_str()
            .ok_or_else(|| refused("the pattern is not UTF-8"))?;
        let mut translated = ere::to_regex(text).map_err(refused)?;
        if translated.is_empty() {
            // What matches everything is not refused where it was asked for.
            translated.push_str("()");
        }
        let compiled = translated
            .parse::<Pattern>()
            .and_then(|pattern| Patterns::new(vec![pattern], self.extent, self.case));
        let compiled = Some(compiled.map_err(|error| refused(&error.to_string()))?);
        match self.against {
            Against::Name => self.criteria.selector.names = compiled,
            Against::CommandLine => self.criteria.selector.full = compiled,
        }
        self.pattern = Some(text.to_owned());
        Ok(())
    }

    /// Looks up what the options refer to: the pid file, and the namespaces of a process.
    pub(super) fn criteria(&mut self, io: &mut Io<'_>) -> Result<Criteria, Failure> {
        let mut criteria = std::mem::take(&mut self.criteria);
        if let Some(path) = &self.pidfile {
            let number = pidfile::read(path, self.lock, io)?;
            criteria.selector.pids = vec![process(number).unwrap_or(nobody())];
        }
        if let Some(pid) = self.reference {
            let kinds = self.kinds.as_deref().unwrap_or(&KINDS);
            let namespaces = Namespaces::of(pid, kinds).map_err(|error| {
                let pid = pid.as_raw_nonzero();
                let message = format!(
                    "Error reading reference namespace information of process {pid}: {error}"
                );
                Failure::of(FATAL, NAME, &message)
            })?;
            criteria.extras.namespaces = namespaces;
        }
        if self.require_handler {
            criteria.extras.handler = Some(self.signal.unwrap_or(Handler::Of(Signal::TERM)));
        }
        Ok(criteria)
    }

    /// Returns what may have been meant by a pattern that matched nothing.
    pub(super) fn hint(&self) -> Option<&'static str> {
        let pattern = self.pattern.as_deref()?;
        let is_word = self.against == Against::Name
            && pattern.len() > COMM_MAX_BYTES
            && !pattern.contains(['|', '[']);
        is_word.then_some(
            "pattern that searches for process name longer than 15 characters will result in \
             zero matches\n\
             Try `pidwait -f' option to match against the complete command line.",
        )
    }
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
