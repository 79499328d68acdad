//! The files of a store: the database, its log and index, and the lock beside it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Access as FileAccess, AtFlags, CWD, FlockOperation, Gid, accessat, flock};
use rustix::io::Errno;

use super::StoreError;
use super::error::from_sqlite;
use super::schema::{APPLICATION_ID, VERSION};

/// What the database's file, its log, its index and its lock are called after its own name.
const SUFFIXES: [&str; 4] = ["", "-wal", "-shm", ".lock"];
/// Begins the lock's text, and so shows that a store was here.
const LOCK_MARK: &str = "exithand ";
/// How a database is opened to be read.
pub(crate) const READ_FLAGS: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY
    .union(OpenFlags::SQLITE_OPEN_NO_MUTEX)
    .union(OpenFlags::SQLITE_OPEN_URI);

/// Who may read the store, besides its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nobody.
    Owner,
    /// The members of this group.
    Group(u32),
}

/// Makes the store's files readable to those whom `access` names, and to no others.
///
/// # Errors
///
/// [`StoreError::Io`] where the files are not ours, or the group may not be given.
pub fn set_access(path: &Path, access: Access) -> Result<(), StoreError> {
    let (mode, group) = match access {
        Access::Owner => (0o600, None),
        Access::Group(gid) => (0o640, Some(Gid::from_raw(gid))),
    };
    for file in SUFFIXES.map(|suffix| with_suffix(path, suffix)) {
        // The group first: until then nobody but the owner reads it.
        let set = || {
            if group.is_some() {
                rustix::fs::chown(&file, None, group)?;
            }
            fs::set_permissions(&file, Permissions::from_mode(mode))
        };
        match set() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failure("set the permissions of", &file, error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Returns who may read the store.
pub(crate) fn access(path: &Path) -> Access {
    match fs::metadata(path) {
        Ok(meta) if meta.mode() & 0o040 != 0 => Access::Group(meta.gid()),
        Ok(_) | Err(_) => Access::Owner,
    }
}

/// What a file is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing is there, or an empty file.
    Empty,
    /// A history of a version this program knows.
    Known,
    /// A history of a newer version.
    Newer(i64),
    /// It was a history: the lock beside it says so.
    Damaged,
    /// Something else, which is nobody's to touch.
    Foreign,
}

/// Looks at the file without changing anything, and without a lock.
///
/// SQLite itself looks: if we closed the file, the locks of all its connections in this process
/// would go with it (`fcntl_locking(2)`).
pub(crate) fn kind(path: &Path) -> Result<Kind, StoreError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kind::Empty),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let path = path.to_owned();
            return Err(StoreError::Denied { path });
        }
        Err(error) => return Err(failure("look at", path, error)),
        Ok(meta) if meta.len() == 0 => return Ok(Kind::Empty),
        Ok(_) => {}
    }
    if accessat(CWD, path, FileAccess::READ_OK, AtFlags::EACCESS) == Err(Errno::ACCESS) {
        let path = path.to_owned();
        return Err(StoreError::Denied { path });
    }
    let look = || {
        let db = Connection::open_with_flags(immutable_uri(path), READ_FLAGS)?;
        let number = |sql| db.query_row(sql, (), |row| row.get::<_, i64>(0));
        Ok((
            number("PRAGMA application_id")?,
            number("PRAGMA user_version")?,
        ))
    };
    match look().map_err(|error| from_sqlite(path, error)) {
        Ok((application, version)) if application == i64::from(APPLICATION_ID) => {
            let is_known = version <= VERSION;
            Ok(if is_known {
                Kind::Known
            } else {
                Kind::Newer(version)
            })
        }
        // Just created: the tables are still in the log.
        Ok((0, 0)) if was_store(path) => Ok(Kind::Known),
        Err(StoreError::Damaged { .. }) if was_store(path) => Ok(Kind::Damaged),
        Ok(_) | Err(StoreError::Damaged { .. }) => Ok(Kind::Foreign),
        Err(error) => Err(error),
    }
}

fn was_store(path: &Path) -> bool {
    fs::read(with_suffix(path, ".lock")).is_ok_and(|text| text.starts_with(LOCK_MARK.as_bytes()))
}

/// The right to write a store; ends with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A child that was just forked has the descriptor, too, until it executes its program, and a
        // lock lasts as long as any of them. Closing alone would leave it to the child.
        match flock(&self.file, FlockOperation::Unlock) {
            Ok(()) | Err(_) => {}
        }
    }
}

impl Lock {
    /// Takes the right, or says who has it.
    pub(crate) fn take(path: &Path) -> Result<Self, StoreError> {
        let name = with_suffix(path, ".lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&name)
            .map_err(|error| not_written(path, &name, error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let path = path.to_owned();
                let pid = holder(&mut file);
                return Err(StoreError::Locked { path, pid });
            }
            Err(errno) => return Err(failure("lock", &name, errno.into())),
        }
        let text = format!("{LOCK_MARK}{}\n", std::process::id());
        let mut write = || {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(text.as_bytes())
        };
        match write() {
            // A full disk stops nobody from recording: the text is for people.
            Err(error) if !is_full(&error) => Err(failure("write", &name, error)),
            Ok(()) | Err(_) => Ok(Self { file }),
        }
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.strip_prefix(LOCK_MARK)?.trim_end().parse().ok()
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG)
    )
}

/// Makes the database's file if there is none, for nobody else to read.
pub(crate) fn create(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(not_written(path, path, error))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

fn not_written(store: &Path, file: &Path, error: io::Error) -> StoreError {
    match Errno::from_io_error(&error) {
        Some(Errno::ROFS | Errno::ACCESS | Errno::PERM) => StoreError::ReadOnly {
            path: store.to_owned(),
        },
        _ => failure("create", file, error),
    }
}

/// Renames a damaged store, so that a new one can take its place; returns the new name.
pub(crate) fn set_aside(path: &Path, stamp: &str) -> Result<PathBuf, StoreError> {
    let base = (0..1000)
        .map(|count| match count {
            0 => format!(".damaged-{stamp}"),
            count => format!(".damaged-{stamp}.{count}"),
        })
        .map(|suffix| with_suffix(path, &suffix))
        .find(|name| !name.exists())
        .unwrap_or_else(|| with_suffix(path, ".damaged"));
    // The index means nothing without its database, and the log stays beside it.
    for suffix in ["-wal", "-shm", ""] {
        let from = with_suffix(path, suffix);
        match fs::rename(&from, with_suffix(&base, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failure("rename", &from, error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(base)
}

/// Returns how many bytes the database's log holds.
pub(crate) fn log_bytes(path: &Path) -> u64 {
    fs::metadata(with_suffix(path, "-wal")).map_or(0, |meta| meta.len())
}

/// Writes the path as SQLite reads it where a database never changes.
pub(crate) fn immutable_uri(path: &Path) -> String {
    let path: String = path
        .as_os_str()
        .as_bytes()
        .iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                char::from(*byte).to_string()
            }
            byte => format!("%{byte:02x}"),
        })
        .collect();
    format!("file:{path}?immutable=1")
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

pub(crate) fn failure(what: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_with_its_owner_whoever_has_the_descriptor_too() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("history.db");
        let lock = Lock::take(&store).unwrap();
        // As a child has it between fork and exec.
        let inherited = lock.file.try_clone().unwrap();
        assert!(matches!(Lock::take(&store), Err(StoreError::Locked { .. })));
        drop(lock);
        assert!(Lock::take(&store).is_ok());
        drop(inherited);
    }
}
