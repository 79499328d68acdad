//! The programs that run in guests: built to stand alone, since a guest has no libraries.

use std::env;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::cargo::{self, Program, ProgramKind};
use crate::dist::{self, Build};
use crate::graph::Graph;

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Everything is built of the same packages, so that all share one cache.
const PACKAGES: [&str; 7] = [
    "exithand",
    "exithand-cli",
    "exithand-conformance",
    "exithand-lowmem",
    "exithand-recorder",
    "exithand-testkit",
    "exithand-vm",
];
/// Where cargo looks for flags of the compiler.
const FLAGS: &str = "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS";
const STANDING_ALONE: &str = "-C target-feature=+crt-static";
const INIT: &str = "exithand-vm-init";
pub(super) const COMMAND: &str = "exithand";
/// Built beside the command, and found there.
pub(super) const KILLER: &str = "exithand-lowmem";
pub(super) const ACTOR: &str = "exithand-actor";
pub(super) const CONFORMANCE: &str = "exithand-conformance";
pub(super) const ARENA: &str = "exithand-arena";

/// Which tests run in guests: those of a package whose names begin so.
const TESTS: [(&str, &str); 6] = [
    ("exithand", ""),
    ("exithand-cli", "names_"),
    ("exithand-cli", "silent_kernel"),
    ("exithand-lowmem", "cgroup2"),
    ("exithand-lowmem", "starved"),
    ("exithand-recorder", "sources"),
];

/// What was built.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) init: PathBuf,
    pub(super) command: PathBuf,
    pub(super) actor: PathBuf,
    pub(super) conformance: PathBuf,
    /// The test programs, sorted by path.
    pub(super) tests: Vec<PathBuf>,
}

/// Builds everything that the matrix runs.
pub(super) fn build() -> anyhow::Result<Programs> {
    let graph = Graph::load()?;
    let plain = cargo::build_by(command("build", ["--bins"]))?;
    let find = |name: &str| {
        let mut plain = plain.iter();
        let found = plain.find(|it| it.target == name && it.kind == ProgramKind::Plain);
        let found = found.with_context(|| format!("cargo did not say where {name} is"))?;
        Ok::<_, anyhow::Error>(found.path.clone())
    };
    let names = tests(&graph);
    let args = names.iter().flat_map(|it| ["--test", it.as_str()]);
    let built = cargo::build_by(command(
        "test",
        ["--no-run", "--lib"].into_iter().chain(args),
    ))?;
    let mut tests: Vec<PathBuf> = built
        .into_iter()
        .filter(|it| is_wanted(&graph, it))
        .map(|it| it.path)
        .collect();
    tests.sort();
    Ok(Programs {
        init: find(INIT)?,
        command: find(COMMAND)?,
        actor: find(ACTOR)?,
        conformance: find(CONFORMANCE)?,
        tests,
    })
}

/// Builds the command alone, to be given to users.
pub(crate) fn static_command(build: Build) -> anyhow::Result<PathBuf> {
    let mut command = command("build", ["--bin", COMMAND, "--bin", KILLER]);
    if build == Build::Release {
        let flags = dist::remapping().join(" ");
        command
            .args(["--locked", "--release"])
            .env(FLAGS, format!("{STANDING_ALONE} {flags}"));
    }
    let mut programs = cargo::build_by(command)?.into_iter();
    let found = programs.find(|it| it.target == COMMAND && it.kind == ProgramKind::Plain);
    Ok(found.context("cargo did not say where exithand is")?.path)
}

/// Builds the init alone.
pub(super) fn build_init() -> anyhow::Result<PathBuf> {
    let [init] = build_each(&[], [INIT])?;
    Ok(init)
}

/// Builds the init, the low-memory killer and the arena for such.
pub(super) fn build_arena() -> anyhow::Result<[PathBuf; 4]> {
    let names = [INIT, COMMAND, KILLER, ARENA];
    build_each(&["-p", "exithand-benches"], names)
}

/// Builds these programs alone.
fn build_each<const COUNT: usize>(
    more: &[&str],
    names: [&str; COUNT],
) -> anyhow::Result<[PathBuf; COUNT]> {
    let bins = names.iter().flat_map(|it| ["--bin", *it]);
    let args = more.iter().copied().chain(bins);
    let built = cargo::build_by(command("build", args))?;
    let mut paths = [const { PathBuf::new() }; COUNT];
    for (path, name) in paths.iter_mut().zip(names) {
        let mut built = built.iter();
        let found = built.find(|it| it.target == name && it.kind == ProgramKind::Plain);
        let found = found.with_context(|| format!("cargo did not say where {name} is"))?;
        path.clone_from(&found.path);
    }
    Ok(paths)
}

