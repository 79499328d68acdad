//! Lays out what was built as it will be installed, a tree for each Debian package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use tempfile::TempDir;

use super::artefacts::Artefacts;
use super::release::Release;
use super::{tool, tree};
use crate::{cargo, sources};

/// The packages; the first that wants a file gets it.
pub(super) const PACKAGES: [&str; 4] = [
    "libexithand0",
    "libexithand-dev",
    "python3-exithand",
    "exithand",
];
/// What is told of each package, below the root.
pub(super) const TEMPLATES: &str = "dist/deb";
/// The names of other tools; see exithand-names(7).
const NAMES: [&str; 4] = ["getino", "pidwait", "pwait", "waitpid"];
/// Not in `PATH`: the names belong to other packages there.
const NAMES_FOLDER: &str = "usr/lib/exithand/names";
const PYTHON: &str = "usr/lib/python3/dist-packages";

/// The trees.
#[derive(Debug)]
pub(super) struct Stage {
    folder: TempDir,
}

impl Stage {
    /// The tree of one package.
    pub(super) fn tree(&self, package: &str) -> PathBuf {
        self.folder.path().join(package)
    }
}

/// Makes the trees, but for what changes with the revision of a package.
pub(super) fn stage(artefacts: &Artefacts, release: &Release) -> anyhow::Result<Stage> {
    let folder = tempfile::tempdir().context("make a folder for the packages")?;
    let stage = Stage { folder };
    let all = stage.folder.path().join("all");
    fs::create_dir(&all)?;
    install(artefacts, &all)?;
    for name in NAMES {
        tree::link("../../../bin/exithand", &all.join(NAMES_FOLDER).join(name))?;
    }
    python(&artefacts.module, release, &all)?;
    strip(&all)?;
    distribute(&all, &stage)?;
    for package in PACKAGES {
        complete(package, &stage.tree(package))?;
    }
    Ok(stage)
}

fn install(artefacts: &Artefacts, all: &Path) -> anyhow::Result<()> {
    make(&artefacts.command, Path::new("/usr"), all)?;
    let mut library = Command::new("make");
    library
        .args(["install-library", "PREFIX=/usr"])
        .arg("libdir=/usr/lib/x86_64-linux-gnu")
        .arg(variable("DESTDIR", all))
        .arg(variable("ARCHIVE", &artefacts.archive))
        .current_dir(cargo::root());
    tool::run(&mut library)?;
    // The file `copyright` says so.
    let licences = all.join("usr/share/doc");
    fs::remove_dir_all(&licences).with_context(|| format!("remove {}", licences.display()))
}

/// Installs the command and what belongs to it below `top`, to be used below `prefix`.
pub(super) fn make(command: &Path, prefix: &Path, top: &Path) -> anyhow::Result<()> {
    let mut make = Command::new("make");
    make.arg("install-command")
        .arg(variable("PREFIX", prefix))
        .arg(variable("DESTDIR", top))
        .arg(variable("PROGRAM", command))
        .current_dir(cargo::root());
    tool::run(&mut make)
}

fn variable(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

/// Puts the module where Debian's Python looks, with what tells pip and others that it is there.
fn python(module: &Path, release: &Release, all: &Path) -> anyhow::Result<()> {
    let packages = all.join(PYTHON);
    let sources = cargo::root().join("crates/exithand-python/python/exithand");
    for entry in tree::walk(&sources)? {
        let is_made = entry.path.iter().any(|it| it == "__pycache__");
        let is_built = entry.path.extension().is_some_and(|it| it == "so");
        if entry.kind.is_file() && !is_made && !is_built {
            let to = packages.join("exithand").join(&entry.path);
            tree::copy(&sources.join(&entry.path), &to)?;
        }
    }
    let extension = packages.join("exithand/_exithand.abi3.so");
    tree::copy(module, &extension)?;
    let version = release.version;
    let about = packages.join(format!("exithand-{version}.dist-info"));
    let metadata = format!(
        "Metadata-Version: 2.1\nName: exithand\nVersion: {version}\n\
         Summary: Wait for any process on Linux, without polling, and learn how it ended\n\
         License: MIT OR Apache-2.0\nRequires-Python: >=3.9\n"
    );
    tree::write(&about.join("METADATA"), &metadata)?;
    tree::write(&about.join("INSTALLER"), "debian\n")
}

/// Takes symbols away that only a debugger needs.
fn strip(all: &Path) -> anyhow::Result<()> {
    for entry in tree::walk(all)?.iter().filter(|it| it.kind.is_file()) {
        let name = entry.path.file_name().unwrap_or_default().to_string_lossy();
        let how: &[&str] = if name.ends_with(".a") {
            &["--strip-debug", "--enable-deterministic-archives"]
        } else if name.contains(".so") {
            &["--strip-unneeded", "-R.comment", "-R.note"]
        } else if entry.is_below("usr/bin") || entry.path.ends_with("exithand-lowmem") {
            &["-R.comment", "-R.note"]
        } else {
            continue;
        };
        let mut strip = Command::new("strip");
        tool::run(strip.args(how).arg(all.join(&entry.path)))?;
    }
    Ok(())
}

/// Moves every file into the tree of its package.
fn distribute(all: &Path, stage: &Stage) -> anyhow::Result<()> {
    let mut wishes = Vec::new();
    for package in PACKAGES {
        let text = template(package, "files")?;
        wishes.extend(sources::policy_lines(&text).map(|it| (package, it.to_owned())));
    }
    for entry in tree::walk(all)?.iter().filter(|it| !it.kind.is_dir()) {
        let path = entry.path.to_string_lossy();
        let mut wishes = wishes.iter();
        let Some((package, _)) = wishes.find(|(_, start)| path.starts_with(start.as_str())) else {
            bail!("no package wants /{path}: name it in {TEMPLATES}/PACKAGE/files");
        };
        tree::rename(
            &all.join(&entry.path),
            &stage.tree(package).join(&entry.path),
        )?;
    }
    Ok(())
}

/// Adds what every package has, and what only Debian's has.
fn complete(package: &str, top: &Path) -> anyhow::Result<()> {
    let own = folder(package).join("root");
    if own.exists() {
        tree::copy_all(&own, top)?;
    }
    let docs = top.join("usr/share/doc").join(package);
    tree::write(&docs.join("copyright"), &copyright()?)?;
    tree::copy(&cargo::root().join("CHANGELOG.md"), &docs.join("changelog"))?;
    tree::gzip(&docs.join("changelog"))?;
    let entries = tree::walk(top)?.into_iter();
    for page in entries.filter(|it| it.kind.is_file() && it.is_below("usr/share/man")) {
        tree::gzip(&top.join(page.path))?;
    }
    tree::set_modes(top)
}

fn copyright() -> anyhow::Result<String> {
    let licence = fs::read_to_string(cargo::root().join("LICENSE-MIT")).context("LICENSE-MIT")?;
    let indented = licence.trim_end().lines().map(|line| match line {
        "" => " .".to_owned(),
        _ => format!(" {line}"),
    });
    let indented: Vec<String> = indented.collect();
    let text = template("", "copyright")?;
    Ok(text.replace("@MIT@", &indented.join("\n")))
}

/// The folder with what is told of a package.
pub(super) fn folder(package: &str) -> PathBuf {
    cargo::root().join(TEMPLATES).join(package)
}

/// A file that tells of a package.
pub(super) fn template(package: &str, name: &str) -> anyhow::Result<String> {
    let path = folder(package).join(name);
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}
