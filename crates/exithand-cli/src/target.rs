//! From what the user typed to open handles: all of them, or none.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use exithand::file::ExitFile;
use exithand::{Error, ExitHandle, Member, Outcome, Pid, State, Token};
use exithand_recorder::Client;
use exithand_recorder::wire::When;

use crate::failure::Failure;
use crate::limits::raise_descriptor_limit;
use crate::select::{SelectArgs, Selected, Whole, open_matching};
use crate::text::printable;
use crate::word::Word;

/// Which processes a subcommand is about.
#[derive(Debug, clap::Args)]
pub struct TargetArgs {
    /// Pids or tokens; `-` reads more of them from standard input
    ///
    /// A token (PID:INODE, as `exithand id` prints it) names one process for good; a pid names
    /// whichever process has the number now. Selectors add to the processes named here.
    #[arg(value_name = "TARGET", allow_negative_numbers = true)]
    targets: Vec<String>,

    /// What to do about a target that does not exist (any more)
    ///
    /// `error`: fail with exit code 127 before anything is done. `ok`: it has ended, which is what
    /// was wanted; it counts as finished.
    #[arg(long, value_enum, default_value_t = Missing::Error, value_name = "WHAT")]
    pub missing: Missing,

    // Last, since its heading would cover what follows.
    #[command(flatten)]
    select: SelectArgs,
}

/// What to do about a target that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Missing {
    /// Fail before anything is done.
    Error,
    /// Count it as ended.
    Ok,
}

/// One process a subcommand is about.
#[derive(Debug)]
pub struct Target<H = ExitHandle> {
    /// What to call it.
    pub label: Label,
    /// The process.
    pub handle: H,
}

/// What to call a process in results.
#[derive(Debug, Clone)]
pub struct Label {
    /// What the user typed, or the selector that matched.
    pub word: String,
    /// Its pid here, where it has one.
    pub pid: Option<Pid>,
    /// Its name for good.
    pub token: Token,
    /// Its command name, made printable; empty where it cannot be read any more.
    pub comm: String,
}

impl fmt::Display for Label {
    /// Prints `4242 (sleep)`; the token stands in for a pid we cannot see.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())?;
        if self.comm.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.comm)
        }
    }
}

impl Label {
    /// Returns the pid, or the token where there is no pid to tell processes apart.
    pub fn number(&self) -> String {
        self.pid.map_or_else(
            || self.token.to_string(),
            |pid| pid.as_raw_nonzero().to_string(),
        )
    }
}

impl<H: Member> Target<H> {
    /// Labels a process.
    pub fn new(word: String, comm: String, handle: H) -> Self {
        let label = Label {
            word,
            pid: handle.pid(),
            token: handle.token(),
            comm,
        };
        Self { label, handle }
    }
}

/// A target that does not exist.
#[derive(Debug)]
pub struct Absent {
    /// What the user typed.
    pub word: String,
    /// The pid in it.
    pub pid: Option<Pid>,
    /// Why there is no such process.
    pub error: Error,
}

/// A target that was gone before, of which the recorder tells how it ended.
#[derive(Debug)]
pub struct Gone {
    /// What to call it.
    pub label: Label,
    /// How it ended.
    pub outcome: Outcome,
}

/// What the user typed, opened.
#[derive(Debug)]
pub struct Opened<H = ExitHandle> {
    /// The processes found, each once.
    pub targets: Vec<Target<H>>,
    /// Those that do not exist; empty unless `--missing ok`.
    pub absent: Vec<Absent>,
    /// Those that are gone, and that the recorder knows.
    pub gone: Vec<Gone>,
}

impl<H> Default for Opened<H> {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            absent: Vec::new(),
            gone: Vec::new(),
        }
    }
}

impl<H: Member> Opened<H> {
    /// Leaves each process once, under the first of its names.
    fn each_once(mut self) -> Self {
        let mut seen = HashSet::new();
        self.targets
            .retain(|target| seen.insert(target.label.token));
        self
    }
}

