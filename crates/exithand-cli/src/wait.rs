//! `exithand wait`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use exithand::{
    Count, Deadline, Exit, Key, Member, Source, State, StatusSource, Until, WaitOptions, WaitSet,
};

use crate::duration;
use crate::end_args::EndArgs;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output::{Format, Reporter, Standing};
use crate::progress::Progress;
use crate::tally::Tally;
use crate::target::{Gone, Label, Opened, TargetArgs};

/// Wait until processes have ended, and say how
///
/// Waits for every target, whoever's child it is, without polling; prints one line for each as it
/// ends. Needs no privilege.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Return as soon as one of the targets has ended
    #[arg(long, conflicts_with = "count")]
    any: bool,

    /// Return as soon as N of the targets have ended
    #[arg(long, value_name = "N")]
    count: Option<usize>,

    /// Give up after this long, list who is still alive and exit with 124
    ///
    /// A number and a unit (us, ms, s, m, h, d), which may be strung together: 500ms, 1.5s, 2m, 1h30m. A
    /// number alone is seconds; 0 looks once and does not wait. Time goes on while the machine is
    /// suspended.
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    timeout: Option<Duration>,

    /// Wait through the exithand files in this directory, where opening processes is forbidden
    ///
    /// The directory is one that `exithand mount` serves, or one bound into a sandbox. It takes pids
    /// and tokens, no selectors, and waits for the end.
    #[arg(long, value_name = "DIR")]
    via: Option<PathBuf>,

    /// Exit with the target's exit status, or 128 plus its signal; 126 if nobody says how it ended
    ///
    /// With several targets: that of the first which did not exit with 0.
    #[arg(long)]
    propagate: bool,

    #[command(flatten)]
    pub(crate) end: EndArgs,

    #[command(flatten)]
    targets: TargetArgs,
}

impl Args {
    /// Says how many of `total` targets have to finish.
    fn wanted(&self, total: usize) -> Result<usize, Failure> {
        match self.count {
            _ if self.any => Ok(total.min(1)),
            None => Ok(total),
            Some(0) => Err(Failure::Usage(anyhow!(
                "--count 0 waits for nothing: give 1 or more"
            ))),
            Some(count) if count > total => {
                let s = if total == 1 { "" } else { "s" };
                let error = anyhow!("--count {count} is more than the {total} target{s} given");
                Err(Failure::Usage(error))
            }
            Some(count) => Ok(count),
        }
    }
}

/// Waits, and prints one line for each target to `out`.
///
/// # Errors
///
/// Nothing was waited for if a target was refused.
pub fn run(args: &Args, out: impl Write) -> Result<ExitCode, Failure> {
    let deadline = Deadline::from(args.timeout);
    match &args.via {
        Some(_) if args.end.until == Until::Reaped => {
            Err(Failure::usage(exithand::Error::ReapUntold))
        }
        Some(root) => {
            let opened = args.targets.open_files(root)?;
            wait(args, deadline, out, opened, WaitSet::of_files()?, None)
        }
        None => {
            let recorder = args.end.recorder()?;
            let opened = args.targets.open_with(recorder.as_ref())?;
            let set = WaitSet::new(args.end.until)?;
            let source = recorder.as_ref().map(|it| -> &dyn StatusSource { it });
            wait(args, deadline, out, opened, set, source)
        }
    }
}

fn wait<H: Member>(
    args: &Args,
    deadline: Deadline,
    out: impl Write,
    opened: Opened<H>,
    set: WaitSet<H>,
    source: Option<&dyn StatusSource>,
) -> Result<ExitCode, Failure> {
    let total = opened.targets.len() + opened.absent.len() + opened.gone.len();
    let wanted = args.wanted(total)?;
    let gone = opened.gone.iter().map(|gone| &gone.label);
    let labels = opened.targets.iter().map(|it| &it.label).chain(gone);
    let mut waiting = Waiting {
        reporter: Reporter::new(out, args.end.format(), labels),
        set,
        awaited: BTreeMap::new(),
        options: WaitOptions {
            until: args.end.until,
            deadline,
            grace: args.end.grace,
            source,
        },
        tally: Tally::new(wanted),
    };
    for target in opened.targets {
        let key = waiting.set.add(target.handle)?;
        waiting.awaited.insert(key, target.label);
    }
    for absent in &opened.absent {
        waiting.tally.count_absent();
        waiting.reporter.absent(absent)?;
    }
    for gone in &opened.gone {
        waiting.report_gone(gone)?;
    }
    waiting.reporter.flush()?;
    waiting.run(&Progress::start(args.end.format()))?;
    let tally = waiting.tally;
    if tally.code() == ExitCode::TimedOut {
        let alive = waiting.report_alive()?;
        if args.end.format() != Format::Quiet {
            say_timed_out(args, alive, total);
        }
    }
    Ok(if args.propagate {
        tally.propagated()
    } else {
        tally.code()
    })
}

/// Everybody who is waited for, and what was seen of them.
struct Waiting<'a, W, H> {
    set: WaitSet<H>,
    /// Those that have not finished, in the order given.
    awaited: BTreeMap<Key, Label>,
    options: WaitOptions<'a>,
    tally: Tally,
    reporter: Reporter<W>,
}

impl<W: Write, H: Member> Waiting<'_, W, H> {
    /// Waits until enough have finished or the time is up, and reports each that has.
    fn run(&mut self, progress: &Progress) -> Result<(), Failure> {
        while self.tally.outstanding() > 0 {
            progress.awaiting(self.awaited.values());
            let finished = self.set.wait(Count::Any, self.options.deadline)?;
            if finished.is_empty() {
                break;
            }
            progress.aside(|| self.report(finished))?;
        }
        Ok(())
    }

    fn report(&mut self, finished: Vec<(Key, H)>) -> Result<(), Failure> {
        // One grace for all that ended together, so that many zombies cost no more than one.
        let grace = Deadline::after(self.options.grace).min(self.options.deadline);
        for (key, handle) in finished {
            let options = WaitOptions {
                grace: grace.remaining().unwrap_or(self.options.grace),
                deadline: Deadline::NEVER,
                ..self.options
            };
            let (Some(label), Some(exit)) =
                (self.awaited.remove(&key), handle.wait_with(&options)?)
            else {
                continue;
            };
            self.tally.count(exit.outcome);
            self.reporter.target(&label, Standing::Finished(exit))?;
        }
        Ok(self.reporter.flush()?)
    }

    /// Reports one that was gone before, as the recorder tells.
    fn report_gone(&mut self, gone: &Gone) -> Result<(), Failure> {
        let exit = Exit {
            token: gone.label.token,
            outcome: gone.outcome,
            reaped: true,
            source: Some(Source::Recorder),
        };
        self.tally.count(exit.outcome);
        let standing = Standing::Finished(exit);
        Ok(self.reporter.target(&gone.label, standing)?)
    }

    /// Lists those who are still alive; returns how many.
    fn report_alive(&mut self) -> Result<usize, Failure> {
        for label in self.awaited.values() {
            self.reporter.target(label, Standing::Is(State::Alive))?;
        }
        self.reporter.flush()?;
        Ok(self.awaited.len())
    }
}

fn say_timed_out(args: &Args, alive: usize, total: usize) {
    let after = duration::format(args.timeout.unwrap_or_default());
    anstream::eprintln!("exithand: timed out after {after}: {alive} of {total} still alive");
}
