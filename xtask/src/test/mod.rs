//! Runs the tests, twice where that means something, and holds the skips against the table.

pub(crate) mod machine;
pub(crate) mod python;
pub(crate) mod skips;
pub(crate) mod tally;
mod user;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;

use self::machine::Machine;
use self::skips::{Coverage, Table};
use self::tally::Tally;
use crate::cargo::{self, EVERYTHING, ProgramKind};
use crate::graph::Graph;
use crate::{Verdict, dist, packages};

/// The program of the test kit that plays processes with known ends.
const ACTOR: (&str, &str) = ("exithand-testkit", "exithand-actor");

/// Arguments of `cargo xtask test`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Runs only what an unprivileged user must be able to run, as such a user.
    #[arg(long)]
    as_user: bool,
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0)
}

/// A run's numbers, and what was wrong with its skips.
#[derive(Debug, Default)]
pub(crate) struct Report {
    tally: Tally,
    skipped: Vec<String>,
    pub(crate) faults: Vec<String>,
}

/// Runs the tests and prints, last of all, how many passed, failed and were skipped.
pub(crate) fn run(args: &Args) -> anyhow::Result<Verdict> {
    packages::ensure()?;
    let graph = Graph::load()?;
    let actor = build_actor(&graph)?;
    let expectations = Table::of_hosts()?;
    let mut total = Report::default();
    if !(args.as_user && is_root()) {
        total.add("all tests", run_all(actor.as_deref(), &expectations)?);
        total.add("python", python::report_of_the_system()?);
    }
    if is_root() {
        let run = user::run(&graph, actor.as_deref())?;
        let machine = Machine::unprivileged(&expectations)?;
        total.add(
            "as a user",
            run.report(&expectations, &machine, Coverage::Part),
        );
    }
    if !args.as_user {
        total.add("packages", dist::trial::run(dist::Build::Quick)?);
    }
    Ok(total.print())
}

/// One run of test programs that has ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) tally: Tally,
    pub(crate) skips: Vec<skips::Skip>,
}

impl Run {
    /// Holds the skips against the table.
    pub(crate) fn report(
        self,
        expectations: &Table,
        machine: &Machine,
        coverage: Coverage,
    ) -> Report {
        let Self { tally, skips } = self;
        let faults = skips::faults(expectations, &skips, &tally.names, machine, coverage);
        let skipped = skips
            .iter()
            .map(|it| format!("{}: {}", it.test, it.reason))
            .collect();
        Report {
            tally,
            skipped,
            faults,
        }
    }
}

fn run_all(actor: Option<&Path>, expectations: &Table) -> anyhow::Result<Report> {
    let folder = tempfile::tempdir().context("make a folder for the list of skips")?;
    let list = SkipList::new(folder.path())?;
    let mut command = cargo::command(["test", "--no-fail-fast"]);
    command.args(EVERYTHING).env(SkipList::VARIABLE, &list.path);
    if let Some(actor) = actor {
        command.env("EXITHAND_ACTOR", actor);
    }
    let mut tally = Tally::default();
    // A test that did not run can't be missed where a program broke off or was not built.
    let coverage = match tally.run(&mut command)? {
        tally::Ending::Complete => Coverage::Everything,
        tally::Ending::BrokenOff => Coverage::Part,
    };
    let run = Run {
        tally,
        skips: list.read()?,
    };
    Ok(run.report(expectations, &Machine::this(expectations)?, coverage))
}

/// Builds the actor, where the test kit has one.
fn build_actor(graph: &Graph) -> anyhow::Result<Option<PathBuf>> {
    let (package, program) = ACTOR;
    let here = graph
        .members()
        .filter(|it| it.name == package)
        .flat_map(|it| &it.targets)
        .any(|it| it.name == program && it.kind.iter().any(|kind| kind == "bin"));
    if !here {
        return Ok(None);
    }
    let mut args = vec!["build", "--bin", program];
    args.extend(EVERYTHING);
    let built = cargo::build(&args)?;
    let found = built
        .into_iter()
        .find(|it| it.target == program && it.kind == ProgramKind::Plain);
    match found {
        Some(actor) => Ok(Some(actor.path)),
        None => bail!("cargo built {program} and did not say where it is"),
    }
}

/// The file to which tests write their skips: `test<TAB>reason`, a line each.
#[derive(Debug)]
struct SkipList {
    path: PathBuf,
}

impl SkipList {
    const VARIABLE: &str = "EXITHAND_SKIPS";

    /// Makes an empty list in `folder` that any user may add to.
    fn new(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("skips.tsv");
        fs::write(&path, "")
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o666)))
            .with_context(|| format!("make {}", path.display()))?;
        Ok(Self { path })
    }

    fn read(&self) -> anyhow::Result<Vec<skips::Skip>> {
        let text = fs::read(&self.path).with_context(|| format!("read {}", self.path.display()))?;
        Ok(skips::read(&String::from_utf8_lossy(&text)))
    }
}

impl Report {
    pub(crate) fn add(&mut self, what: &str, other: Self) {
        println!(
            "{what}: {}",
            tally::summary(other.tally.passed, other.tally.failed, other.skipped.len())
        );
        let label = |it: String| format!("{what}: {it}");
        self.skipped.extend(other.skipped.into_iter().map(label));
        self.faults.extend(other.faults.into_iter().map(label));
        self.tally.add(other.tally);
    }

    pub(crate) fn print(&self) -> Verdict {
        for skipped in &self.skipped {
            println!("skipped {skipped}");
        }
        if self.tally.ignored > 0 {
            println!(
                "{} tests are ignored: skip them with a reason, or run them",
                self.tally.ignored
            );
        }
        for fault in &self.faults {
            println!("WRONG {fault}");
        }
        // The last line and the exit code must not disagree.
        let failed = self.tally.failed + self.tally.ignored + self.faults.len();
        println!(
            "{}",
            tally::summary(self.tally.passed, failed, self.skipped.len())
        );
        Verdict::good_if(failed == 0)
    }
}

/// Runs `command` as nobody: no privilege, no group, no capability.
fn as_nobody(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;
    // Leaving root empties the capability sets; the standard library also drops the groups.
    command.uid(user::NOBODY).gid(user::NOBODY)
}
