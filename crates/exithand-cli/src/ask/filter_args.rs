//! Which records are asked for, as the user says it.

use std::time::Duration;

use anyhow::anyhow;
use clap::ValueEnum;
use clap::builder::{StringValueParser, TypedValueParser};
use exithand::Signal;
use exithand_recorder::{Filter, KillerFilter, OomFilter, OutcomeKind, Pattern, WallTime};

use super::target::{UNIT_KINDS, is_unit};
use super::when;
use crate::duration;
use crate::failure::Failure;
use crate::select::user;

/// Selects records by the time of the end.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which records")]
pub struct TimeArgs {
    /// Only what ended at this moment or later
    ///
    /// `2 hours ago`, `1h30m` (as long ago), `10:30` (the last one), `yesterday`, `2026-11-24`,
    /// `2026-11-24 10:30` or RFC 3339.
    #[arg(long, value_name = "WHEN", value_parser = when::parse_now, allow_hyphen_values = true)]
    pub since: Option<WallTime>,

    /// Only what ended before this moment
    #[arg(long, value_name = "WHEN", value_parser = when::parse_now, allow_hyphen_values = true)]
    pub until: Option<WallTime>,
}

/// Selects records by all but their time; all that is given must hold.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which records")]
pub struct FilterArgs {
    /// Only processes, or programs, of this name; `*` stands for any text
    #[arg(long, value_name = "PATTERN", value_parser = parsed(|text| Pattern::new(text)))]
    pub name: Vec<Pattern>,

    /// Only those of these users, by name or number
    #[arg(long, value_name = "USER", value_delimiter = ',', value_parser = user)]
    pub user: Vec<u32>,

    /// Only those of this systemd unit; `.service` may be left out, `*` stands for any text
    #[arg(long, value_name = "PATTERN", value_parser = parsed(unit))]
    pub unit: Vec<Pattern>,

    /// Only those of the containers whose ids begin like this
    #[arg(long, value_name = "ID", value_parser = parsed(container))]
    pub container: Vec<Pattern>,

    /// Only those with these pids
    #[arg(long, value_name = "PID", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub pid: Vec<u32>,

    /// Only those that ended so
    #[arg(long, value_enum, value_name = "HOW", value_delimiter = ',')]
    pub outcome: Vec<Ending>,

    /// Only those that exited with these statuses; adds to `--outcome`
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub status: Vec<u8>,

    /// Only those killed by these signals
    #[arg(long, value_name = "SIGNAL", value_delimiter = ',')]
    pub signal: Vec<Signal>,

    /// Only those that this one killed: a pid, a unit or a name; `*` stands for any text
    #[arg(long, value_name = "KILLER", value_parser = parsed(killer))]
    pub killer: Option<KillerFilter>,

    /// Only those that the kernel killed for want of memory: a cgroup's, or the machine's
    #[arg(long, value_enum, value_name = "WHOSE", num_args = 0..=1, require_equals = true, default_missing_value = "any")]
    pub oom: Option<Memory>,

    /// Only those that a signal ended, or an exit status other than 0
    #[arg(long)]
    pub failed: bool,

    /// Only those that ran at least as long
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub min_runtime: Option<Duration>,

    /// Only those that ran at most as long
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    pub max_runtime: Option<Duration>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ending {
    /// By its own call.
    Exited,
    /// By a signal.
    Killed,
    /// By a signal, with a core dump.
    Core,
    /// Nobody knows how.
    Unknown,
}

/// Whose memory ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Memory {
    /// Anybody's.
    Any,
    /// That of a memory cgroup.
    Memcg,
    /// The machine's.
    Global,
}

impl TimeArgs {
    /// Adds the times to a filter.
    ///
    /// # Errors
    ///
    /// A usage failure for a time that is over before it begins.
    pub fn restrict(&self, filter: Filter) -> Result<Filter, Failure> {
        if self
            .since
            .zip(self.until)
            .is_some_and(|(since, until)| since >= until)
        {
            let advice = "--since is not before --until: nothing can have ended between them";
            return Err(Failure::Usage(anyhow!(advice)));
        }
        Ok(Filter {
            since: self.since,
            until: self.until,
            ..filter
        })
    }
}

impl FilterArgs {
    /// Returns the filter.
    ///
    /// # Errors
    ///
    /// A usage failure for what no record can be.
    pub fn filter(&self) -> Result<Filter, Failure> {
        let crossed = self
            .min_runtime
            .zip(self.max_runtime)
            .is_some_and(|(min, max)| min > max);
        if crossed {
            let advice = "--min-runtime is longer than --max-runtime: nothing can have run so long";
            return Err(Failure::Usage(anyhow!(advice)));
        }
        let endings = self.outcome.iter().map(|it| match it {
            Ending::Exited => OutcomeKind::Exited,
            Ending::Killed => OutcomeKind::Killed,
            Ending::Core => OutcomeKind::CoreDumped,
            Ending::Unknown => OutcomeKind::Unknown,
        });
        let statuses = self.status.iter().copied().map(OutcomeKind::ExitedWith);
        Ok(Filter {
            pids: self.pid.clone(),
            names: self.name.clone(),
            users: self.user.clone(),
            units: self.unit.clone(),
            containers: self.container.clone(),
            outcomes: endings.chain(statuses).collect(),
            signals: self.signal.clone(),
            killer: self.killer.clone(),
            oom: self.oom.map(|it| match it {
                Memory::Any => OomFilter::Any,
                Memory::Memcg => OomFilter::Memcg,
                Memory::Global => OomFilter::Global,
            }),
            failed_only: self.failed,
            min_runtime: self.min_runtime,
            max_runtime: self.max_runtime,
            ..Filter::default()
        })
    }
}

