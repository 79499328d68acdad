//! A `/dev/fuse` for users, on machines where only root may open it.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};

const DEVICE: &str = "/dev/fuse";

/// Puts a device that every user may open over `/dev/fuse`, as most distributions have it; seen in
/// the mount namespace of the caller alone, which must be one of [`Isolation`](crate::Isolation).
///
/// # Errors
/// Where devices cannot be made.
///
/// # Panics
/// If the caller is not pid 1 of its namespace: the machine's own device stays as it is.
pub fn open_fuse_to_all() -> io::Result<()> {
    assert_eq!(std::process::id(), 1, "only in a namespace of its own");
    let place = tempfile::tempdir()?;
    // The folder's own filesystem may forbid devices.
    mount("tmpfs", place.path(), "tmpfs", MountFlags::empty(), None)?;
    let opened = open_to_all(&place.path().join("fuse"));
    unmount(place.path(), UnmountFlags::DETACH)?;
    opened
}

fn open_to_all(node: &Path) -> io::Result<()> {
    mknodat(
        CWD,
        node,
        FileType::CharacterDevice,
        Mode::empty(),
        makedev(10, 229),
    )?;
    // Whatever the umask.
    fs::set_permissions(node, Permissions::from_mode(0o666))?;
    mount_bind(node, DEVICE)?;
    File::options().read(true).write(true).open(DEVICE)?;
    Ok(())
}
