//! The C header of libexithand: writes it, or says whether what is checked in says the same as the code.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::Args as ClapArgs;

use crate::{Verdict, cargo};

/// The crate that the header describes.
const CRATE: &str = "crates/exithand-capi";
/// The header, in that crate.
const HEADER: &str = "exithand.h";

/// Arguments of `cargo xtask header`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Changes nothing: says whether the header was made from these sources.
    #[arg(long)]
    check: bool,
}

/// Writes the header, or compares it.
pub(crate) fn run(args: &Args) -> anyhow::Result<Verdict> {
    if args.check {
        let faults = faults()?;
        for fault in &faults {
            println!("{fault}");
        }
        return Ok(Verdict::good_if(faults.is_empty()));
    }
    let path = checked_in();
    fs::write(&path, generate()?).with_context(|| format!("write {}", path.display()))?;
    println!("{CRATE}/{HEADER}: written");
    Ok(Verdict::Good)
}

/// Says whether the header differs from what these sources give.
pub(crate) fn faults() -> anyhow::Result<Vec<String>> {
    let path = checked_in();
    let found = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let is_stale = found != generate()?;
    let fault = format!("{CRATE}/{HEADER} is not what the sources give: run `cargo xtask header`");
    Ok(is_stale.then_some(fault).into_iter().collect())
}

fn checked_in() -> PathBuf {
    cargo::root().join(CRATE).join(HEADER)
}

fn generate() -> anyhow::Result<Vec<u8>> {
    let folder = cargo::root().join(CRATE);
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml"))
        .map_err(|why| anyhow!("{CRATE}/cbindgen.toml: {why}"))?;
    let bindings = cbindgen::Builder::new()
        .with_crate(&folder)
        .with_config(config)
        .generate()
        .with_context(|| format!("read the functions of {CRATE}"))?;
    let mut header = Vec::new();
    bindings.write(&mut header);
    Ok(header)
}
