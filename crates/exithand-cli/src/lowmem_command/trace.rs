//! `exithand lowmem trace` and `simulate`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use exithand_lowmem::config::Config;
use exithand_lowmem::daemon::{self, Snapshot};
use exithand_lowmem::decide::{Means, Verdict};
use exithand_lowmem::record::Mib;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::duration;
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Arguments of `trace`.
#[derive(Debug, clap::Args)]
pub(super) struct TraceArgs {
    /// Take a snapshot so often
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::parse)]
    every: Duration,

    /// Stop after so many snapshots; else when standard output is closed
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

/// Arguments of `simulate`.
#[derive(Debug, clap::Args)]
pub(super) struct SimulateArgs {
    /// What `trace` has printed; `-` is standard input
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
}

/// Prints snapshots.
pub(super) fn trace(
    args: &TraceArgs,
    config: &Config,
    mut out: impl Write,
) -> Result<ExitCode, Failure> {
    let mut left = args.count;
    while left != Some(0) {
        let snapshot = daemon::snapshot(config).context("read /proc")?;
        serde_json::to_writer(&mut out, &snapshot).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
        out.flush()?;
        left = left.map(|left| left - 1);
        if left != Some(0) && !reader_stays(args.every)? {
            break;
        }
    }
    Ok(ExitCode::Success)
}

/// Lets time pass until the next snapshot; says whether anybody still reads.
fn reader_stays(time: Duration) -> io::Result<bool> {
    let stdout = rustix::stdio::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    let timeout = Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    };
    Ok(poll(&mut fds, Some(&timeout))? == 0)
}

/// Prints who would have been killed.
pub(super) fn simulate(
    args: &SimulateArgs,
    config: &Config,
    mut out: impl Write,
) -> Result<ExitCode, Failure> {
    let name = args.trace.display();
    let input: Box<dyn BufRead> = if args.trace.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(&args.trace).with_context(|| format!("open {name}"))?;
        Box::new(BufReader::new(file))
    };
    let mut snapshots = Vec::new();
    for (number, line) in (1..).zip(input.lines()) {
        let line = line.with_context(|| format!("read {name}"))?;
        let snapshot: Snapshot = serde_json::from_str(&line)
            .map_err(|error| Failure::Usage(anyhow!("{name}:{number}: {error}")))?;
        snapshots.push(snapshot);
    }
    let begin = snapshots.first().map_or(Duration::ZERO, |it| it.sample.at);
    let (mut lines, mut result) = (0, Ok(()));
    let count = snapshots.len();
    daemon::simulate(config, snapshots, |at, verdict, victim| {
        let Verdict::Kill { why, need, means } = verdict else {
            return;
        };
        lines += 1;
        let verb = if *means == Means::Ask { "ask" } else { "kill" };
        let seconds = at.saturating_sub(begin).as_secs_f64();
        let (pid, name, size) = (
            victim.identity.pid,
            victim.name,
            Mib(victim.relief_bytes(0)),
        );
        let (why, deficit) = (why.words(), Mib(need.deficit_bytes));
        let line = writeln!(
            out,
            "{seconds:.1}s  would {verb} {pid} {name} ({size}): {why}; {deficit} needed"
        );
        result = std::mem::replace(&mut result, Ok(())).and(line);
    });
    result?;
    writeln!(out, "{count} snapshots, {lines} kills")?;
    out.flush()?;
    Ok(ExitCode::Success)
}