impl TargetArgs {
    /// Opens every target, or fails and leaves nothing open.
    ///
    /// # Errors
    ///
    /// A usage failure for what is no target; a missing one for a process that does not exist,
    /// unless `--missing ok`; a failure where the kernel or a limit stands in the way.
    pub fn open(&self) -> Result<Opened, Failure> {
        self.open_with(None)
    }

    /// As [`TargetArgs::open`]; a token of a process that is gone will do if the recorder knows it.
    ///
    /// # Errors
    ///
    /// As [`TargetArgs::open`].
    pub fn open_with(&self, recorder: Option<&Client>) -> Result<Opened, Failure> {
        raise_descriptor_limit();
        let words = self.words()?;
        let selector = match self.select.selector().map_err(Failure::of_selection) {
            // Whom the tree or pid file names is gone.
            Err(Failure::Missing(_)) if self.missing == Missing::Ok => None,
            selector => selector?,
        };
        if words.is_empty() && self.select.to_string().is_empty() {
            let advice = "no target given: name pids or tokens, or select with --name and the like";
            return Err(Failure::Usage(anyhow!(advice)));
        }
        let mut opened = self.open_words(&words, open_handle, recorder)?;
        if let Some(selector) = selector {
            let found = open_matching(&selector).map_err(anyhow::Error::from)?;
            if found.is_empty() && words.is_empty() && self.missing == Missing::Error {
                return Err(Failure::Missing(anyhow!(
                    "no process matches {}",
                    self.select
                )));
            }
            let word = self.select.to_string();
            let target =
                |it: Selected| Target::new(word.clone(), printable(&it.facts.comm), it.handle);
            opened.targets.extend(found.into_iter().map(target));
        }
        Ok(opened.each_once())
    }

    /// Opens every target by its exithand files below `root`, or fails and leaves nothing open.
    ///
    /// # Errors
    ///
    /// As [`TargetArgs::open`]; a usage failure where processes are selected instead of named.
    pub fn open_files(&self, root: &Path) -> Result<Opened<ExitFile>, Failure> {
        raise_descriptor_limit();
        if !self.select.to_string().is_empty() {
            return Err(Failure::Usage(anyhow!(
                "--via cannot be combined with {}: it takes pids and tokens",
                self.select
            )));
        }
        let words = self.words()?;
        if words.is_empty() {
            let advice = "no target given: --via takes pids and tokens";
            return Err(Failure::Usage(anyhow!(advice)));
        }
        // Its pid need not be a number of our /proc, so that nothing there tells its name.
        let open = |word: Word| Ok((word.open_file(root)?, String::new()));
        let opened = self.open_words(&words, open, None)?;
        Ok(opened.each_once())
    }

