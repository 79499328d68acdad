//! `exithand doctor`.

use std::fs;
use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use exithand::probe::{self, Answer, Feature, Probe};
use serde::Serialize;

use crate::duration;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::limits::{descriptor_limits, raise_descriptor_limit};
use crate::pid_space::PidSpace;
use crate::reuse;

/// Say what works on this machine, what does not, and what would help
///
/// Tries every kernel feature exithand uses, with the caller's privileges; looks at the limit on
/// descriptors; and measures for a second how fast pids are used up, to tell how soon one can be
/// given to another process.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// Tell of pids only: how soon one comes again, and how often that fools a script which polls
    #[arg(long)]
    reuse: bool,
}

/// How long the fork rate is measured.
const WINDOW: Duration = Duration::from_secs(1);

/// Prints the report to `out`.
///
/// # Errors
///
/// The writer's, or a `/proc` that cannot be read.
pub fn run(args: &Args, mut out: impl Write) -> Result<ExitCode, Failure> {
    if args.reuse {
        let pids = PidSpace::measure(WINDOW)?;
        if args.json {
            reuse::json(&pids, &mut out)?;
        } else {
            reuse::text(&pids, &mut out)?;
        }
        out.flush()?;
        return Ok(ExitCode::Success);
    }
    let (soft, hard) = descriptor_limits();
    raise_descriptor_limit();
    let report = Report {
        probes: probe::all(),
        soft,
        hard,
        pids: PidSpace::measure(WINDOW)?,
    };
    if args.json {
        json(&report, &mut out)?;
    } else {
        text(&report, &mut out)?;
    }
    out.flush()?;
    let works = |it: &Probe| it.feature == Feature::Open && it.answer.is_yes();
    let works = report.probes.iter().any(works);
    Ok(if works {
        ExitCode::Success
    } else {
        ExitCode::Failed
    })
}

/// What was found out.
struct Report {
    probes: Vec<Probe>,
    /// The soft limit on descriptors, as it was.
    soft: Option<u64>,
    hard: Option<u64>,
    pids: PidSpace,
}

fn text(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let Report {
        probes,
        soft,
        hard,
        pids,
    } = report;
    heading(out, "Kernel features")?;
    for probe in probes {
        line(out, probe)?;
    }
    let (works, why) = others_visible();
    mark(out, works)?;
    writeln!(out, "{:<36} {why}", "see other users' processes")?;

    heading(out, "Descriptors")?;
    writeln!(
        out,
        "  each process that is waited for takes one; the limit is {}",
        limit(*hard)
    )?;
    if soft != hard {
        writeln!(
            out,
            "  ({} before exithand raised it for itself)",
            limit(*soft)
        )?;
    }

    heading(out, "Pids")?;
    writeln!(
        out,
        "  {} alive, numbers up to {}",
        pids.alive,
        pids.pid_max.saturating_sub(1)
    )?;
    for (when, forks) in [
        ("now", pids.forks_now),
        ("since boot", pids.forks_since_boot),
    ] {
        writeln!(
            out,
            "  {forks:.1} started a second {when}: {}",
            comes_back(pids, forks)
        )?;
    }
    writeln!(
        out,
        "  a script that polls a pid may see another process by then; a token never does"
    )
}

fn line(out: &mut impl Write, probe: &Probe) -> io::Result<()> {
    mark(out, probe.answer.is_yes())?;
    writeln!(
        out,
        "{:<36} {}",
        probe.feature.to_string(),
        probe.feature.call()
    )?;
    if let Some(remedy) = probe.answer.remedy() {
        writeln!(out, "       {}; to get it: {remedy}", probe.answer)?;
    }
    Ok(())
}

fn heading(out: &mut impl Write, words: &str) -> io::Result<()> {
    let bold = Style::new().bold();
    writeln!(out, "{bold}{words}{bold:#}")
}

fn mark(out: &mut impl Write, works: bool) -> io::Result<()> {
    let (color, word) = if works {
        (AnsiColor::Green, "yes")
    } else {
        (AnsiColor::Red, "no")
    };
    let style = color.on_default();
    write!(out, "  {style}{word:<4}{style:#} ")
}

fn limit(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string())
}

fn comes_back(pids: &PidSpace, forks: f64) -> String {
    match pids.lap(forks) {
        Some(lap) => format!(
            "a freed pid comes back within {}",
            duration::format(duration::coarse(lap))
        ),
        None => "no pid comes back".to_owned(),
    }
}

/// Says whether `/proc` shows processes of others; pid 1 stands for them.
fn others_visible() -> (bool, String) {
    match fs::read("/proc/1/stat") {
        Ok(_) => (true, "read /proc/1/stat".to_owned()),
        Err(error) => (
            false,
            format!("read /proc/1/stat: {error}; is /proc mounted with hidepid?"),
        ),
    }
}

#[derive(Serialize)]
struct FeatureRecord {
    v: u8,
    feature: String,
    works: bool,
    tried: &'static str,
    answer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Serialize)]
struct LimitsRecord {
    v: u8,
    descriptors_soft: Option<u64>,
    descriptors_hard: Option<u64>,
    pid_max: u64,
    alive: u64,
    forks_per_second: f64,
    forks_per_second_since_boot: f64,
    pid_reuse_seconds: Option<f64>,
}

fn json(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let Report {
        probes,
        soft,
        hard,
        pids,
    } = report;
    for probe in probes {
        let answer: Answer = probe.answer;
        let record = FeatureRecord {
            v: 1,
            feature: probe.feature.to_string(),
            works: answer.is_yes(),
            tried: probe.feature.call(),
            answer: answer.to_string(),
            remedy: answer.remedy(),
        };
        serde_json::to_writer(&mut *out, &record)?;
        writeln!(out)?;
    }
    let record = LimitsRecord {
        v: 1,
        descriptors_soft: *soft,
        descriptors_hard: *hard,
        pid_max: pids.pid_max,
        alive: pids.alive,
        forks_per_second: pids.forks_now,
        forks_per_second_since_boot: pids.forks_since_boot,
        pid_reuse_seconds: pids.lap(pids.forks_now).map(|lap| lap.as_secs_f64()),
    };
    serde_json::to_writer(&mut *out, &record)?;
    writeln!(out)
}
