//! The filesystems of a guest.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use exithand_vm::MODULES;
use rustix::mount::{MountFlags, mount, mount_move};
use rustix::process::chroot;

/// Whether a guest can do without a filesystem.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Needed,
    WhereThere,
}

/// Filesystem, where, options, weight; in the order they are mounted.
const MOUNTS: [(&str, &str, &str, Weight); 11] = [
    ("devtmpfs", "/dev", "", Weight::Needed),
    (
        "devpts",
        "/dev/pts",
        "mode=620,ptmxmode=666",
        Weight::Needed,
    ),
    ("tmpfs", "/dev/shm", "mode=1777", Weight::Needed),
    ("proc", "/proc", "", Weight::Needed),
    ("sysfs", "/sys", "", Weight::Needed),
    ("tmpfs", "/tmp", "mode=1777", Weight::Needed),
    ("tmpfs", "/run", "mode=755", Weight::Needed),
    ("cgroup2", "/sys/fs/cgroup", "", Weight::Needed),
    ("tmpfs", V1, "mode=755", Weight::Needed),
    ("bpf", "/sys/fs/bpf", "mode=700", Weight::WhereThere),
    ("tracefs", "/sys/kernel/tracing", "", Weight::WhereThere),
];
/// Where the controllers of cgroup v1 are.
const V1: &str = "/cgroup";
/// Where a disk is mounted before it becomes the root.
const NEW_ROOT: &str = "/disk";

/// Mounts everything, and returns what went wrong.
pub(crate) fn mount_all() -> Vec<String> {
    let mut complaints = Vec::new();
    for (kind, place, options, weight) in MOUNTS {
        match mount_one(kind, place, options) {
            Err(error) if weight == Weight::Needed => {
                complaints.push(format!("mount {kind} on {place}: {error}"));
            }
            Ok(()) | Err(_) => {}
        }
    }
    // For those who want to limit memory below.
    if let Err(error) = fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory") {
        complaints.push(format!("hand on the memory controller of cgroup2: {error}"));
    }
    complaints
}

/// Mounts a controller of cgroup v1.
pub(crate) fn mount_v1(controller: &str) -> io::Result<()> {
    let place = format!("{V1}/{controller}");
    mount_one("cgroup", &place, controller).map_err(|error| {
        io::Error::other(format!("mount cgroup v1 {controller} on {place}: {error}"))
    })
}

/// Makes the filesystem of a disk the root. What is mounted stays out of sight, and so do the files
/// of the first filesystem, of which the large ones go away.
pub(crate) fn change_root(disk: &str) -> io::Result<()> {
    fs::remove_dir_all(MODULES)?;
    mount_one_of(disk, "ext4", NEW_ROOT, "")
        .map_err(|error| io::Error::other(format!("mount {disk}: {error}")))?;
    env::set_current_dir(NEW_ROOT)?;
    mount_move(".", "/")?;
    chroot(".")?;
    env::set_current_dir("/")
}

fn mount_one(kind: &str, place: &str, options: &str) -> io::Result<()> {
    mount_one_of(kind, kind, place, options)
}

fn mount_one_of(source: &str, kind: &str, place: &str, options: &str) -> io::Result<()> {
    if !Path::new(place).exists() {
        DirBuilder::new().mode(0o755).create(place)?;
    }
    let options = std::ffi::CString::new(options)?;
    Ok(mount(
        source,
        place,
        kind,
        MountFlags::empty(),
        options.as_c_str(),
    )?)
}
