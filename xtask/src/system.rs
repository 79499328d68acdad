//! Minimal Debians, made by debootstrap and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::cache;
use crate::dist::tool;

const SUITE: &str = "bookworm";

/// Unpacks an archive that [`archive`] made; as root, for its files have owners.
pub(crate) fn unpack(archive: &Path, root: &Path) -> anyhow::Result<()> {
    let mut tar = Command::new("tar");
    tar.args([
        "--extract",
        "--numeric-owner",
        "--preserve-permissions",
        "--file",
    ])
    .arg(archive)
    .arg("--directory")
    .arg(root);
    tool::run(&mut tar)
}

/// The archive of a minimal Debian with these packages, divided by commas, out of the cache, or made now.
pub(crate) fn archive(included: &str) -> anyhow::Result<PathBuf> {
    let folder = cache::folder("systems")?;
    let archive = folder.join(format!("{SUITE}+{}.tar", included.replace(',', "+")));
    if archive.exists() {
        return Ok(archive);
    }
    println!("making a minimal Debian {SUITE}, which is then kept");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let work = tempfile::tempdir_in(&folder).context("make a folder for the system")?;
    let root = work.path().join("root");
    // It mounts things in there, which end with the namespace.
    let mut debootstrap = Command::new("unshare");
    debootstrap
        .args([
            "--mount",
            "--propagation=private",
            "debootstrap",
            "--variant=minbase",
        ])
        .arg(format!("--include={included}"))
        .arg(SUITE)
        .arg(&root);
    tool::run(&mut debootstrap).context("make a minimal Debian, which needs its mirrors")?;
    let made = work.path().join("system.tar");
    let mut tar = Command::new("tar");
    tar.args(["--create", "--numeric-owner", "--exclude=./var/cache/apt/*"])
        .args([
            "--exclude=./var/lib/apt/lists/*",
            "--exclude=./dev/*",
            "--file",
        ])
        .arg(&made)
        .arg("--directory")
        .arg(&root)
        .arg(".");
    tool::run(&mut tar)?;
    match fs::rename(&made, &archive) {
        // Somebody else was quicker.
        Err(_) if archive.exists() => {}
        renamed => renamed.with_context(|| format!("make {}", archive.display()))?,
    }
    Ok(archive)
}
