//! Trees of files that are about to be packed.

use std::fs::{self, File, FileType, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::tool;

/// One thing in a tree.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// From the top of the tree.
    pub(super) path: PathBuf,
    pub(super) kind: FileType,
    pub(super) size: u64,
}

impl Entry {
    /// Whether it is in a folder of that name, directly or further below.
    pub(super) fn is_below(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

/// Everything below `root`, sorted by path; links are not followed.
pub(super) fn walk(root: &Path) -> anyhow::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let listed = fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
        for entry in listed {
            let path = entry?.path();
            let about = fs::symlink_metadata(&path)
                .with_context(|| format!("look at {}", path.display()))?;
            if about.is_dir() {
                folders.push(path.clone());
            }
            entries.push(Entry {
                path: path.strip_prefix(root)?.to_owned(),
                kind: about.file_type(),
                size: about.len(),
            });
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// Writes a file, and the folders it is in.
pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    make_parents(path)?;
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

/// Copies a file, and makes the folders that the copy is in.
pub(super) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    make_parents(to)?;
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("copy {} to {}", from.display(), to.display()))
}

/// Copies all files below `from`.
pub(super) fn copy_all(from: &Path, to: &Path) -> anyhow::Result<()> {
    let files = walk(from)?.into_iter().filter(|it| it.kind.is_file());
    for file in files {
        copy(&from.join(&file.path), &to.join(&file.path))?;
    }
    Ok(())
}

/// Moves a file within one file system, and makes the folders that it comes to.
pub(super) fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    make_parents(to)?;
    fs::rename(from, to).with_context(|| format!("move {} to {}", from.display(), to.display()))
}

/// Makes a symbolic link, and the folders that it is in.
pub(super) fn link(target: &str, path: &Path) -> anyhow::Result<()> {
    make_parents(path)?;
    std::os::unix::fs::symlink(target, path)
        .with_context(|| format!("make the link {}", path.display()))
}

fn make_parents(path: &Path) -> anyhow::Result<()> {
    let parent = path.parent().context("a file without a folder")?;
    fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))
}

/// Compresses a file in place, always to the same bytes.
pub(super) fn gzip(path: &Path) -> anyhow::Result<()> {
    tool::run(Command::new("gzip").args(["-9nf"]).arg(path))
}

/// Gives folders and programs the mode 755 and other files 644, whatever the umask was.
pub(super) fn set_modes(root: &Path) -> anyhow::Result<()> {
    let set = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode))
            .with_context(|| format!("change the mode of {}", path.display()))
    };
    set(root, 0o755)?;
    for entry in walk(root)?.iter().filter(|it| !it.kind.is_symlink()) {
        let path = root.join(&entry.path);
        let mode = File::open(&path)?.metadata()?.permissions().mode();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_library = name.contains(".so.") || name.ends_with(".so");
        let is_program = entry.kind.is_dir() || mode & 0o100 != 0 && !is_library;
        set(&path, if is_program { 0o755 } else { 0o644 })?;
    }
    Ok(())
}
