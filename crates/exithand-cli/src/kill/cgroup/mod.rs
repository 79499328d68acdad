//! A cgroup that is to be emptied: where it is, who is in it, how it is frozen.

mod files;
mod mounts;
mod scope;

use std::io;
use std::path::{Path, PathBuf};

use files::Files;
pub(crate) use scope::CgroupScope;

/// A cgroup named by the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    files: Files,
}

/// Why a cgroup cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CgroupError {
    /// No hierarchy is mounted here.
    #[error("no cgroup hierarchy is mounted here")]
    NoHierarchy,
    /// No mounted hierarchy has it.
    #[error("no cgroup {}: looked for {}", .path.display(), list(.tried))]
    NotFound {
        /// What the user named.
        path: PathBuf,
        /// Where it could have been.
        tried: Vec<PathBuf>,
    },
    /// The caller would signal itself.
    #[error("cgroup {} contains exithand itself: name a cgroup below it", .0.display())]
    ContainsCaller(PathBuf),
    /// Init would be signalled.
    #[error("cgroup {} contains process 1: name a cgroup below it", .0.display())]
    ContainsInit(PathBuf),
    /// A cgroup of threads has no processes of its own.
    #[error(
        "cgroup {} is for threads: name the cgroup above it that holds their processes",
        .0.display()
    )]
    Threaded(PathBuf),
    /// One of its files failed.
    #[error("cannot use {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        error: io::Error,
    },
}

impl Cgroup {
    /// Finds the cgroup that `path` means: a directory below a cgroup mount, or a name as in
    /// `/proc/PID/cgroup`. Where several hierarchies have that name the first one with members
    /// is taken: cgroup2, then the freezer, then the others.
    ///
    /// # Errors
    ///
    /// - [`CgroupError::NoHierarchy`], [`CgroupError::NotFound`]: it is not there.
    /// - [`CgroupError::Threaded`]: it has threads and no processes.
    /// - [`CgroupError::ContainsCaller`], [`CgroupError::ContainsInit`]: it must not be emptied.
    /// - [`CgroupError::File`]: its members may not be read.
    pub fn find(path: &Path) -> Result<Self, CgroupError> {
        let mountinfo = Path::new("/proc/self/mountinfo");
        let text = std::fs::read_to_string(mountinfo).map_err(|error| CgroupError::File {
            path: mountinfo.to_owned(),
            error,
        })?;
        let mounts = mounts::parse(&text);
        if mounts.is_empty() {
            return Err(CgroupError::NoHierarchy);
        }
        let candidates = mounts::candidates(path, &absolute(path), &mounts);
        let files = candidates
            .iter()
            .map(|(directory, it)| Files::new(directory.clone(), *it));
        let existing: Vec<Files> = files.filter(Files::exists).collect();
        let inhabited = existing
            .iter()
            .find(|files| !matches!(files.members(), Ok(it) if it.is_empty()));
        let files = inhabited.or(existing.first()).cloned().ok_or_else(|| {
            let tried = candidates
                .into_iter()
                .map(|(directory, _)| directory)
                .collect();
            CgroupError::NotFound {
                path: path.to_owned(),
                tried,
            }
        })?;
        refuse_harmful(&files)?;
        Ok(Self { files })
    }

    /// Returns the directory that shows it.
    pub fn directory(&self) -> &Path {
        self.files.directory()
    }
}

fn refuse_harmful(files: &Files) -> Result<(), CgroupError> {
    let members = files.members()?;
    let directory = || files.directory().to_owned();
    if members.contains(&std::process::id()) {
        return Err(CgroupError::ContainsCaller(directory()));
    }
    if members.contains(&1) {
        return Err(CgroupError::ContainsInit(directory()));
    }
    Ok(())
}

/// A relative path as seen from the working directory, if there is one.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}