/// Makes a parser of what makes sense of every text.
fn parsed<T: Clone + Send + Sync + 'static>(
    parse: impl Fn(&str) -> T + Clone + Send + Sync + 'static,
) -> impl TypedValueParser<Value = T> {
    StringValueParser::new().map(move |text| parse(&text))
}

/// Completes the name of a unit.
fn unit(text: &str) -> Pattern {
    if is_unit(text) || text.ends_with('*') {
        Pattern::new(text)
    } else {
        Pattern::new(format!("{text}.{}", UNIT_KINDS[0]))
    }
}

fn container(text: &str) -> Pattern {
    Pattern::new(format!("{}*", text.trim_end_matches('*')))
}

/// Reads who killed: a pid, a unit or the name of a program.
fn killer(text: &str) -> KillerFilter {
    if let Ok(pid) = text.parse() {
        KillerFilter::Pid(pid)
    } else if text == "*" {
        KillerFilter::Known
    } else if is_unit(text) {
        KillerFilter::Unit(Pattern::new(text))
    } else {
        KillerFilter::Name(Pattern::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        time: TimeArgs,
        #[command(flatten)]
        filter: FilterArgs,
    }

    fn parse(args: &[&str]) -> Result<Line, clap::Error> {
        Line::try_parse_from(["x"].iter().chain(args))
    }

    fn read(args: &[&str]) -> Result<Filter, Failure> {
        let line = parse(args).unwrap();
        line.filter.filter().and_then(|it| line.time.restrict(it))
    }

    fn filter(args: &[&str]) -> Filter {
        read(args).unwrap()
    }

    #[test]
    fn nothing_asks_for_everything() {
        assert_eq!(filter(&[]), Filter::default());
    }

    #[test]
    fn what_is_typed_is_asked_for() {
        let it = filter(&[
            "--since",
            "-1h",
            "--name",
            "ngi*",
            "--user",
            "root,7",
            "--unit",
            "nginx",
            "--unit",
            "a.scope",
            "--unit",
            "x*",
            "--container",
            "0f3c",
            "--pid",
            "1,2",
            "--outcome",
            "killed,core",
            "--status",
            "3",
            "--signal",
            "kill,15",
            "--failed",
            "--min-runtime",
            "1m",
        ]);
        assert!(it.since.is_some() && it.until.is_none());
        assert_eq!(it.names, [Pattern::new("ngi*")]);
        assert_eq!(it.users, [0, 7]);
        let units = ["nginx.service", "a.scope", "x*"].map(Pattern::new);
        assert_eq!(it.units, units);
        assert_eq!(it.containers, [Pattern::new("0f3c*")]);
        assert_eq!(it.pids, [1, 2]);
        let outcomes = [
            OutcomeKind::Killed,
            OutcomeKind::CoreDumped,
            OutcomeKind::ExitedWith(3),
        ];
        assert_eq!(it.outcomes, outcomes);
        assert_eq!(it.signals, [Signal::KILL, Signal::TERM]);
        assert!(it.failed_only);
        assert_eq!(it.min_runtime, Some(Duration::from_mins(1)));
    }

    #[test]
    fn killers_are_pids_units_or_names() {
        for (text, killer) in [
            ("1", KillerFilter::Pid(1)),
            ("0", KillerFilter::Pid(0)),
            ("*", KillerFilter::Known),
            (
                "oomd.service",
                KillerFilter::Unit(Pattern::new("oomd.service")),
            ),
            ("early*", KillerFilter::Name(Pattern::new("early*"))),
        ] {
            assert_eq!(filter(&["--killer", text]).killer, Some(killer), "{text}");
        }
    }

    #[test]
    fn memory_is_anybodys_unless_said() {
        assert_eq!(filter(&["--oom"]).oom, Some(OomFilter::Any));
        assert_eq!(filter(&["--oom=memcg"]).oom, Some(OomFilter::Memcg));
        assert_eq!(
            filter(&["--oom=global", "--failed"]).oom,
            Some(OomFilter::Global)
        );
    }

    #[test]
    fn what_no_record_can_be_is_refused() {
        for args in [
            &["--since", "1h", "--until", "2h"][..],
            &["--min-runtime", "2s", "--max-runtime", "1s"],
        ] {
            let refused = read(args).unwrap_err();
            assert!(matches!(refused, Failure::Usage(_)), "{args:?}");
        }
        for args in [
            &["--since", "soon"][..],
            &["--status", "256"],
            &["--pid", "0"],
            &["--pid", "-1"],
            &["--signal", "NOPE"],
            &["--outcome", "died"],
            &["--oom=mine"],
            &["--min-runtime", "-1s"],
            &["--user", "no such user"],
        ] {
            assert!(parse(args).is_err(), "{args:?}");
        }
    }
}
