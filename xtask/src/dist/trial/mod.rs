//! Holds packages to what they promise: by lintian, and in a minimal Debian of its own.

mod checks;
mod chroot;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use self::checks::Check;
use self::chroot::Chroot;
use super::release::Build;
use super::{Made, deb, sbom, tarball, tool, tree};
use crate::test::machine::Machine;
use crate::test::skips::{Coverage, Skip, Table};
use crate::test::tally::Tally;
use crate::test::{Report, Run, is_root};

/// The checks are counted as tests of a program of this name.
const SUITE: &str = "packages";

/// Makes everything and tries it; where we are not root, that is skipped.
pub(crate) fn run(build: Build) -> anyhow::Result<Report> {
    let expectations = Table::of_hosts()?;
    let mut trial = Trial {
        tally: Tally::default(),
    };
    let mut skips = Vec::new();
    if is_root() {
        println!("\nmaking packages");
        match super::make(build) {
            Ok(made) => trial.try_out(&made)?,
            Err(why) => trial.judge("are_made", Err(why)),
        }
    } else {
        let (test, reason) = (format!("{SUITE}::all"), "root".to_owned());
        trial.tally.names.insert(test.clone());
        trial.tally.passed += 1;
        skips.push(Skip { test, reason });
    }
    let run = Run {
        tally: trial.tally,
        skips,
    };
    Ok(run.report(
        &expectations,
        &Machine::this(&expectations)?,
        Coverage::Part,
    ))
}

struct Trial {
    tally: Tally,
}

impl Trial {
    fn try_out(&mut self, made: &Made) -> anyhow::Result<()> {
        self.judge("packing_again_gives_the_same_bytes", packs_alike(made));
        self.judge("the_bill_of_materials_is_complete", lists_everything(made));
        self.judge("lintian_finds_nothing_wrong", lintian(&made.debs));
        let chroot = Chroot::unpack();
        let chroot = match chroot {
            Ok(chroot) => chroot,
            Err(why) => {
                self.judge("a_minimal_debian_is_there", Err(why));
                return Ok(());
            }
        };
        for file in tree::walk(&made.folder)? {
            chroot.share(&made.folder.join(file.path))?;
        }
        for check in &checks::TARBALL {
            self.check(&chroot, check);
        }
        self.life(made, &chroot)
    }

    /// Takes the packages through their life.
    fn life(&mut self, made: &Made, chroot: &Chroot) -> anyhow::Result<()> {
        let before = chroot.paths()?;
        let installed = chroot.run(checks::INSTALL);
        let is_installed = installed.is_ok();
        self.judge("they_are_installed", installed.map(drop));
        if !is_installed {
            return Ok(());
        }
        let folder = tempfile::tempdir().context("make a temporary folder")?;
        for (name, text) in checks::PROGRAMS {
            let program = folder.path().join(name);
            tree::write(&program, text)?;
            chroot.share(&program)?;
        }
        for check in &checks::INSTALLED {
            self.check(chroot, check);
        }
        let newer = deb::pack(&made.stage, &made.release, "2", folder.path())?;
        chroot.forget()?;
        for deb in newer {
            chroot.share(&deb)?;
        }
        self.check(chroot, &checks::UPGRADE);
        self.check(chroot, &checks::REMOVE);
        let purged = chroot.run(checks::PURGE).and_then(|said| {
            let after = chroot.paths()?;
            let left: Vec<_> = after.difference(&before).collect();
            let lost: Vec<_> = before.difference(&after).collect();
            ensure!(left.is_empty(), "left behind: {left:?}\n{said}");
            ensure!(lost.is_empty(), "taken away: {lost:?}\n{said}");
            Ok(())
        });
        self.judge("a_purge_leaves_nothing", purged);
        Ok(())
    }

    fn check(&mut self, chroot: &Chroot, (name, script): &Check) {
        self.judge(name, chroot.run(script).map(drop));
    }

    /// Counts a check, and says what came of it.
    fn judge(&mut self, name: &str, result: anyhow::Result<()>) {
        let test = format!("{SUITE}::{name}");
        match result {
            Ok(()) => {
                println!("test {test} ... ok");
                self.tally.passed += 1;
            }
            Err(why) => {
                println!("test {test} ... FAILED\n{why:#}");
                self.tally.failed += 1;
            }
        }
        self.tally.names.insert(test);
    }
}

fn packs_alike(made: &Made) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("make a temporary folder")?;
    let mut again = deb::pack(&made.stage, &made.release, super::REVISION, folder.path())?;
    let mut first = made.debs.clone();
    let unpacked = folder.path().join("unpacked");
    fs::create_dir(&unpacked)?;
    let mut tar = Command::new("tar");
    tool::run(
        tar.arg("--extract")
            .arg("--directory")
            .arg(&unpacked)
            .arg("--file")
            .arg(&made.tarball),
    )?;
    let name = made
        .tarball
        .file_name()
        .context("a tarball without a name")?;
    let name = name.to_string_lossy();
    let top = unpacked.join(name.trim_end_matches(".tar.gz"));
    let tarball = folder.path().join(&*name);
    tarball::pack(&top, &made.release.epoch, &tarball)?;
    again.push(tarball);
    first.push(made.tarball.clone());
    for (one, other) in first.iter().zip(&again) {
        if read(one)? != read(other)? {
            bail!("{} differs from {}", one.display(), other.display());
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

fn lists_everything(made: &Made) -> anyhow::Result<()> {
    let mut faults = sbom::faults(&made.sbom);
    for name in ["exithand", "rustix", "tokio", "sqlite", "glibc"] {
        if !made.sbom.contains(&format!("\"name\": \"{name}\"")) {
            faults.push(format!("{name} is missing"));
        }
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

fn lintian(debs: &[PathBuf]) -> anyhow::Result<()> {
    let mut lintian = Command::new("lintian");
    lintian.args([
        "--allow-root",
        "--fail-on=error,warning",
        "--tag-display-limit=0",
    ]);
    // Nobody has asked Debian for the package yet.
    lintian.arg("--suppress-tags=initial-upload-closes-no-bugs");
    tool::run(lintian.args(debs))
}
