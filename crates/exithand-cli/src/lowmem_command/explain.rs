//! `exithand lowmem --explain`.

use std::io::Write;

use anyhow::Context;
use exithand_lowmem::candidate::Candidate;
use exithand_lowmem::config::Config;
use exithand_lowmem::daemon::{self, Explanation, Snapshot};
use exithand_lowmem::decide::{Means, Verdict};
use exithand_lowmem::record::Mib;
use serde_json::json;

use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Prints levels, deficit and ranking.
pub(super) fn explain(
    config: &Config,
    as_json: bool,
    mut out: impl Write,
) -> Result<ExitCode, Failure> {
    let snapshot = daemon::snapshot(config).context("read /proc")?;
    let explanation = daemon::explain(config, &snapshot);
    if as_json {
        write_json(&snapshot, &explanation, &mut out)?;
    } else {
        write_text(&snapshot, &explanation, &mut out)?;
    }
    out.flush()?;
    Ok(ExitCode::Success)
}

fn ranked<'a>(snapshot: &'a Snapshot, explanation: &'a Explanation) -> Vec<&'a Candidate> {
    let indices = explanation.ranking.as_slice().iter();
    indices.map(|index| &snapshot.candidates[*index]).collect()
}

fn verdict_word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Kill {
            means: Means::Ask, ..
        } => "ask",
        Verdict::Kill {
            means: Means::Kill, ..
        } => "kill",
        _ => "rest",
    }
}

fn write_json(
    snapshot: &Snapshot,
    explanation: &Explanation,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let candidates = ranked(snapshot, explanation);
    let line = json!({
        "v": 1,
        "event": "explain",
        "total_bytes": snapshot.total_bytes,
        "sample": snapshot.sample,
        "levels": explanation.levels,
        "level": explanation.level,
        "verdict": verdict_word(&explanation.verdict),
        "deficit_bytes": explanation.need.deficit_bytes,
        "candidates": candidates,
    });
    writeln!(out, "{line}")
}

fn write_text(
    snapshot: &Snapshot,
    explanation: &Explanation,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let sample = &snapshot.sample;
    let levels = &explanation.levels;
    let (available, total) = (sample.available_bytes >> 20, Mib(snapshot.total_bytes));
    write!(out, "memory  {available} of {total} available, ")?;
    match sample.swap_total_bytes {
        0 => writeln!(out, "no swap")?,
        all => writeln!(
            out,
            "{} of {} swap free",
            sample.swap_free_bytes >> 20,
            Mib(all)
        )?,
    }
    let [warn, soft, hard] =
        [levels.warn_bytes, levels.soft_bytes, levels.hard_bytes].map(|it| it >> 20);
    let (floor, target) = (Mib(levels.floor_bytes), Mib(levels.target_bytes));
    writeln!(
        out,
        "levels  warn {warn}, soft {soft}, hard {hard}, floor {floor}; target {target}"
    )?;
    let deficit = Mib(explanation.need.deficit_bytes);
    if let Verdict::Kill { why, means, .. } = &explanation.verdict {
        let verb = if *means == Means::Ask {
            "asked to end"
        } else {
            "killed"
        };
        let why = why.words();
        writeln!(
            out,
            "now     {why}: the first below would be {verb}; {deficit} needed"
        )?;
    } else {
        let level = explanation.level.word();
        writeln!(
            out,
            "now     {level}: nobody would be killed; below hard, for {deficit}:"
        )?;
    }
    write_ranking(snapshot, explanation, out)
}

fn write_ranking(
    snapshot: &Snapshot,
    explanation: &Explanation,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let candidates = ranked(snapshot, explanation);
    let need = explanation.need;
    if candidates.is_empty() {
        writeln!(out, "nobody may be killed, or is worth it")?;
    } else {
        writeln!(
            out,
            "{:>7}  {:<15}  {:>6}  {:>5}  {:>5}  why",
            "pid", "name", "MiB", "adj", "class"
        )?;
    }
    for it in candidates {
        let relief = it.relief_bytes(need.horizon_ms);
        let covers = if relief >= need.bytes() {
            "covers it"
        } else {
            "does not cover it"
        };
        let (pid, name, adj, class) = (
            it.identity.pid,
            it.name.to_string(),
            it.oom_score_adj,
            it.class,
        );
        let mib = it.relief_bytes(0) >> 20;
        writeln!(
            out,
            "{pid:>7}  {name:<15}  {mib:>6}  {adj:>5}  {class:>5}  {covers}"
        )?;
    }
    write_spared(snapshot, out)
}

/// Names the largest that are spared, and why.
fn write_spared(snapshot: &Snapshot, out: &mut impl Write) -> std::io::Result<()> {
    let spared = snapshot.candidates.iter().filter(|it| it.spared.is_some());
    let mut largest: Vec<&Candidate> = spared.collect();
    largest.sort_by_key(|it| std::cmp::Reverse(it.relief_bytes(0)));
    for it in largest.iter().take(5) {
        if let Some(why) = it.spared {
            let (pid, name, size) = (it.identity.pid, it.name, Mib(it.relief_bytes(0)));
            writeln!(out, "spared  {pid} {name}, {size}: {why}")?;
        }
    }
    Ok(())
}