    /// Returns the tree or cgroup that is all the user named.
    pub fn whole(&self) -> Option<Whole<'_>> {
        self.select.whole().filter(|_| self.targets.is_empty())
    }

    /// Opens processes by their pids, as if they were the targets.
    ///
    /// # Errors
    ///
    /// As [`TargetArgs::open`].
    pub fn open_pids(&self, pids: &[Pid]) -> Result<Opened, Failure> {
        let name = |pid: &Pid| (pid.as_raw_nonzero().to_string(), Word::Pid(*pid));
        let words: Vec<_> = pids.iter().map(name).collect();
        self.open_words(&words, open_handle, None)
    }

    /// Returns the selectors as they were asked for.
    pub fn selection(&self) -> String {
        self.select.to_string()
    }

    fn open_words<H: Member>(
        &self,
        words: &[(String, Word)],
        open: impl Fn(Word) -> Result<(H, String), Error>,
        recorder: Option<&Client>,
    ) -> Result<Opened<H>, Failure> {
        let opened = open_words(words, open, recorder)?;
        match &opened.absent[..] {
            [first, rest @ ..] if self.missing == Missing::Error => {
                let more = match rest.len() {
                    0 => String::new(),
                    count => format!(" (and {count} more that do not exist)"),
                };
                let hint = beyond_pid_max(first.pid);
                Err(Failure::Missing(anyhow!("{}{hint}{more}", first.error)))
            }
            _ => Ok(opened),
        }
    }

    /// Reads all words, those on standard input too, before the first is opened.
    fn words(&self) -> Result<Vec<(String, Word)>, Failure> {
        let mut texts = Vec::new();
        for target in &self.targets {
            if target == "-" {
                let mut list = String::new();
                io::stdin()
                    .read_to_string(&mut list)
                    .context("read targets from standard input")
                    .map_err(Failure::Usage)?;
                texts.extend(list.split_whitespace().map(str::to_owned));
            } else {
                texts.push(target.clone());
            }
        }
        let parse = |text: String| match text.parse() {
            Ok(word) => Ok((text, word)),
            Err(error) => Err(Failure::usage(error)),
        };
        texts.into_iter().map(parse).collect()
    }
}

fn open_words<H: Member>(
    words: &[(String, Word)],
    open: impl Fn(Word) -> Result<(H, String), Error>,
    recorder: Option<&Client>,
) -> Result<Opened<H>, Failure> {
    let mut opened = Opened::default();
    for (text, word) in words {
        match open(*word) {
            Ok((handle, comm)) => {
                opened.targets.push(Target::new(text.clone(), comm, handle));
            }
            Err(error) if error.is_gone() => {
                if let Some(gone) = recorder.and_then(|it| Gone::find(it, text, *word)) {
                    opened.gone.push(gone);
                    continue;
                }
                opened.absent.push(Absent {
                    word: text.clone(),
                    pid: word.pid(),
                    error,
                });
            }
            Err(error @ Error::TooManyFiles { .. }) => {
                let needed = format!("wait for {} targets, one descriptor each", words.len());
                return Err(Failure::Failed(anyhow::Error::from(error).context(needed)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(opened)
}

impl Gone {
    /// Asks the recorder for the process that is named, if the name is good for ever.
    fn find(recorder: &Client, text: &str, word: Word) -> Option<Self> {
        let Word::Token(token) = word else {
            return None;
        };
        let record = recorder.ended(&token, When::Now).ok()?;
        Some(Self {
            label: Label {
                word: text.to_owned(),
                pid: token.pid(),
                token,
                comm: printable(record.comm.as_bytes()),
            },
            outcome: record.outcome,
        })
    }
}

/// Opens a process and reads its name.
fn open_handle(word: Word) -> Result<(ExitHandle, String), Error> {
    let handle = word.open()?;
    let comm = comm(&handle)?;
    Ok((handle, comm))
}

/// Reads a process's name while it is certain to be that process's.
fn comm(handle: &ExitHandle) -> Result<String, Error> {
    let Some(pid) = handle.pid() else {
        return Ok(String::new());
    };
    let name = fs::read(format!("/proc/{}/comm", pid.as_raw_nonzero()));
    match (name, handle.state()?) {
        (Ok(name), State::Alive | State::Ended) => {
            Ok(printable(name.strip_suffix(b"\n").unwrap_or(&name)))
        }
        _ => Ok(String::new()),
    }
}

/// Explains a number that no process of this machine can have.
fn beyond_pid_max(pid: Option<Pid>) -> String {
    let pid_max = fs::read_to_string("/proc/sys/kernel/pid_max").ok();
    let pid_max = pid_max.and_then(|text| text.trim().parse::<i32>().ok());
    match (pid, pid_max) {
        (Some(pid), Some(pid_max)) if pid.as_raw_nonzero().get() >= pid_max => {
            format!(" (pids go up to {} here)", pid_max - 1)
        }
        _ => String::new(),
    }
}
