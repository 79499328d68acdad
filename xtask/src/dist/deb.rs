//! Makes Debian packages of trees.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, anyhow};

use super::release::{Build, Release};
use super::stage::{PACKAGES, Stage, folder, template};
use super::tool;
use super::tree::{self, Entry};

/// What dpkg is to know beside the control file, where a package has it; the first four are run.
const EXTRAS: [&str; 6] = [
    "preinst", "postinst", "prerm", "postrm", "shlibs", "triggers",
];
const SCRIPTS: usize = 4;

/// Packs all packages into `folder`, as that revision of the release, and returns where they are.
pub(super) fn pack(
    stage: &Stage,
    release: &Release,
    revision: &str,
    folder: &Path,
) -> anyhow::Result<Vec<PathBuf>> {
    let version = format!("{}-{revision}", release.version);
    let pack = |package: &&str| {
        let top = stage.tree(package);
        write_changelog(package, &top, release, &version)?;
        write_control(package, &top, release, &version)?;
        let deb = folder.join(format!("{package}_{version}_amd64.deb"));
        let level = match release.build {
            Build::Release => "-z6",
            Build::Quick => "-z0",
        };
        let mut build = Command::new("dpkg-deb");
        build
            .args(["--root-owner-group", "-Zxz", level, "--build"])
            .args([&top, &deb])
            .env("SOURCE_DATE_EPOCH", &release.epoch);
        tool::run(&mut build)?;
        Ok(deb)
    };
    PACKAGES.iter().map(pack).collect()
}

fn write_changelog(
    package: &str,
    top: &Path,
    release: &Release,
    version: &str,
) -> anyhow::Result<()> {
    let text = template("", "changelog")?
        .replace("@VERSION@", version)
        .replace("@UPSTREAM@", release.version)
        .replace("@MAINTAINER@", &release.maintainer)
        .replace("@DATE@", &release.date("-R")?);
    let path = top
        .join("usr/share/doc")
        .join(package)
        .join("changelog.Debian");
    tree::write(&path, &text)?;
    tree::gzip(&path)
}

/// Writes what dpkg reads, anew.
fn write_control(
    package: &str,
    top: &Path,
    release: &Release,
    version: &str,
) -> anyhow::Result<()> {
    let control = top.join("DEBIAN");
    if control.exists() {
        fs::remove_dir_all(&control)?;
    }
    tree::set_modes(top)?;
    let entries = tree::walk(top)?;
    let text = template(package, "control")?
        .replace("@VERSION@", version)
        .replace("@MAINTAINER@", &release.maintainer)
        .replace("@SIZE@", &size(&entries).to_string());
    let text = if text.contains("@SHLIBS@") {
        text.replace("@SHLIBS@", &libraries(top, &entries)?)
    } else {
        text
    };
    tree::write(&control.join("control"), &text)?;
    let conffiles: Vec<&Entry> = files(&entries).filter(|it| it.is_below("etc")).collect();
    if !conffiles.is_empty() {
        let lines = conffiles
            .iter()
            .map(|it| format!("/{}\n", it.path.display()));
        tree::write(&control.join("conffiles"), &lines.collect::<String>())?;
    }
    let sums = md5sums(top, files(&entries).filter(|it| !it.is_below("etc")))?;
    tree::write(&control.join("md5sums"), &sums)?;
    for (index, name) in EXTRAS.iter().enumerate() {
        let from = folder(package).join(name);
        if from.exists() {
            let to = control.join(name);
            tree::copy(&from, &to)?;
            let mode = if index < SCRIPTS { 0o755 } else { 0o644 };
            fs::set_permissions(&to, fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

fn files(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(|it| it.kind.is_file())
}

/// The size that apt shows, in KiB, by the rule of dpkg-gencontrol: whole KiB for each file, and one
/// for each of the rest.
fn size(entries: &[Entry]) -> u64 {
    let size = |it: &Entry| {
        if it.kind.is_file() {
            it.size.div_ceil(1024)
        } else {
            1
        }
    };
    entries.iter().map(size).sum()
}

fn md5sums<'a>(top: &Path, files: impl Iterator<Item = &'a Entry>) -> anyhow::Result<String> {
    let mut sum = Command::new("md5sum");
    sum.args(files.map(|it| &it.path)).current_dir(top);
    tool::output(&mut sum)
}

/// The packages that hold the libraries which programs and libraries of this tree need.
fn libraries(top: &Path, entries: &[Entry]) -> anyhow::Result<String> {
    // It insists on the folder that source packages have.
    let source = tempfile::tempdir().context("make a temporary folder")?;
    let control = "Source: exithand\n\nPackage: exithand\nArchitecture: any\n";
    tree::write(&source.path().join("debian/control"), control)?;
    let mut shlibdeps = Command::new("dpkg-shlibdeps");
    shlibdeps.arg("-O").current_dir(source.path());
    for entry in files(entries) {
        let path = top.join(&entry.path);
        if is_elf(&path)? {
            shlibdeps.arg(path);
        }
    }
    let said = tool::output(&mut shlibdeps)?;
    let depends = said.trim().strip_prefix("shlibs:Depends=");
    depends
        .map(str::to_owned)
        .ok_or_else(|| anyhow!("dpkg-shlibdeps said {said:?}"))
}

fn is_elf(path: &Path) -> anyhow::Result<bool> {
    use std::io::Read;
    let mut start = Vec::new();
    File::open(path)
        .and_then(|it| it.take(4).read_to_end(&mut start))
        .with_context(|| format!("read {}", path.display()))?;
    Ok(start == b"\x7fELF")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{is_elf, md5sums, size};
    use crate::dist::tree;

    #[test]
    fn counts_sizes_as_dpkg_gencontrol_does() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("empty"), "").unwrap();
        fs::write(folder.path().join("long"), [0; 1025]).unwrap();
        tree::link("empty", &folder.path().join("below/link")).unwrap();
        // No KiB, two, the link and its folder.
        assert_eq!(size(&tree::walk(folder.path()).unwrap()), 4);
    }

    #[test]
    fn sums_files_by_their_paths_from_the_top() {
        let folder = tempfile::tempdir().unwrap();
        tree::write(&folder.path().join("usr/a"), "a").unwrap();
        let entries = tree::walk(folder.path()).unwrap();
        let sums = md5sums(folder.path(), super::files(&entries)).unwrap();
        assert_eq!(sums, "0cc175b9c0f1b6a831c399e269772661  usr/a\n");
        assert!(!is_elf(&folder.path().join("usr/a")).unwrap());
    }
}
