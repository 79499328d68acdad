//! Makes and ends mounts: with the system call as root, through `fusermount3` as anybody else.

use std::ffi::CString;
use std::io::{self, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags, fcntl_setfl, statfs};
use rustix::io::{Errno, retry_on_intr};
use rustix::mount::{MountFlags, UnmountFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
    recvmsg, socketpair,
};

use crate::mountinfo::is_mounted;
use crate::{Access, Error};

/// The filesystem type that the list of mounts shows.
pub(crate) const TYPE: &str = "fuse.exithand";
const NAME: &str = "exithand";

/// A mount, taken away when dropped.
#[derive(Debug)]
pub(crate) struct Mount {
    path: PathBuf,
    way: Way,
    ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Call,
    Fusermount,
}

impl Mount {
    /// Mounts on `path`, in place of the mount of a server that is no more; returns the connection.
    pub(crate) fn new(path: &Path, access: Access) -> Result<(Self, OwnedFd), Error> {
        // The mount point may be a link, and the working directory may change.
        if stale(path) {
            unmount(path)?;
        }
        let path = path.canonicalize().map_err(|error| failed(path, error))?;
        if is_mounted(&path) {
            return Err(Error::AlreadyMounted(path));
        }
        let (way, fd) = if rustix::process::geteuid().is_root() {
            (Way::Call, by_call(&path, access)?)
        } else {
            (Way::Fusermount, by_fusermount(&path, access)?)
        };
        let mount = Self {
            path,
            way,
            ended: false,
        };
        Ok((mount, fd))
    }

    /// Frees the path, whoever still has files open below it. What is open stays so.
    pub(crate) fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            // It fails only if somebody else has unmounted.
            drop(match self.way {
                Way::Call => rustix::mount::unmount(&self.path, UnmountFlags::DETACH)
                    .map_err(|errno| failed(&self.path, errno.into())),
                Way::Fusermount => fusermount_unmount(&self.path),
            });
        }
    }

    /// Notes that the mount is gone.
    pub(crate) fn is_gone(&mut self) {
        self.ended = true;
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ends the mount on `path`, and frees the path even if files are open below it.
///
/// As root this ends the server as well: its readers get an error, and [`serve`](crate::serve)
/// returns. For others the server goes on until the last open file is closed.
///
/// # Errors
///
/// [`Error::Mount`] (`EINVAL`: nothing is mounted there; `EPERM`), [`Error::NoFusermount`],
/// [`Error::Fusermount`].
pub fn unmount(path: &Path) -> Result<(), Error> {
    if rustix::process::geteuid().is_root() {
        rustix::mount::unmount(path, UnmountFlags::FORCE | UnmountFlags::DETACH)
            .map_err(|errno| failed(path, errno.into()))
    } else {
        fusermount_unmount(path)
    }
}

/// Says whether `path` is the mount of a server that is no more.
pub(crate) fn stale(path: &Path) -> bool {
    matches!(statfs(path), Err(Errno::NOTCONN | Errno::CONNABORTED))
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::Mount {
        path: path.to_owned(),
        error,
    }
}

fn by_call(path: &Path, access: Access) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = rustix::fs::open("/dev/fuse", flags, Mode::empty())
        .map_err(|errno| Error::NoDevice(errno.into()))?;
    let mut data = format!(
        "fd={},rootmode=40000,user_id={},group_id={}",
        fd.as_raw_fd(),
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw()
    );
    if access == Access::Everybody {
        data.push_str(",allow_other");
    }
    let data = CString::new(data).unwrap_or_default();
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NOATIME;
    rustix::mount::mount(NAME, path, TYPE, flags, data.as_c_str())
        .map_err(|errno| failed(path, errno.into()))?;
    Ok(fd)
}

/// Has `fusermount3`, which is setuid root, mount, and takes the connection from it.
fn by_fusermount(path: &Path, access: Access) -> Result<OwnedFd, Error> {
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|errno| Error::Connection(errno.into()))?;
    let mut options = format!("nosuid,nodev,noexec,noatime,fsname={NAME},subtype={NAME}");
    if access == Access::Everybody {
        options.push_str(",allow_other");
    }
    let mut command = Command::new("fusermount3");
    command.args(["-o", &options, "--"]).arg(path);
    // It hands the connection over on its standard input.
    command.env("_FUSE_COMMFD", "0").stdin(theirs);
    run_fusermount(command)?;
    let fd = receive(&ours).map_err(|errno| Error::Connection(errno.into()))?;
    fcntl_setfl(&fd, OFlags::NONBLOCK).map_err(|errno| Error::Connection(errno.into()))?;
    Ok(fd)
}

fn fusermount_unmount(path: &Path) -> Result<(), Error> {
    let mut command = Command::new("fusermount3");
    command.args(["-u", "-z", "-q", "--"]).arg(path);
    command.stdin(Stdio::null());
    run_fusermount(command)
}

fn run_fusermount(mut command: Command) -> Result<(), Error> {
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    // What it was given goes with the command: else its end would not show.
    drop(command);
    let mut child = child.map_err(Error::NoFusermount)?;
    let mut complaint = String::new();
    let mut stderr = child.stderr.take();
    if let Some(stderr) = &mut stderr {
        stderr
            .read_to_string(&mut complaint)
            .map_err(Error::NoFusermount)?;
    }
    let status = child.wait().map_err(Error::NoFusermount)?;
    if status.success() {
        return Ok(());
    }
    let complaint = complaint.trim().trim_start_matches("fusermount3: ");
    Err(Error::Fusermount(if complaint.is_empty() {
        status.to_string()
    } else {
        complaint.to_owned()
    }))
}

/// Receives the one descriptor that was sent.
fn receive<Fd: AsFd>(socket: Fd) -> Result<OwnedFd, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut data = [IoSliceMut::new(&mut byte)];
    retry_on_intr(|| recvmsg(&socket, &mut data, &mut control, RecvFlags::CMSG_CLOEXEC))?;
    let fds = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    fds.flatten().next().ok_or(Errno::PROTO)
}