/// Folder for builds and logs: its flags differ from those of all other builds.
pub(super) fn target_folder() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    cargo::root().join(target).join("vm")
}

fn command<'a>(what: &'a str, args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = cargo::command([what, "--all-features", "--target", TARGET]);
    command.arg("--target-dir").arg(target_folder()).args(args);
    for package in PACKAGES {
        command.args(["-p", package]);
    }
    // They would take the place of the flags below.
    command
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.env(FLAGS, STANDING_ALONE);
    for profile in ["DEV", "TEST"] {
        // A guest reads every byte of them into its memory.
        command
            .env(format!("CARGO_PROFILE_{profile}_DEBUG"), "0")
            .env(format!("CARGO_PROFILE_{profile}_STRIP"), "symbols")
            // There every instruction is emulated.
            .env(format!("CARGO_PROFILE_{profile}_OPT_LEVEL"), "1");
    }
    command
}

/// The names of the test files that are wanted.
fn tests(graph: &Graph) -> Vec<String> {
    let mut names = Vec::new();
    for package in graph.members() {
        for target in &package.targets {
            let is_test = target.kind.iter().any(|it| it == "test");
            if is_test && belongs(&package.name, &target.name) {
                names.push(target.name.clone());
            }
        }
    }
    names
}

fn belongs(package: &str, test: &str) -> bool {
    let mut tests = TESTS.iter();
    tests.any(|(name, start)| *name == package && test.starts_with(start))
}

fn is_wanted(graph: &Graph, program: &Program) -> bool {
    let package = graph.packages.get(&program.package_id);
    program.kind == ProgramKind::Test
        && package.is_some_and(|it| belongs(&it.name, &program.target))
}

/// Fails for a program that needs libraries which no guest has.
pub(crate) fn ensure_static(program: &Path) -> anyhow::Result<()> {
    let mut start = Vec::new();
    File::open(program)
        .and_then(|it| it.take(4096).read_to_end(&mut start))
        .with_context(|| format!("read {}", program.display()))?;
    match asks_for_loader(&start) {
        Ok(false) => Ok(()),
        Ok(true) => bail!(
            "{} needs libraries, which a guest has not: build it with \
             RUSTFLAGS='-C target-feature=+crt-static' and --target {TARGET}",
            program.display()
        ),
        Err(_) => bail!("{} is no program for x86-64", program.display()),
    }
}

/// Whether one of the program headers names a loader (`PT_INTERP`).
fn asks_for_loader(elf: &[u8]) -> Result<bool, ErrorKind> {
    const PT_INTERP: u64 = 3;
    let number = |offset: usize, size: usize| {
        let bytes = elf.get(offset..offset + size);
        let bytes = bytes.ok_or(ErrorKind::UnexpectedEof)?;
        let sum = bytes
            .iter()
            .rev()
            .fold(0, |sum, it| sum << 8 | u64::from(*it));
        Ok::<u64, ErrorKind>(sum)
    };
    let place = |offset, size| {
        usize::try_from(number(offset, size)?).map_err(|_too_large| ErrorKind::InvalidData)
    };
    // Sixty-four bits, little end first, x86-64.
    if !elf.starts_with(b"\x7fELF\x02\x01") || number(0x12, 2)? != 0x3e {
        return Err(ErrorKind::InvalidData);
    }
    let (start, size, count) = (place(0x20, 8)?, place(0x36, 2)?, place(0x38, 2)?);
    for header in 0..count {
        if number(start.saturating_add(header * size), 4)? == PT_INTERP {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{asks_for_loader, belongs, ensure_static};

    #[test]
    fn knows_which_tests_are_wanted() {
        assert!(belongs("exithand", "exithand") && belongs("exithand", "zombies"));
        assert!(belongs("exithand-cli", "names_pwait"));
        assert!(!belongs("exithand-cli", "wait") && !belongs("exithand-fs", "files"));
    }

    #[test]
    fn tells_programs_that_stand_alone() {
        // A shell that is linked like any other program.
        let error = ensure_static(Path::new("/bin/sh")).unwrap_err().to_string();
        assert!(error.contains("crt-static"), "{error}");
        let error = ensure_static(Path::new("/proc/self/stat")).unwrap_err();
        assert!(error.to_string().contains("no program"), "{error}");
        assert!(asks_for_loader(b"\x7fELF\x02\x01").is_err());
    }
}
