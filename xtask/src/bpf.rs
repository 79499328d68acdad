//! The probes: builds them from C, or says whether what is checked in was built from this C.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;

use crate::{Verdict, cargo};

const CLANG: &str = "clang-14";
const STRIP: &str = "llvm-strip-14";
/// Where the C is, below the root.
const SOURCES: &str = "bpf";
const MAIN: &str = "exithand.bpf.c";
/// Where the objects are, in the crate that takes them in.
const OBJECTS: &str = "crates/exithand-recorder/bpf";
/// What built them, and their hashes.
const MANIFEST: &str = "objects.txt";
/// Each object, and how it is made.
const VARIANTS: [(&str, &[&str]); 2] = [("tp_btf.o", &[]), ("raw_tp.o", &["-DRAW"])];

/// Arguments of `cargo xtask bpf`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Changes nothing: says whether the objects were built from these sources.
    #[arg(long)]
    check: bool,
}

/// Builds the objects, or compares them.
pub(crate) fn run(args: &Args) -> anyhow::Result<Verdict> {
    if args.check {
        let faults = faults()?;
        for fault in &faults {
            println!("{fault}");
        }
        return Ok(Verdict::good_if(faults.is_empty()));
    }
    let built = build()?;
    for (name, bytes) in &built.files {
        let path = checked_in(name);
        fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        println!("{}: {} bytes", path.display(), bytes.len());
    }
    Ok(Verdict::Good)
}

/// Whether the compiler is here: most who build exithand have no use for it.
pub(crate) fn can_build() -> bool {
    [CLANG, STRIP]
        .iter()
        .all(|program| version(program).is_ok())
}

/// Says which objects differ from what these sources give.
pub(crate) fn faults() -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    for (name, bytes) in build()?.files {
        let path = checked_in(&name);
        let found = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        if found != bytes {
            faults.push(format!(
                "{} was not built from bpf/ by this clang: run `cargo xtask bpf`",
                path.display()
            ));
        }
    }
    Ok(faults)
}

fn checked_in(name: &str) -> PathBuf {
    cargo::root().join(OBJECTS).join(name)
}

/// The files as they should be checked in, the manifest the last.
struct Built {
    files: Vec<(String, Vec<u8>)>,
}

fn build() -> anyhow::Result<Built> {
    let folder = tempfile::tempdir().context("make a temporary folder")?;
    let mut files = Vec::new();
    let mut manifest = format!(
        "Built by `cargo xtask bpf` from bpf/, and compared by `cargo xtask bpf --check`.\n\n{}\n",
        version(CLANG)?
    );
    for (name, flags) in VARIANTS {
        let object = folder.path().join(name);
        compile(flags, &object)?;
        let bytes = fs::read(&object).with_context(|| format!("read {}", object.display()))?;
        manifest.extend(["sha256 ", &sha256(&object)?, " ", name, "\n"]);
        files.push((name.to_owned(), bytes));
    }
    files.push((MANIFEST.to_owned(), manifest.into_bytes()));
    Ok(Built { files })
}

/// Compiles and strips. No path of this machine gets into the object.
fn compile(flags: &[&str], object: &Path) -> anyhow::Result<()> {
    let sources = cargo::root().join(SOURCES);
    let mut clang = Command::new(CLANG);
    clang
        .args(["-target", "bpf", "-mcpu=v3", "-mlittle-endian", "-g", "-O2"])
        .args(["-Wall", "-Werror", "-fdebug-compilation-dir=."])
        .arg(format!("-ffile-prefix-map={}=.", sources.display()))
        .args(flags)
        .args(["-c", MAIN, "-o"])
        .arg(object)
        .current_dir(sources);
    succeed(&mut clang)?;
    succeed(Command::new(STRIP).arg("-g").arg(object))
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_owned();
    let status = command.status().with_context(|| {
        format!(
            "run {}: install clang-14, llvm-14 and libbpf-dev",
            program.display()
        )
    })?;
    if !status.success() {
        bail!("{} ended with {status}", program.display());
    }
    Ok(())
}

/// The first line of what a program says of its version.
fn version(program: &str) -> anyhow::Result<String> {
    let text = output(Command::new(program).arg("--version"))?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

fn sha256(path: &Path) -> anyhow::Result<String> {
    let text = output(Command::new("sha256sum").arg(path))?;
    let hash = text.split_whitespace().next();
    hash.map(str::to_owned).context("sha256sum said nothing")
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_owned();
    let output = command
        .output()
        .with_context(|| format!("run {}", program.display()))?;
    if !output.status.success() {
        bail!("{} ended with {}", program.display(), output.status);
    }
    String::from_utf8(output.stdout).context("read its output")
}
