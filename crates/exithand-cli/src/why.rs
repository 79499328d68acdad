//! `exithand why`.

use std::io::Write;

use anyhow::anyhow;
use exithand::{ExitHandle, Pid};
use exithand_recorder::{
    Answer, ExitRecord, Filter, Gap, History, Order, Pattern, Query, WallTime,
};

use crate::ask::crash_loop::{CrashLoop, crash_loops};
use crate::ask::gap;
use crate::ask::json_line;
use crate::ask::open::{Opened, SourceArgs};
use crate::ask::pages::each_page;
use crate::ask::scene::Scene;
use crate::ask::tale::{Case, circle, tell};
use crate::ask::target::{self, Target};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::text::printable;

/// Say why a process ended: how, when, who did it, and what to look at next
///
/// Asks the recorder, or reads its history. What is told is the end that was recorded last.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A pid, a token, the name of a program, a systemd unit or a container's id
    ///
    /// A word is taken for a name first, then for a unit, then for the beginning of a container's
    /// id. `*` stands for any text.
    #[arg(value_name = "TARGET", allow_negative_numbers = true)]
    target: String,

    /// Tell of every end that is recorded, the last one first
    #[arg(long)]
    all: bool,

    /// Print one JSON object a line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    source: SourceArgs,
}

/// How much else is looked at to tell one end.
const NEARBY: u32 = 1000;
/// How far a crash loop is looked for, before and after.
const LOOP_NS: i64 = 3_600 * 1_000_000_000;

/// Prints to `out` why the target ended.
///
/// # Errors
///
/// A missing failure where nothing is recorded of it.
pub fn run(args: &Args, out: impl Write) -> Result<ExitCode, Failure> {
    let target = target::parse(&args.target).map_err(Failure::usage)?;
    let opened = args.source.open()?;
    let question = Question {
        args,
        target,
        opened,
        scene: Scene::here(),
    };
    question.answer(out)
}

struct Question<'a> {
    args: &'a Args,
    target: Target,
    opened: Opened,
    scene: Scene,
}

impl Question<'_> {
    fn answer(&self, mut out: impl Write) -> Result<ExitCode, Failure> {
        let history = self.opened.history.as_ref();
        let mut last = Answer::default();
        for filter in &self.target.readings {
            let query = Query {
                filter: filter.clone(),
                order: Order::Newest,
                limit: 1,
                after: None,
            };
            last = history.query(&query)?;
            if last.records.is_empty() {
                continue;
            }
            self.warn_of_successor(&last.records);
            if self.args.all {
                self.tell_all(query, &mut out)?;
            } else {
                self.tell_one(&last.records[0], &last.gaps, &mut out)?;
            }
            out.flush()?;
            return Ok(ExitCode::Success);
        }
        out.flush()?;
        Err(Failure::Missing(anyhow!(self.nothing(&last))))
    }

    fn tell_all(&self, query: Query, out: &mut impl Write) -> Result<(), Failure> {
        let mut blank = "";
        each_page(self.opened.history.as_ref(), query, None, |page| {
            for record in &page.records {
                if !self.args.json {
                    write!(out, "{blank}")?;
                    blank = "\n";
                }
                // What may be missing after it is told with the record that follows.
                let near: Vec<Gap> = page
                    .gaps
                    .iter()
                    .filter(|it| it.touches(record.ended))
                    .cloned()
                    .collect();
                self.tell_one(record, &near, out)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn tell_one(
        &self,
        record: &ExitRecord,
        gaps: &[Gap],
        out: &mut impl Write,
    ) -> Result<(), Failure> {
        let touching = |gap: &&Gap| gap.touches(record.ended);
        let near: Vec<Gap> = gaps.iter().filter(touching).cloned().collect();
        if self.args.json {
            let line = json_line(record, !near.is_empty(), self.opened.details(record));
            writeln!(out, "{line}")?;
            return Ok(());
        }
        let later = gaps
            .iter()
            .filter(|gap| !touching(gap) && gap.from >= record.ended);
        // A token names one process, of which there is no later end.
        let by_token = self.target.readings.iter().any(|it| it.token.is_some());
        let later: Vec<Gap> = later.filter(|_| !by_token).cloned().collect();
        let history = self.opened.history.as_ref();
        let crash_loop = crash_loop(history, record)?;
        let case = Case {
            record,
            nearby: &nearby(history, record)?,
            gaps: &near,
            later_gaps: &later,
            crash_loop: crash_loop.as_ref(),
            details: self.opened.details(record),
        };
        out.write_all(tell(&case, &self.scene).as_bytes())?;
        Ok(())
    }

    /// Says so where the pid is that of a process that is alive.
    fn warn_of_successor(&self, found: &[ExitRecord]) {
        let Some((number, handle)) = self.target.pid.and_then(living) else {
            return;
        };
        let token = handle.token();
        if found.iter().all(|it| !it.token.is_same_process(&token)) {
            anstream::eprintln!(
                "exithand: pid {number} is now that of another process, which is alive; this is about an earlier one"
            );
        }
    }

    /// Says that nothing is recorded, since when that is sure, and what to do.
    fn nothing(&self, last: &Answer) -> String {
        let word = &self.args.target;
        if let Some((number, _)) = self.target.pid.and_then(living) {
            return format!(
                "process {number} has not ended: wait for it with `exithand wait {number}`"
            );
        }
        let word = printable(word.as_bytes());
        let Some(oldest) = last.oldest else {
            return format!("no end of {word} is recorded: the history is empty");
        };
        let gaps = match &last.gaps[..] {
            [] => String::new(),
            [.., latest] => format!(
                "; records may be missing: {}",
                gap::words(latest, &self.scene)
            ),
        };
        format!(
            "no end of {word} is recorded since {} ({}), when the history begins{gaps}; what is \
             recorded is listed by `exithand history`",
            self.scene.local(oldest),
            self.scene.ago(oldest),
        )
    }
}

/// Opens a process that has not ended.
fn living(pid: Pid) -> Option<(i32, ExitHandle)> {
    let handle = ExitHandle::open(pid).ok()?;
    let alive = handle.state().ok()? == exithand::State::Alive;
    alive.then(|| (pid.as_raw_nonzero().get(), handle))
}

/// Finds what else of its unit, container or family ended at about the same time.
fn nearby(history: &dyn History, record: &ExitRecord) -> Result<Vec<ExitRecord>, Failure> {
    let Some(circle) = circle(record) else {
        return Ok(Vec::new());
    };
    let query = Query {
        filter: circle.nearby(record.ended),
        order: Order::Oldest,
        limit: NEARBY,
        after: None,
    };
    Ok(history.query(&query)?.records)
}

/// Finds the crash loop that an end is part of.
fn crash_loop(history: &dyn History, record: &ExitRecord) -> Result<Option<CrashLoop>, Failure> {
    if record.outcome.success() {
        return Ok(None);
    }
    let moved = |by: i64| {
        let unix_ns = record.ended.unix_ns.saturating_add(by);
        Some(WallTime { unix_ns })
    };
    let units = record.place.unit.as_deref().map(Pattern::exactly);
    let query = Query {
        filter: Filter {
            since: moved(-LOOP_NS),
            until: moved(LOOP_NS),
            names: vec![Pattern::exactly(&record.comm.to_string_lossy())],
            units: units.into_iter().collect(),
            ..Filter::default()
        },
        order: Order::Newest,
        limit: NEARBY,
        after: None,
    };
    let loops = crash_loops(&history.query(&query)?.records);
    Ok(loops.into_iter().find(|it| it.has(record)))
}
