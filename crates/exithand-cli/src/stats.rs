//! `exithand stats`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::num::NonZeroU64;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use anyhow::anyhow;
use clap::ValueEnum;
use exithand_recorder::json::{GapLine, readable, rfc3339};
use exithand_recorder::{Filter, GroupBy, History, Order, Query, Stats, StatsQuery, WallTime};
use serde::Serialize;

use crate::ask::buckets::{COLUMNS_MAX, Grid, Group, bucket, columns, groups};
use crate::ask::crash_loop::{CrashLoop, crash_loops};
use crate::ask::filter_args::{FilterArgs, TimeArgs};
use crate::ask::gap;
use crate::ask::loop_groups;
use crate::ask::open::SourceArgs;
use crate::ask::plot::{Letters, plot};
use crate::ask::scene::Scene;
use crate::duration;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::text::printable;

/// Count how processes ended, over time, and find crash loops
///
/// Asks the recorder, or reads its history. One row a group, one column a stretch of time; a
/// column is as high as the most that ended in one stretch. `--since` is a day ago unless given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is counted together
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = By::Unit)]
    by: By,

    /// How long one column is [default: so that they fit]
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    bucket: Option<Duration>,

    /// How many rows at most; 0 is all. The rest is one row
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,

    /// Print one JSON object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    source: SourceArgs,

    #[command(flatten)]
    time: TimeArgs,

    #[command(flatten)]
    filter: FilterArgs,
}

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Processes of one systemd unit.
    Unit,
    /// Those of one name.
    Name,
    /// Those that ended alike.
    Outcome,
    /// Those of one user.
    User,
    /// Those that one signal killed.
    Signal,
    /// Those of one container.
    Container,
}

impl By {
    fn group_by(self) -> GroupBy {
        match self {
            Self::Unit => GroupBy::Unit,
            Self::Name => GroupBy::Name,
            Self::User => GroupBy::User,
            Self::Container => GroupBy::Container,
            Self::Outcome | Self::Signal => GroupBy::Outcome,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Name => "name",
            Self::Outcome => "outcome",
            Self::User => "user",
            Self::Signal => "signal",
            Self::Container => "container",
        }
    }

    /// Turns the key of a tally into a group.
    fn name(self, key: Option<&OsString>) -> Option<OsString> {
        let key = key?;
        match self {
            Self::Signal => signal(key),
            _ => Some(key.clone()),
        }
    }
}

/// Returns the signal of an outcome such as `killed 11 SEGV core`.
fn signal(outcome: &OsStr) -> Option<OsString> {
    let name = outcome
        .to_str()?
        .strip_prefix("killed ")?
        .split(' ')
        .nth(1)?;
    Some(name.into())
}

/// How long is looked back.
const DAY: Duration = Duration::from_hours(24);
/// The columns that a terminal has room for beside the names.
const COLUMNS: u64 = 49;
/// In how many of the newest exits crash loops are looked for.
const LOOKED_AT: u32 = 10_000;

/// Prints the counts to `out`.
///
/// # Errors
///
/// A usage failure for what no record can be, and those of the history and the writer.
pub fn run(args: &Args, mut out: impl Write) -> Result<ExitCode, Failure> {
    let scene = Scene::here();
    let filter = args.time.restrict(args.filter.filter()?)?;
    let (filter, grid) = frame(args, filter, scene.now)?;
    let opened = args.source.open()?;
    let history = opened.history.as_ref();
    let bucket_ns = u64::try_from(grid.bucket.as_nanos()).unwrap_or(u64::MAX);
    let stats = history.stats(&StatsQuery {
        filter: filter.clone(),
        by: args.by.group_by(),
        bucket_ns: NonZeroU64::new(bucket_ns),
    })?;
    let report = Report {
        by: args.by,
        groups: groups(&stats.tallies, |key| args.by.name(key), &grid),
        loops: loops(history, filter)?,
        letters: Letters::of_locale(|name| env::var(name).ok()),
        grid,
        stats,
        scene,
    };
    if args.json {
        report.json(&mut out)?;
    } else {
        report.text(args.limit, &mut out)?;
    }
    out.flush()?;
    Ok(ExitCode::Success)
}

