//! The files of one cgroup and of those below it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use exithand::Errno;

use super::CgroupError;
use super::mounts::Version;

/// How a write to a file that may not be there, or not be ours, went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Done,
    /// This kernel, hierarchy or user has no such file.
    Unavailable,
}

/// Whether a cgroup runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frost {
    Frozen,
    /// Not all have stopped yet.
    Freezing,
    Thawed,
}

/// One cgroup, seen through its directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    directory: PathBuf,
    version: Version,
}

impl Files {
    pub(crate) fn new(directory: PathBuf, version: Version) -> Self {
        Self { directory, version }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn exists(&self) -> bool {
        self.directory.join("cgroup.procs").exists()
    }

    /// Lists the processes in it and below, each once; 0 for each without a pid in our namespace.
    /// A cgroup that is gone has none.
    pub(crate) fn members(&self) -> Result<Vec<u32>, CgroupError> {
        let mut members = Vec::new();
        let mut directories = vec![self.directory.clone()];
        while let Some(directory) = directories.pop() {
            let file = directory.join("cgroup.procs");
            match fs::read_to_string(&file) {
                Ok(text) => members.extend(text.lines().filter_map(|it| it.parse::<u32>().ok())),
                Err(error) if is_gone(&error) => continue,
                // A cgroup of threads: the one above it lists their processes.
                Err(error) if is_threaded(&error) && directory != self.directory => {}
                Err(error) if is_threaded(&error) => return Err(CgroupError::Threaded(directory)),
                Err(error) => return Err(CgroupError::File { path: file, error }),
            }
            directories.extend(below(&directory)?);
        }
        // A process of many threads may be in several v1 cgroups; strangers all are 0.
        members.sort_unstable();
        let strangers = members.iter().take_while(|pid| **pid == 0).count();
        members.dedup();
        members.splice(
            ..usize::from(strangers > 0),
            std::iter::repeat_n(0, strangers),
        );
        Ok(members)
    }

    /// Opens the file that tells of the last member's end; `None` in v1, which has none.
    pub(crate) fn events(&self) -> Result<Option<File>, CgroupError> {
        if self.version != Version::V2 {
            return Ok(None);
        }
        let path = self.directory.join("cgroup.events");
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(CgroupError::File { path, error }),
        }
    }

    /// Kills all members at once, those that are being forked too. Since Linux 5.14, v2 only.
    pub(crate) fn kill(&self) -> Result<Written, CgroupError> {
        match self.version {
            Version::V2 => self.write("cgroup.kill", "1"),
            Version::V1Freezer | Version::V1 => Ok(Written::Unavailable),
        }
    }

    pub(crate) fn set_frost(&self, frost: Frost) -> Result<Written, CgroupError> {
        match (self.version, frost) {
            (Version::V2, Frost::Thawed) => self.write("cgroup.freeze", "0"),
            (Version::V2, _) => self.write("cgroup.freeze", "1"),
            (Version::V1Freezer, Frost::Thawed) => self.write("freezer.state", "THAWED"),
            (Version::V1Freezer, _) => self.write("freezer.state", "FROZEN"),
            (Version::V1, _) => Ok(Written::Unavailable),
        }
    }

    /// Reads whether it is frozen by itself; `None` where nothing says so.
    pub(crate) fn frost(&self) -> Option<Frost> {
        match self.version {
            Version::V2 => {
                let asked = self.read("cgroup.freeze")?.trim() == "1";
                let done = flag(&self.read("cgroup.events")?, "frozen") == Some(true);
                Some(match (asked, done) {
                    (false, _) => Frost::Thawed,
                    (true, false) => Frost::Freezing,
                    (true, true) => Frost::Frozen,
                })
            }
            Version::V1Freezer => match self.read("freezer.state")?.trim() {
                "FROZEN" => Some(Frost::Frozen),
                "FREEZING" => Some(Frost::Freezing),
                _ => Some(Frost::Thawed),
            },
            Version::V1 => None,
        }
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.directory.join(file)).ok()
    }

    fn write(&self, file: &str, text: &str) -> Result<Written, CgroupError> {
        let path = self.directory.join(file);
        let opened = OpenOptions::new().write(true).open(&path);
        match opened.and_then(|mut file| file.write_all(text.as_bytes())) {
            Ok(()) => Ok(Written::Done),
            Err(error) if is_gone(&error) || is_refused(&error) => Ok(Written::Unavailable),
            Err(error) => Err(CgroupError::File { path, error }),
        }
    }
}

/// Says whether a v2 cgroup has living members, from its open `cgroup.events`.
pub(crate) fn is_populated(mut events: &File) -> Result<bool, io::Error> {
    let mut text = String::new();
    let read = events
        .rewind()
        .and_then(|()| events.read_to_string(&mut text));
    match read {
        Ok(_) => Ok(flag(&text, "populated") != Some(false)),
        // Only an empty cgroup can be removed.
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn flag(text: &str, name: &str) -> Option<bool> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(value.trim() == "1")
}

fn below(directory: &Path) -> Result<Vec<PathBuf>, CgroupError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if is_gone(&error) => return Ok(Vec::new()),
        Err(error) => {
            return Err(CgroupError::File {
                path: directory.to_owned(),
                error,
            });
        }
    };
    let directories = entries
        .flatten()
        .filter(|it| it.file_type().is_ok_and(|it| it.is_dir()));
    Ok(directories.map(|entry| entry.path()).collect())
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || has_errno(error, Errno::NODEV)
}

fn is_threaded(error: &io::Error) -> bool {
    has_errno(error, Errno::OPNOTSUPP)
}

fn is_refused(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
    ) || is_threaded(error)
}

fn has_errno(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_flags_of_cgroup_events() {
        let text = "populated 1\nfrozen 0\n";
        assert_eq!(flag(text, "populated"), Some(true));
        assert_eq!(flag(text, "frozen"), Some(false));
        assert_eq!(flag(text, "froz"), None);
    }

    #[test]
    fn a_cgroup_that_is_gone_is_empty() {
        let files = Files::new(PathBuf::from("/nowhere/at/all"), Version::V2);
        assert_eq!(files.members().unwrap(), [0; 0]);
        assert!(files.events().unwrap().is_none());
        assert_eq!(files.kill().unwrap(), Written::Unavailable);
    }
}
