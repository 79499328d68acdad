//! Runs the fuzz targets.

use std::process::Stdio;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use serde::Deserialize;

use crate::{Verdict, cargo};

/// Arguments of `cargo xtask fuzz`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// How long to run each target.
    seconds: u32,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    targets: Vec<crate::graph::Target>,
}

/// Runs every target, also after one has failed, and names those that have.
pub(crate) fn run(args: &Args) -> anyhow::Result<Verdict> {
    need(
        "a nightly toolchain",
        &["--version"],
        "rustup toolchain install nightly",
    )?;
    need(
        "cargo-fuzz",
        &["fuzz", "--version"],
        "cargo install --locked cargo-fuzz",
    )?;
    let mut failed = Vec::new();
    for target in targets()? {
        println!("fuzz {target} for {} s", args.seconds);
        let limit = format!("-max_total_time={}", args.seconds);
        let mut command = cargo::nightly(["fuzz", "run", &target, "--", &limit]);
        if !cargo::status(&mut command)?.success() {
            failed.push(target);
        }
    }
    if failed.is_empty() {
        println!("fuzz: every target held");
        return Ok(Verdict::Good);
    }
    println!(
        "fuzz: failed: {}; inputs that broke a target are in fuzz/artifacts",
        failed.join(", ")
    );
    Ok(Verdict::Bad)
}

fn targets() -> anyhow::Result<Vec<String>> {
    let metadata: Metadata = cargo::json(&mut cargo::command([
        "metadata",
        "--format-version=1",
        "--no-deps",
        "--manifest-path=fuzz/Cargo.toml",
    ]))?;
    let targets = metadata.packages.into_iter().flat_map(|it| it.targets);
    Ok(targets.map(|it| it.name).collect())
}

/// Fails with a remedy where `cargo +nightly` can't run `args`.
fn need(what: &str, args: &[&str], remedy: &str) -> anyhow::Result<()> {
    let mut command = cargo::nightly(args.iter().copied());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let status = cargo::status(&mut command).context("look for nightly and cargo-fuzz")?;
    if !status.success() {
        bail!(
            "fuzzing needs {what}: get it with `{remedy}` (and a C++ compiler: apt-get install g++)"
        );
    }
    Ok(())
}