/// Decides which stretch of time is looked at, and in which steps.
fn frame(args: &Args, filter: Filter, now: WallTime) -> Result<(Filter, Grid), Failure> {
    let until = filter.until.unwrap_or(now);
    let day_ns = i64::try_from(DAY.as_nanos()).unwrap_or(i64::MAX);
    let since = filter.since.unwrap_or(WallTime {
        unix_ns: until.unix_ns.saturating_sub(day_ns),
    });
    let step = match args.bucket {
        None => bucket(since, until, COLUMNS),
        Some(step) if step < Duration::from_secs(1) => {
            let advice = "--bucket is shorter than a second, the shortest that is plotted";
            return Err(Failure::Usage(anyhow!(advice)));
        }
        Some(step) => step,
    };
    let count = columns(since, until, step);
    if count > COLUMNS_MAX {
        return Err(Failure::Usage(anyhow!(
            "--bucket {} makes {count} columns, and {COLUMNS_MAX} is the most: write a longer one",
            duration::format(step),
        )));
    }
    let grid = Grid::new(since, until, step);
    let filter = Filter {
        since: Some(since),
        ..filter
    };
    Ok((filter, grid))
}

/// Finds crash loops among the newest exits, whatever ends were asked for: a success between two
/// failures makes the difference.
fn loops(history: &dyn History, filter: Filter) -> Result<Vec<CrashLoop>, Failure> {
    let filter = Filter {
        outcomes: Vec::new(),
        signals: Vec::new(),
        killer: None,
        oom: None,
        failed_only: false,
        min_runtime: None,
        max_runtime: None,
        ..filter
    };
    let answer = history.query(&Query {
        filter,
        order: Order::Newest,
        limit: LOOKED_AT,
        after: None,
    })?;
    Ok(crash_loops(&answer.records))
}

struct Report {
    by: By,
    groups: Vec<Group>,
    loops: Vec<CrashLoop>,
    letters: Letters,
    grid: Grid,
    stats: Stats,
    scene: Scene,
}

