//! Runs the tests of the library and of the command as a user without privileges: waiting needs none.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::tally::Tally;
use super::{Run, SkipList, as_nobody};
use crate::cargo::{self, EVERYTHING, Program, ProgramKind};
use crate::graph::Graph;

/// The user and the group called nobody and nogroup.
pub(super) const NOBODY: u32 = 65534;

/// The crates whose tests must pass without privileges.
const CRATES: [&str; 2] = ["exithand", "exithand-cli"];

/// Builds the test programs, copies them to where anybody can read, and runs them as nobody.
pub(super) fn run(graph: &Graph, actor: Option<&Path>) -> anyhow::Result<Run> {
    let mut args = vec!["test", "--no-run"];
    args.extend(EVERYTHING);
    let mut programs = cargo::build(&args)?;
    programs.retain(|it| is_of_interest(graph, it));

    let stage = Stage::new()?;
    let skips = SkipList::new(stage.folder.path())?;
    let mut variables = vec![(SkipList::VARIABLE.to_owned(), skips.path.clone())];
    if let Some(actor) = actor {
        variables.push(("EXITHAND_ACTOR".to_owned(), stage.copy(actor)?));
    }
    let (tests, plain): (Vec<Program>, Vec<Program>) = programs
        .into_iter()
        .partition(|it| it.kind == ProgramKind::Test);
    for program in plain {
        variables.push((
            format!("CARGO_BIN_EXE_{}", program.target),
            stage.copy(&program.path)?,
        ));
    }
    let mut tally = Tally::default();
    for test in tests {
        println!("\nrunning the tests of {} as uid {NOBODY}", test.target);
        let mut command = Command::new(stage.copy(&test.path)?);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command
            .current_dir(&stage.scratch)
            .env("HOME", &stage.scratch);
        command.env("TMPDIR", &stage.scratch);
        tally.enter(&test.path.to_string_lossy());
        tally.run(as_nobody(&mut command))?;
    }
    Ok(Run {
        tally,
        skips: skips.read()?,
    })
}

fn is_of_interest(graph: &Graph, program: &Program) -> bool {
    let package = graph.packages.get(&program.package_id);
    package.is_some_and(|it| CRATES.contains(&it.name.as_str()))
}

/// A folder that anybody can read, with one inside that anybody can write to.
#[derive(Debug)]
struct Stage {
    folder: tempfile::TempDir,
    scratch: PathBuf,
}

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for the test programs")?;
        let scratch = folder.path().join("scratch");
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
        fs::create_dir(&scratch)
            .and_then(|()| set(folder.path(), 0o755))
            .and_then(|()| set(&scratch, 0o1777))
            .with_context(|| format!("make {}", scratch.display()))?;
        Ok(Self { folder, scratch })
    }

    /// Copies a program under its own name, which tests may look at.
    fn copy(&self, program: &Path) -> anyhow::Result<PathBuf> {
        let name = program.file_name().context("a program without a name")?;
        let copy = self.folder.path().join(name);
        fs::copy(program, &copy).with_context(|| format!("copy {}", program.display()))?;
        Ok(copy)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::{NOBODY, Stage};
    use crate::test::{as_nobody, is_root};

    #[test]
    fn nobody_can_run_what_is_on_the_stage_and_has_no_privilege() {
        let stage = Stage::new().unwrap();
        let sh = stage.copy(&fs::canonicalize("/bin/sh").unwrap()).unwrap();
        let script = "id -u; id -G; grep CapEff /proc/self/status; : > written";
        let mut command = Command::new(sh);
        command.args(["-c", script]).current_dir(&stage.scratch);
        // Only root can become nobody; any other user has no privilege to begin with.
        if is_root() {
            as_nobody(&mut command);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let who = if is_root() {
            format!("{NOBODY}\n{NOBODY}\n")
        } else {
            String::new()
        };
        assert!(text.starts_with(&who), "{text}");
        assert!(text.ends_with("CapEff:\t0000000000000000\n"), "{text}");
        assert!(stage.scratch.join("written").exists());
    }
}
