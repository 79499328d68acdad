//! Builds the Python package, installs it, and runs its tests, as a user of Python would.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;

use super::machine::Machine;
use super::skips::{Coverage, Table};
use super::tally::Tally;
use super::{Report, Run, SkipList};
use crate::{Verdict, cargo, packages};

const PACKAGE: &str = "crates/exithand-python";
/// What the build and the tests need beside the package.
const NEEDS: [&str; 4] = ["maturin>=1.9.4,<2", "pytest>=8", "psutil", "mypy"];
/// The interpreter that Debian's packages bring.
const DEBIANS: &str = "/usr/bin/python3";
/// Tests need speed of the build, not of the program.
const PROFILE: [&str; 3] = ["--profile", "dev", "--locked"];

/// Arguments of `cargo xtask python`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Also under every other Python from 3.9 on that is on the path or that pyenv has.
    #[arg(long)]
    all: bool,
}

/// Runs the tests of the package and prints, last of all, how many passed, failed and were skipped.
pub(crate) fn run(args: &Args) -> anyhow::Result<Verdict> {
    packages::ensure()?;
    let mut total = Report::default();
    let first = Interpreter::of_the_system()?;
    let mut interpreters = if args.all {
        Interpreter::others()
    } else {
        Vec::new()
    };
    interpreters.retain(|it| *it != first);
    interpreters.insert(0, first);
    for interpreter in &interpreters {
        total.add(&interpreter.name, report(interpreter)?);
    }
    Ok(total.print())
}

/// Runs the tests under the interpreter of the system.
pub(super) fn report_of_the_system() -> anyhow::Result<Report> {
    report(&Interpreter::of_the_system()?)
}

fn report(interpreter: &Interpreter) -> anyhow::Result<Report> {
    println!(
        "\nrunning the tests of {PACKAGE} under {}",
        interpreter.name
    );
    let folder = tempfile::tempdir().context("make a folder for Python")?;
    let Some(python) = environment(interpreter, folder.path())? else {
        let reason = "the index of Python packages is out of reach".to_owned();
        return Ok(Report {
            skipped: vec![reason],
            ..Report::default()
        });
    };
    let wheel = build(&python, folder.path())?;
    pip(&python, &[wheel.clone().into_os_string()])?;
    let skips = SkipList::new(folder.path())?;
    let mut command = Command::new(&python);
    command
        .args(["-m", "pytest", "-p", "no:cacheprovider"])
        .current_dir(cargo::root().join(PACKAGE))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("MATURIN_PEP517_ARGS", PROFILE.join(" "))
        .env("EXITHAND_WHEEL", wheel)
        .env("EXITHAND_PROGRAM", &interpreter.name)
        .env(SkipList::VARIABLE, &skips.path);
    let mut tally = Tally::default();
    tally.enter(&interpreter.name);
    tally.run(&mut command)?;
    let run = Run {
        tally,
        skips: skips.read()?,
    };
    let table = Table::of_hosts()?;
    Ok(run.report(&table, &Machine::this(&table)?, Coverage::Part))
}

/// Makes an environment with what is needed and returns its interpreter; `None` without a network.
fn environment(interpreter: &Interpreter, folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    let venv = folder.join("venv");
    let mut make = Command::new(&interpreter.path);
    let status = cargo::status(make.args(["-m", "venv"]).arg(&venv))?;
    if !status.success() {
        bail!("{} -m venv ended with {status}", interpreter.path.display());
    }
    let python = venv.join("bin/python");
    let installed = pip(&python, &NEEDS.map(OsString::from));
    match installed {
        // So pip says that it has found no list of versions at all.
        Err(error) if error.to_string().contains("(from versions: none)") => Ok(None),
        installed => installed.map(|()| Some(python)),
    }
}

fn pip(python: &Path, what: &[OsString]) -> anyhow::Result<()> {
    let mut command = Command::new(python);
    command
        .args(["-m", "pip", "install", "--quiet", "--retries", "2"])
        .args(["--disable-pip-version-check", "--no-warn-script-location"])
        .env("PIP_ROOT_USER_ACTION", "ignore")
        .args(what);
    let output = command.output().context("run pip")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("pip install {what:?} ended with {}: {said}", output.status);
    }
    Ok(())
}

/// Builds the wheel and returns its path.
fn build(python: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let wheels = folder.join("wheels");
    let mut command = Command::new(python.with_file_name("maturin"));
    command
        .args(["build", "--quiet"])
        .args(PROFILE)
        .arg("--manifest-path")
        .arg(cargo::root().join(PACKAGE).join("Cargo.toml"))
        .arg("--interpreter")
        .arg(python)
        .arg("--out")
        .arg(&wheels);
    let status = cargo::status(&mut command)?;
    if !status.success() {
        bail!("maturin ended with {status}");
    }
    let mut built = fs::read_dir(&wheels).context("read the folder of wheels")?;
    let wheel = built.next().context("maturin built no wheel")??;
    Ok(wheel.path())
}

/// A Python of the usual kind.
#[derive(Debug, Clone)]
struct Interpreter {
    path: PathBuf,
    /// Such as `python3.13t`, where the `t` stands for one without a global lock.
    name: String,
}

impl PartialEq for Interpreter {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Interpreter {
    fn of_the_system() -> anyhow::Result<Self> {
        let debians = Path::new(DEBIANS);
        let path = if debians.exists() {
            debians
        } else {
            Path::new("python3")
        };
        Self::ask(path).with_context(|| format!("{} is no CPython from 3.9 on", path.display()))
    }

    /// Every other one, of each version the first that is found, oldest first.
    fn others() -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        let names =
            (9..=15).flat_map(|minor| [format!("python3.{minor}"), format!("python3.{minor}t")]);
        for name in names {
            let paths = places().into_iter().map(|it| it.join(&name));
            let first = paths.filter(|it| it.exists()).find_map(|it| Self::ask(&it));
            found.extend(first.filter(|it| it.name == name));
        }
        found
    }

    fn ask(path: &Path) -> Option<Self> {
        const QUESTION: &str = "import platform, sys, sysconfig
assert platform.python_implementation() == 'CPython' and sys.version_info >= (3, 9)
free = sysconfig.get_config_var('Py_GIL_DISABLED')
print('python%d.%d%s' % (*sys.version_info[:2], 't' if free else ''))";
        let answer = Command::new(path).args(["-c", QUESTION]).output().ok()?;
        let name = String::from_utf8(answer.stdout).ok()?;
        let path = path.to_owned();
        let name = name.trim().to_owned();
        answer.status.success().then_some(Self { path, name })
    }
}

/// The folders where interpreters may be.
fn places() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = env::split_paths(&path).collect();
    let home = env::var_os("HOME").map(PathBuf::from);
    let pyenv = env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| home.map(|it| it.join(".pyenv")));
    let versions = pyenv.and_then(|it| fs::read_dir(it.join("versions")).ok());
    places.extend(
        versions
            .into_iter()
            .flatten()
            .flatten()
            .map(|it| it.path().join("bin")),
    );
    places
}