impl Report {
    fn text(&self, limit: usize, out: &mut impl Write) -> Result<(), Failure> {
        let (first, step) = (self.grid.first, self.grid.bucket);
        writeln!(
            out,
            "exits by {} since {}, a column each {}",
            self.by.word(),
            self.scene.local(first),
            duration::format(step)
        )?;
        let shown = with_rest(&self.groups, limit);
        let counts = |it: &(String, Group)| it.1.over_time.iter().copied().max().unwrap_or(0);
        let named: Vec<(String, Group)> = shown
            .into_iter()
            .map(|(name, it)| (name.unwrap_or_else(|| self.title(&it)), it))
            .collect();
        let highest = named.iter().map(counts).max().unwrap_or(0);
        let heading = self.by.word().to_uppercase();
        let widths = named.iter().map(|(name, _)| name.chars().count());
        let width = widths.fold(heading.len(), usize::max);
        if named.is_empty() {
            writeln!(out, "nothing ended")?;
        } else {
            writeln!(
                out,
                "{:>9} {:>8} {:>5}  {:width$}  highest column: {highest}",
                "EXITS", "FAILED", "OOM", heading
            )?;
        }
        for (name, group) in &named {
            let plotted = plot(&group.over_time, highest, self.letters);
            let line = format!(
                "{:>9} {:>8} {:>5}  {name:width$}  {plotted}",
                group.exits, group.failed, group.oom
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        for line in loop_groups::lines(&self.loops, &self.scene) {
            writeln!(out, "{line}")?;
        }
        for it in &self.stats.gaps {
            writeln!(out, "-- {}", gap::words(it, &self.scene))?;
        }
        Ok(())
    }

    /// Names a group for people.
    fn title(&self, group: &Group) -> String {
        let Some(name) = &group.name else {
            return "-".to_owned();
        };
        let number = name.to_str().and_then(|it| it.parse().ok());
        match (self.by, number) {
            (By::User, Some(uid)) => self.scene.user(uid),
            _ => printable(name.as_bytes()),
        }
    }

    fn json(&self, out: &mut impl Write) -> Result<(), Failure> {
        for tally in &self.stats.tallies {
            let group = self.by.name(tally.group.as_ref());
            let line = TallyLine {
                v: 1,
                by: self.by.word(),
                group: group.as_deref().map(readable),
                start: tally.start.map(rfc3339),
                bucket_ns: self.grid.bucket.as_nanos(),
                exits: tally.exits,
                failed: tally.failed,
                oom_kills: tally.oom,
            };
            print_json(&line, out)?;
        }
        for it in &self.loops {
            let line = LoopLine {
                v: 1,
                crash_loop: readable(&it.name),
                unit: it.unit.as_deref(),
                times: it.times,
                first: rfc3339(it.first),
                last: rfc3339(it.last),
                longest_runtime_ns: it.longest_ns,
                outcome: it.outcome.to_string(),
            };
            print_json(&line, out)?;
        }
        for it in &self.stats.gaps {
            writeln!(out, "{}", GapLine::new(it))?;
        }
        Ok(())
    }
}

fn print_json(line: &impl Serialize, out: &mut impl Write) -> Result<(), Failure> {
    let text = serde_json::to_string(line).map_err(anyhow::Error::from)?;
    Ok(writeln!(out, "{text}")?)
}

/// Leaves `limit` groups and adds up the others; 0 leaves all.
fn with_rest(groups: &[Group], limit: usize) -> Vec<(Option<String>, Group)> {
    let limit = if limit == 0 { groups.len() } else { limit };
    let (shown, rest) = groups.split_at(limit.min(groups.len()));
    let mut rows: Vec<_> = shown.iter().map(|it| (None, it.clone())).collect();
    if let [first, others @ ..] = rest {
        let mut sum = first.clone();
        for other in others {
            sum.exits += other.exits;
            sum.failed += other.failed;
            sum.oom += other.oom;
            for (count, more) in sum.over_time.iter_mut().zip(&other.over_time) {
                *count += more;
            }
        }
        rows.push((Some(format!("({} others)", rest.len())), sum));
    }
    rows
}

/// One line of `--json`: the exits of one group in one stretch of time.
#[derive(Debug, Serialize)]
struct TallyLine {
    v: u8,
    by: &'static str,
    group: Option<String>,
    start: Option<String>,
    bucket_ns: u128,
    exits: u64,
    failed: u64,
    oom_kills: u64,
}

/// One line of `--json`: a crash loop.
#[derive(Debug, Serialize)]
struct LoopLine<'a> {
    v: u8,
    crash_loop: String,
    unit: Option<&'a str>,
    times: usize,
    first: String,
    last: String,
    longest_runtime_ns: u64,
    outcome: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::kept::Kept;
    use crate::ask::scene::tests::{at, scene};

    fn report(by: By) -> Report {
        let history = Kept::numbered(120);
        let since = at("2026-11-24T12:42:00Z");
        let grid = Grid::new(since, at("2026-11-24T12:45:00Z"), Duration::from_secs(30));
        let stats = history
            .stats(&StatsQuery {
                filter: Filter::default(),
                by: by.group_by(),
                bucket_ns: NonZeroU64::new(30_000_000_000),
            })
            .unwrap();
        Report {
            by,
            groups: groups(&stats.tallies, |key| by.name(key), &grid),
            loops: Vec::new(),
            letters: Letters::Ascii,
            grid,
            stats,
            scene: scene(),
        }
    }

    fn text(by: By, limit: usize) -> String {
        let mut out = Vec::new();
        report(by).text(limit, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn counts_are_plotted_over_time() {
        assert_eq!(
            text(By::Name, 20),
            "\
exits by name since 2026-11-24 13:42:00, a column each 30s
    EXITS   FAILED   OOM  NAME  highest column: 30
      120      120     0  job   #@@@:
"
        );
    }

    #[test]
    fn outcomes_without_a_signal_belong_to_none() {
        assert_eq!(
            signal(OsStr::new("killed 11 SEGV core")),
            Some("SEGV".into())
        );
        assert_eq!(signal(OsStr::new("exited 3")), None);
        assert!(text(By::Signal, 20).contains("  -       #@@@:"));
    }

    #[test]
    fn what_is_left_out_is_added_up() {
        let group = |name: &str, exits| Group {
            name: Some(name.into()),
            exits,
            failed: 1,
            oom: 0,
            over_time: vec![exits, 0],
        };
        let all = [group("a", 5), group("b", 3), group("c", 2)];
        let rows = with_rest(&all, 1);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1].0.as_deref(), Some("(2 others)"));
        assert_eq!((rows[1].1.exits, rows[1].1.failed), (5, 2));
        assert_eq!(rows[1].1.over_time, [5, 0]);
        assert_eq!(with_rest(&all, 0).len(), 3);
        assert_eq!(with_rest(&all, 3).len(), 3);
    }
}
