//! Debian's source of Linux, and our patches on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::Patch;
use crate::{cargo, packages};

const PACKAGE: &str = "linux-source-6.12";
/// The version that the patches are made for; `kernel/README.md` says so too.
pub(super) const VERSION: &str = "6.12.117-1~deb12u1";

/// Unpacks the source below `work`, and returns its root.
pub(super) fn unpack(cache: &Path, work: &Path) -> anyhow::Result<PathBuf> {
    let deb = package(cache)?;
    println!("unpacking {PACKAGE} {VERSION}");
    let all = work.join("package");
    succeed(
        Command::new("dpkg-deb")
            .arg("--extract")
            .arg(&deb)
            .arg(&all),
    )?;
    let tree = work.join("linux");
    fs::create_dir(&tree).context("make a folder for the source")?;
    let archive = all.join(format!("usr/src/{PACKAGE}.tar.xz"));
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--strip-components=1", "--file"])
        .arg(archive)
        .arg("--directory")
        .arg(&tree);
    succeed(&mut tar)?;
    fs::remove_dir_all(all).context("remove what was unpacked")?;
    Ok(tree)
}

/// The Debian package, out of the cache or by apt.
fn package(cache: &Path) -> anyhow::Result<PathBuf> {
    let deb = cache.join(format!("{PACKAGE}_{VERSION}.deb"));
    if deb.is_file() {
        return Ok(deb);
    }
    println!("fetching {PACKAGE} {VERSION}");
    let folder = tempfile::tempdir_in(cache).context("make a folder to download to")?;
    if download(folder.path()).is_err() {
        // The lists of packages are empty on a fresh machine, and may be older than the archive.
        packages::update().context("bring apt's lists of packages up to date")?;
        download(folder.path()).with_context(|| {
            format!(
                "{PACKAGE} {VERSION} is not to be had: a source like `deb \
                 http://deb.debian.org/debian-security bookworm-security main` has it, or a newer one \
                 for which kernel/patches has to be tried again"
            )
        })?;
    }
    let mut entries = fs::read_dir(folder.path()).context("look for the package")?;
    let found = entries.next().context("apt-get downloaded nothing")??;
    fs::rename(found.path(), &deb).with_context(|| format!("make {}", deb.display()))?;
    Ok(deb)
}

fn download(folder: &Path) -> anyhow::Result<()> {
    let mut apt = Command::new("apt-get");
    apt.args(["-q", "download", &format!("{PACKAGE}={VERSION}")])
        .current_dir(folder);
    succeed(&mut apt)
}

/// Applies the patches, which have to fit exactly.
pub(super) fn patch(tree: &Path, patches: &[Patch]) -> anyhow::Result<()> {
    for patch in patches {
        let mut command = Command::new("patch");
        command
            .args(["--strip=1", "--fuzz=0", "--batch", "--silent", "--input"])
            .arg(&patch.path)
            .current_dir(tree);
        succeed(&mut command).with_context(|| format!("apply {}", patch.path.display()))?;
    }
    Ok(())
}

/// Has the kernel's own checker look at each patch; whether it has nothing to say.
pub(super) fn check_style(tree: &Path, patches: &[Patch]) -> anyhow::Result<bool> {
    let mut clean = true;
    for patch in patches {
        let mut command = Command::new("perl");
        // The folders of the new files have their entries in MAINTAINERS already.
        command
            .args(["scripts/checkpatch.pl", "--strict", "--no-summary"])
            .args(["--ignore", "FILE_PATH_CHANGES"])
            .arg(&patch.path)
            .current_dir(tree);
        clean &= cargo::status(&mut command)?.success();
    }
    Ok(clean)
}

pub(super) fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = cargo::status(command)?;
    if !status.success() {
        bail!("{} ended with {status}", command.get_program().display());
    }
    Ok(())
}
