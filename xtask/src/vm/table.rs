//! The table in the README of what each kernel gives.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use exithand::probe::Feature;
use serde::Deserialize;

use super::kernels;
use crate::{Verdict, cargo};

const START: &str = "<!-- Written by `cargo xtask vm --table`. -->\n";
const YES: &str = "yes";
const NO: &str = "no";
/// For a kernel that was not asked yet.
const UNKNOWN: &str = "?";
const REMEDY: &str = "README.md: the table of kernels is out of date: run cargo xtask vm --table";

/// What works, by feature, for each kernel.
pub(super) type Columns = BTreeMap<String, BTreeMap<String, bool>>;

/// Reads the output of `exithand doctor --json`.
pub(super) fn features(doctor: &str) -> anyhow::Result<BTreeMap<String, bool>> {
    #[derive(Deserialize)]
    struct Line {
        feature: Option<String>,
        works: Option<bool>,
    }
    let mut features = BTreeMap::new();
    for line in doctor.lines() {
        let line: Line = serde_json::from_str(line).with_context(|| format!("read {line:?}"))?;
        features.extend(line.feature.zip(line.works));
    }
    if features.is_empty() {
        bail!("exithand doctor named no feature");
    }
    Ok(features)
}

/// Says whether the README tells what was found on these kernels.
pub(super) fn faults(found: Columns) -> anyhow::Result<Vec<String>> {
    let readme = fs::read_to_string(readme()).context("read README.md")?;
    let is_right = updated(&readme, found, &names()?)? == readme;
    Ok((!is_right).then(|| REMEDY.to_owned()).into_iter().collect())
}

/// Says whether the README has the table, with every kernel and every feature.
pub(crate) fn check() -> anyhow::Result<Vec<String>> {
    faults(Columns::new())
}

/// Writes into the README what was found.
pub(super) fn write(found: Columns) -> anyhow::Result<Verdict> {
    let path = readme();
    let readme = fs::read_to_string(&path).context("read README.md")?;
    let new = updated(&readme, found, &names()?)?;
    if new != readme {
        fs::write(&path, new).context("write README.md")?;
        println!("README.md has changed");
    }
    Ok(Verdict::Good)
}

fn readme() -> PathBuf {
    cargo::root().join("README.md")
}

fn names() -> anyhow::Result<Vec<String>> {
    Ok(kernels::all()?.into_iter().map(|it| it.name).collect())
}

/// The README with the columns of `found` put in; those of other kernels stay as they are.
fn updated(readme: &str, found: Columns, names: &[String]) -> anyhow::Result<String> {
    let no_table = || format!("README.md has no table after {START}");
    let (before, rest) = readme.split_once(START).with_context(no_table)?;
    let (table, after) = rest.split_once("\n\n").with_context(no_table)?;
    let mut columns = parse(table);
    columns.extend(found);
    let table = render(&columns, names);
    Ok(format!("{before}{START}{table}\n{after}"))
}

/// Reads a table that [`render`] wrote.
fn parse(table: &str) -> Columns {
    let mut lines = table.lines().map(cells);
    let kernels = lines.next().unwrap_or_default();
    let mut columns = Columns::new();
    for row in lines {
        for (kernel, cell) in kernels.iter().zip(&row).skip(1) {
            let Some(works) = [(YES, true), (NO, false)].iter().find(|it| it.0 == *cell) else {
                continue;
            };
            let features = row[0].split("; ").map(without_release);
            let column = columns.entry((*kernel).to_owned()).or_default();
            column.extend(features.map(|it| (it.to_owned(), works.1)));
        }
    }
    columns
}

/// `wait for the reap` for `wait for the reap (6.9)`.
fn without_release(feature: &str) -> &str {
    feature.rsplit_once(" (").map_or(feature, |(name, _)| name)
}

fn cells(line: &str) -> Vec<&str> {
    let line = line.trim_matches('|');
    line.split('|').map(str::trim).collect()
}

/// One row for the features that work on the same kernels, each with the release it came with.
fn render(columns: &Columns, kernels: &[String]) -> String {
    let mut rows: Vec<(String, Vec<&str>)> = Vec::new();
    for feature in Feature::ALL {
        let name = feature.to_string();
        let cell = |kernel| match columns.get(kernel).and_then(|it| it.get(&name)) {
            Some(true) => YES,
            Some(false) => NO,
            None => UNKNOWN,
        };
        let cells = kernels.iter().map(cell).collect();
        let name = format!("{name} ({})", feature.since());
        match rows.iter_mut().find(|it| it.1 == cells) {
            Some(row) => row.0.extend(["; ", &name]),
            None => rows.push((name, cells)),
        }
    }
    let head = format!("| what (since Linux) | {} |\n", kernels.join(" | "));
    let rule = format!("|---|{}\n", "---|".repeat(kernels.len()));
    let rows = rows
        .iter()
        .map(|(features, cells)| format!("| {features} | {} |\n", cells.join(" | ")));
    [head, rule].into_iter().chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use exithand::probe::Feature;

    use super::{Columns, START, features, updated};

    fn all(works: bool) -> BTreeMap<String, bool> {
        let all = Feature::ALL.iter();
        all.map(|it| (it.to_string(), works)).collect()
    }

    #[test]
    fn puts_in_what_was_found_and_keeps_the_rest() {
        let names = ["6.1", "6.12"].map(str::to_owned);
        let readme = format!("before\n{START}nonsense\n\nafter\n");
        let old = Columns::from([
            ("6.1".to_owned(), all(false)),
            ("2.6".to_owned(), all(true)),
        ]);
        let first = updated(&readme, old, &names).unwrap();
        assert!(
            first.starts_with("before\n") && first.ends_with("after\n"),
            "{first}"
        );
        assert!(
            first.contains("| what (since Linux) | 6.1 | 6.12 |\n|---|---|---|\n"),
            "{first}"
        );
        assert!(first.contains("| wait for any process (5.3); "), "{first}");
        let new = Columns::from([("6.12".to_owned(), all(true))]);
        let second = updated(&first, new, &names).unwrap();
        assert!(second.contains(") | no | yes |\n"), "{second}");
        let mut mixed = all(true);
        mixed.insert("wait for the reap".to_owned(), false);
        let mixed = updated(&second, Columns::from([("6.1".to_owned(), mixed)]), &names).unwrap();
        assert!(
            mixed.contains("| wait for the reap (6.9) | no | yes |\n"),
            "{mixed}"
        );
        assert_eq!(updated(&second, Columns::new(), &names).unwrap(), second);
        assert!(updated("no marks", Columns::new(), &names).is_err());
    }

    #[test]
    fn reads_what_the_doctor_says() {
        let said = "{\"v\":1,\"feature\":\"a\",\"works\":true}\n{\"v\":1,\"pid_max\":3}\n";
        assert_eq!(
            features(said).unwrap(),
            BTreeMap::from([("a".to_owned(), true)])
        );
        assert!(features("").is_err() && features("no json").is_err());
    }
}
