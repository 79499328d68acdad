//! A `/dev/fuse` for users, on machines where only root may open it; and a filesystem in which
//! processes get stuck.

use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
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

/// A filesystem that answers nothing: whoever looks into it cannot be killed until it goes away.
///
/// To be made in a mount namespace of its own, see [`Isolation`](crate::Isolation). Dropping it
/// fails all that is asked of it.
#[derive(Debug)]
pub struct SilentFilesystem {
    device: File,
    place: tempfile::TempDir,
}

/// Room for any request, as the kernel demands.
const REQUEST_ROOM: usize = 1 << 16;

impl SilentFilesystem {
    /// Mounts one.
    ///
    /// # Errors
    /// As `open(2)` of `/dev/fuse`, and `mount(2)`.
    pub fn new() -> io::Result<Self> {
        let place = tempfile::tempdir()?;
        let device = File::options().read(true).write(true).open(DEVICE)?;
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0",
            device.as_raw_fd()
        );
        let options = CString::new(options)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount(
            "silent",
            place.path(),
            "fuse",
            flags,
            Some(options.as_c_str()),
        )?;
        let mut silent = Self { device, place };
        // Before that was settled whoever waits can still be killed.
        silent.settle_version()?;
        Ok(silent)
    }

    /// Its root directory.
    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// Waits until somebody has asked something, and so is stuck.
    ///
    /// # Errors
    /// As `read(2)`.
    pub fn until_asked(&mut self) -> io::Result<()> {
        self.request().map(drop)
    }

    fn request(&mut self) -> io::Result<Vec<u8>> {
        let mut request = vec![0; REQUEST_ROOM];
        let length = self.device.read(&mut request)?;
        request.truncate(length);
        Ok(request)
    }

    /// Answers the first request, `FUSE_INIT`: version 7.31, without anything that is optional.
    fn settle_version(&mut self) -> io::Result<()> {
        let request = self.request()?;
        let unique = request.get(8..16).unwrap_or(&[0; 8]);
        // `struct fuse_out_header` and `struct fuse_init_out`.
        let mut answer = Vec::new();
        answer.extend(80_u32.to_ne_bytes());
        answer.extend(0_u32.to_ne_bytes());
        answer.extend(unique);
        for word in [7_u32, 31, 4096, 0, 0, 4096, 1] {
            answer.extend(word.to_ne_bytes());
        }
        answer.resize(80, 0);
        self.device.write_all(&answer)
    }
}

impl Drop for SilentFilesystem {
    fn drop(&mut self) {
        match unmount(self.place.path(), UnmountFlags::DETACH) {
            // A mount namespace of its own takes the mount with it.
            Ok(()) | Err(_) => {}
        }
    }
}
