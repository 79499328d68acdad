//! What cargo builds for packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::release::Build;
use crate::cargo::{self, EVERYTHING};
use crate::vm;

const COMMAND: &str = "exithand";
/// Built beside the command, and found there.
const KILLER: &str = "exithand-lowmem";
const ARCHIVE: &str = "libexithand_capi.a";
const MODULE: &str = "lib_exithand.so";

/// Files that were built.
#[derive(Debug)]
pub(super) struct Artefacts {
    pub(super) command: PathBuf,
    /// The same, which needs no library.
    pub(super) static_command: PathBuf,
    /// From which libexithand.so is linked.
    pub(super) archive: PathBuf,
    /// What Python loads.
    pub(super) module: PathBuf,
}

/// Builds everything.
pub(super) fn build(build: Build) -> anyhow::Result<Artefacts> {
    let files = match build {
        Build::Release => release()?,
        Build::Quick => {
            let quick = ["build", "--lib", "--bin", COMMAND, "--bin", KILLER];
            cargo::files(cargo::command(quick).args(EVERYTHING))?
        }
    };
    let find = |name: &str| {
        let mut files = files.iter();
        let found = files.find(|it| it.file_name().is_some_and(|it| it == name));
        found
            .cloned()
            .with_context(|| format!("cargo did not say where {name} is"))
    };
    let static_command = vm::static_command(build)?;
    ensure_static_pie(&static_command)?;
    Ok(Artefacts {
        command: find(COMMAND)?,
        static_command,
        archive: find(ARCHIVE)?,
        module: find(MODULE)?,
    })
}

/// Each with the profile that is right for it: what others load must not abort their program.
fn release() -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for (profile, package) in [
        ("release", "exithand-cli"),
        ("library", "exithand-capi"),
        ("library", "exithand-python"),
    ] {
        let args = ["build", "--locked", "--profile", profile, "-p", package];
        files.extend(cargo::files(&mut anywhere(cargo::command(args)))?);
    }
    Ok(files)
}

/// Has what is built not depend on where the sources are.
fn anywhere(mut command: Command) -> Command {
    command.env("CARGO_ENCODED_RUSTFLAGS", remapping().join("\u{1f}"));
    command
}

/// Flags for the compiler, by which no path of this machine gets into what is built.
pub(crate) fn remapping() -> Vec<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|it| it.join(".cargo")));
    let mut flags = vec![format!(
        "--remap-path-prefix={}=/exithand",
        cargo::root().display()
    )];
    flags.extend(home.map(|it| format!("--remap-path-prefix={}=/cargo", it.display())));
    flags
}

/// Fails unless the program stands alone and is still loaded at a random address.
fn ensure_static_pie(program: &Path) -> anyhow::Result<()> {
    vm::ensure_static(program)?;
    let start = std::fs::read(program).with_context(|| format!("read {}", program.display()))?;
    // ET_DYN, in the header's e_type.
    if start.get(0x10..0x12) != Some(&[3, 0]) {
        bail!("{} is static, but has fixed addresses", program.display());
    }
    Ok(())
}
