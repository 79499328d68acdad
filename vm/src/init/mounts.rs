//! The filesystems of a guest.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::mount::{MountFlags, mount};

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

fn mount_one(kind: &str, place: &str, options: &str) -> io::Result<()> {
    if !Path::new(place).exists() {
        DirBuilder::new().mode(0o755).create(place)?;
    }
    let options = std::ffi::CString::new(options)?;
    Ok(mount(
        kind,
        place,
        kind,
        MountFlags::empty(),
        options.as_c_str(),
    )?)
}
