//! The tarball for machines without packages of ours: one program that needs no library, and what belongs to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::release::Release;
use super::{stage, tool, tree};
use crate::cargo;

/// Where its files are meant to go; `install.sh` changes that.
const PREFIX: &str = "usr/local";
/// Files of the repository that are in it, as they are.
const AS_THEY_ARE: [&str; 4] = ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];
const INSTALLER: &str = "dist/install.sh";

/// Makes the tarball in `folder`, and returns where it is.
pub(super) fn make(
    command: &Path,
    sbom: &str,
    release: &Release,
    folder: &Path,
) -> anyhow::Result<PathBuf> {
    let work = tempfile::tempdir().context("make a folder for the tarball")?;
    let name = format!("exithand-{}-x86_64-linux", release.version);
    let top = work.path().join(&name);
    let command = strip(command, work.path())?;
    let all = work.path().join("all");
    stage::make(&command, &Path::new("/").join(PREFIX), &all)?;
    fs::rename(all.join(PREFIX), &top).context("move what was installed")?;
    for file in AS_THEY_ARE {
        tree::copy(&cargo::root().join(file), &top.join(file))?;
    }
    tree::copy(&cargo::root().join(INSTALLER), &top.join("install.sh"))?;
    tree::write(&top.join("sbom.cdx.json"), sbom)?;
    tree::set_modes(&top)?;
    let tarball = folder.join(format!("{name}.tar.gz"));
    pack(&top, &release.epoch, &tarball)?;
    Ok(tarball)
}

fn strip(command: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let copy = |name: &str| {
        let copy = folder.join(name);
        tree::copy(&command.with_file_name(name), &copy)?;
        tool::run(Command::new("strip").arg(&copy))?;
        Ok(copy)
    };
    copy("exithand-lowmem")?;
    copy("exithand")
}

/// Packs a folder: the same files give the same bytes, whoever made them and when.
pub(super) fn pack(top: &Path, epoch: &str, tarball: &Path) -> anyhow::Result<()> {
    let name = top.file_name().context("a folder without a name")?;
    let mut tar = Command::new("tar");
    tar.args(["--create", "--format=gnu", "--sort=name", "--numeric-owner"])
        .args(["--owner=0", "--group=0", "--use-compress-program=gzip -9n"])
        .arg(format!("--mtime=@{epoch}"))
        .arg("--file")
        .arg(tarball)
        .arg("--directory")
        .arg(top.parent().context("a folder without a place")?)
        .arg(name);
    tool::run(&mut tar)
}

/// Writes the checksums of `files`, which are in `folder`, in the form that `sha256sum -c` reads.
pub(super) fn write_sums(folder: &Path, files: &[PathBuf]) -> anyhow::Result<PathBuf> {
    let mut names: Vec<_> = files.iter().filter_map(|it| it.file_name()).collect();
    names.sort();
    let mut sum = Command::new("sha256sum");
    let sums = tool::output(sum.args(names).current_dir(folder))?;
    let path = folder.join("SHA256SUMS");
    tree::write(&path, &sums)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::pack;
    use crate::dist::tree;

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let mut tarballs = Vec::new();
        for (place, names) in [("one", ["a", "b"]), ("other", ["b", "a"])] {
            let top = folder.path().join(place).join("top");
            for name in names {
                tree::write(&top.join(name), name).unwrap();
            }
            // Neither when they were written nor in which order they are listed may show.
            fs::File::open(top.join(names[0]))
                .unwrap()
                .set_modified(std::time::UNIX_EPOCH)
                .unwrap();
            let tarball = folder.path().join(place).join("top.tar.gz");
            pack(&top, "1700000000", &tarball).unwrap();
            tarballs.push(fs::read(tarball).unwrap());
        }
        assert!(tarballs[0] == tarballs[1]);
    }
}
