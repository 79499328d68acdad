//! Why there is no mount.

use std::io;
use std::path::PathBuf;

/// Why the files could not be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel has no FUSE, or a sandbox hides it.
    #[error("open /dev/fuse: load the module `fuse`, or allow the device in the container")]
    NoDevice(#[source] io::Error),
    /// The directory is missing, no directory, or not for us.
    #[error("mount on {}", .path.display())]
    Mount {
        /// The mount point.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        error: io::Error,
    },
    /// Exithand files are served there already.
    #[error("{} is mounted already: unmount it first", .0.display())]
    AlreadyMounted(PathBuf),
    /// Whoever is not root mounts through `fusermount3`, and that is missing.
    #[error("run fusermount3: install the package fuse3, or mount as root")]
    NoFusermount(#[source] io::Error),
    /// `fusermount3` refused.
    #[error("fusermount3: {0}")]
    Fusermount(String),
    /// The kernel speaks a version of the protocol that is too old.
    #[error("the kernel speaks FUSE {major}.{minor}: 7.31 (Linux 5.3) is needed")]
    OldProtocol {
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
    },
    /// The connection to the kernel failed.
    #[error("talk to the kernel through /dev/fuse")]
    Connection(#[source] io::Error),
}
