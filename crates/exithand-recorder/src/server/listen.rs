//! The place of the socket.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::net::sockopt::socket_peercred;

/// Why the socket cannot be there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Somebody listens there.
    #[error(
        "a recorder listens on {} already{}: end that one, or name another path with --socket",
        path.display(),
        pid.map_or_else(String::new, |pid| format!(", pid {pid}"))
    )]
    Taken {
        /// The path.
        path: PathBuf,
        /// Who.
        pid: Option<i32>,
    },
    /// Something else is there.
    #[error("{} is there and is no socket: remove it, or name another path with --socket", path.display())]
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("make the socket {}", path.display())]
    Refused {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Makes the socket, which anybody may connect to: what they are told is another matter.
///
/// A socket that nobody listens on is replaced.
///
/// # Errors
///
/// As [`ListenError`] says; nothing is removed but a socket without listener.
pub fn bind(path: &Path) -> Result<UnixListener, ListenError> {
    let refused = |source| ListenError::Refused {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => {
            return Err(ListenError::NoSocket {
                path: path.to_owned(),
            });
        }
        Ok(_) => remove_stale(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(refused(error)),
    }
    let listener = UnixListener::bind(path).map_err(refused)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    Ok(listener)
}

fn remove_stale(path: &Path) -> Result<(), ListenError> {
    match UnixStream::connect(path) {
        Ok(stream) => Err(ListenError::Taken {
            path: path.to_owned(),
            pid: socket_peercred(&stream)
                .ok()
                .map(|it| it.pid.as_raw_nonzero().get()),
        }),
        // Nobody listens; all else means that somebody might.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)
            .map_err(|source| ListenError::Refused {
                path: path.to_owned(),
                source,
            }),
        Err(source) => Err(ListenError::Refused {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_what_nobody_listens_on_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let first = bind(&path).unwrap();
        let taken = bind(&path).unwrap_err().to_string();
        let own = format!("already, pid {}", std::process::id());
        assert!(taken.contains(&own), "{taken}");
        drop(first);
        bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        assert!(matches!(bind(&path), Err(ListenError::NoSocket { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        let nowhere = folder.path().join("no/where");
        assert!(matches!(bind(&nowhere), Err(ListenError::Refused { .. })));
    }
}
