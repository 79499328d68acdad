//! Runs the benchmarks and sets their tables.
//!
//! A benchmark is a `[[bench]]` with `harness = false` that prints a row per measurement, its fields
//! separated by tabs: what, median, baseline, ratio, goal. The ratio is the median divided by the
//! baseline; the goal is the largest ratio we are content with, as `<=1.2`, or `-`. Any other line is
//! passed through.

use anyhow::bail;
use clap::Args as ClapArgs;

use crate::graph::Graph;
use crate::{Verdict, cargo};

/// Arguments of `cargo xtask bench`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Parts of the names of benchmarks.
    names: Vec<String>,
}

/// A benchmark: its package and its name.
#[derive(Debug, PartialEq, Eq)]
struct Bench<'a> {
    package: &'a str,
    name: &'a str,
}

const HEADER: [&str; 6] = ["what", "median", "baseline", "ratio", "goal", ""];

/// Runs the benchmarks asked for, one after the other; only one that breaks is a failure.
pub(crate) fn run(args: &Args) -> anyhow::Result<Verdict> {
    let graph = Graph::load()?;
    let benches = select(&graph, &args.names);
    if benches.is_empty() {
        match select(&graph, &[])
            .iter()
            .map(|it| it.name)
            .collect::<Vec<_>>()[..]
        {
            [] => bail!("the workspace has no benchmarks"),
            ref all => bail!("no such benchmark; there are: {}", all.join(", ")),
        }
    }
    // Some run the commands, which would else be measured as they were built last.
    let commands = ["build", "--release", "--bins", "-p", "exithand-cli"];
    if !cargo::status(&mut cargo::command(commands))?.success() {
        bail!("the commands do not build");
    }
    let mut broken = Vec::new();
    for Bench { package, name } in benches {
        println!("\n{package}: {name}");
        let mut rows = Vec::new();
        let mut command = cargo::command(["bench", "-p", package, "--bench", name]);
        let status = cargo::each_line(&mut command, |line| match row(line) {
            Some(row) => rows.push(row),
            None => println!("{line}"),
        })?;
        print!("{}", render(&rows));
        if !status.success() {
            println!("BROKEN: {name} ended with {status}");
            broken.push(name);
        }
    }
    Ok(Verdict::good_if(broken.is_empty()))
}

/// The benchmarks whose names contain one of `names`, or all, in the order of their packages.
fn select<'a>(graph: &'a Graph, names: &[String]) -> Vec<Bench<'a>> {
    graph
        .members()
        .flat_map(|package| package.targets.iter().map(move |target| (package, target)))
        .filter(|(_, target)| target.kind.iter().any(|it| it == "bench"))
        .filter(|(_, target)| names.is_empty() || names.iter().any(|it| target.name.contains(it)))
        .map(|(package, target)| Bench {
            package: &package.name,
            name: &target.name,
        })
        .collect()
}

/// The row that `line` is, with what is to be said about its goal.
fn row(line: &str) -> Option<[String; 6]> {
    let [what, median, baseline, ratio, goal] = line.split('\t').collect::<Vec<_>>()[..] else {
        return None;
    };
    let verdict = verdict(ratio, goal);
    Some([what, median, baseline, ratio, goal, verdict].map(str::to_owned))
}

fn verdict(ratio: &str, goal: &str) -> &'static str {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|it| it.is_finite());
    match (number(ratio), goal.strip_prefix("<=").map(number)) {
        (Some(ratio), Some(Some(goal))) if ratio <= goal => "met",
        (Some(_), Some(Some(_))) => "MISSED",
        (_, None) if matches!(goal, "-" | "goal" | "") => "",
        _ => "UNREADABLE",
    }
}

/// Sets rows in columns below a header: text to the left, numbers to the right.
fn render(rows: &[[String; 6]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = vec![HEADER.map(str::to_owned)];
    // A benchmark may print the header itself, for those who run it without us.
    table.extend(rows.iter().filter(|it| it[0] != HEADER[0]).cloned());
    let mut widths = [0; 6];
    for row in &table {
        for (width, field) in widths.iter_mut().zip(row) {
            *width = (*width).max(field.chars().count());
        }
    }
    let mut text = String::new();
    for [what, numbers @ .., verdict] in &table {
        let mut columns = vec![format!("{what:<width$}", width = widths[0])];
        let numbers = numbers.iter().zip(&widths[1..]);
        columns.extend(numbers.map(|(number, width)| format!("{number:>width$}")));
        columns.push(verdict.clone());
        text += columns.join("  ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{render, row, select, verdict};
    use crate::graph::{Graph, Package, Place, Target};

    #[test]
    fn selects_by_part_of_the_name() {
        let target = |name: &str, kind: &str| Target {
            name: name.into(),
            kind: vec![kind.into()],
        };
        let package = Package {
            name: "exithand".into(),
            place: Place::Workspace,
            targets: vec![
                target("exithand", "lib"),
                target("wake_up", "bench"),
                target("open", "bench"),
            ],
            ..Package::default()
        };
        let mut graph = Graph::default();
        graph.packages.insert("exithand".into(), package);
        let names = |wanted: &[String]| {
            select(&graph, wanted)
                .iter()
                .map(|it| it.name.to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["wake_up", "open"]);
        assert_eq!(names(&["wake".into()]), ["wake_up"]);
        assert!(names(&["exithand".into()]).is_empty());
    }

    #[test]
    fn judges_goals() {
        for (ratio, goal, expected) in [
            ("1.10", "<=1.2", "met"),
            ("1.20", "<=1.2", "met"),
            ("1.30", "<=1.2", "MISSED"),
            ("1.30", "-", ""),
            ("much", "<=1.2", "UNREADABLE"),
            ("NaN", "<=1.2", "UNREADABLE"),
            ("1.30", "small", "UNREADABLE"),
        ] {
            assert_eq!(verdict(ratio, goal), expected, "{ratio} {goal}");
        }
    }

    #[test]
    fn sets_rows_and_leaves_other_lines() {
        assert_eq!(row("compiling things"), None);
        let rows: Vec<_> = [
            "what\tmedian\tbaseline\tratio\tgoal",
            "wait, one process\t9.1 us\t8.9 us\t1.02\t<=1.2",
            "open\t10.0 us\t2.0 us\t5.00\t<=2",
        ]
        .iter()
        .filter_map(|line| row(line))
        .collect();
        assert_eq!(
            render(&rows),
            "what                median  baseline  ratio   goal\n\
             wait, one process   9.1 us    8.9 us   1.02  <=1.2  met\n\
             open               10.0 us    2.0 us   5.00    <=2  MISSED\n"
        );
    }
}
