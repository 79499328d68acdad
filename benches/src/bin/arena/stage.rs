//! Cgroups of cgroup2 for the processes of the arena.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::{XattrFlags, setxattr};

const MOUNT: &str = "/sys/fs/cgroup";
/// Where whoever watches lives, if a service manager has given us a cgroup.
const WATCHER: &str = "watcher";

/// The cgroups of one run, which go away with it.
#[derive(Debug)]
pub(crate) struct Stage {
    directory: PathBuf,
}

/// Makes it possible that the cgroup of this process has cgroups below that count memory: there
/// must be nobody in it for that, so all go to one below, which systemd-oomd is to spare.
pub(crate) fn make_room() {
    let own = own_cgroup();
    if own == Path::new(MOUNT) {
        return;
    }
    let watcher = own.join(WATCHER);
    fs::create_dir(&watcher).unwrap();
    for pid in fs::read_to_string(own.join("cgroup.procs"))
        .unwrap()
        .lines()
    {
        fs::write(watcher.join("cgroup.procs"), pid).unwrap();
    }
    setxattr(&watcher, "user.oomd_omit", b"1", XattrFlags::empty()).unwrap();
    count_memory_below(&own);
}

fn own_cgroup() -> PathBuf {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = text.lines().find_map(|line| line.strip_prefix("0::"));
    Path::new(MOUNT).join(own.unwrap().trim_start_matches('/'))
}

fn count_memory_below(directory: &Path) {
    fs::write(directory.join("cgroup.subtree_control"), "+memory").unwrap();
}

impl Stage {
    /// Makes a cgroup for all others: beside that of the watcher, or below the root.
    pub(crate) fn set_up() -> Self {
        let own = own_cgroup();
        let above = if own.ends_with(WATCHER) {
            own.parent().unwrap()
        } else {
            Path::new(MOUNT)
        };
        let stage = Self {
            directory: above.join("stage"),
        };
        // That of a run which did not get to its end.
        stage.clear();
        fs::create_dir(&stage.directory).unwrap();
        count_memory_below(&stage.directory);
        stage
    }

    /// Makes a cgroup.
    pub(crate) fn cgroup(&self, name: &str) -> PathBuf {
        let directory = self.directory.join(name);
        fs::create_dir(&directory).unwrap();
        directory
    }

    /// How many the kernel itself has killed there.
    pub(crate) fn kernel_kills(&self) -> u64 {
        let text = fs::read_to_string(self.directory.join("memory.events")).unwrap();
        let line = text.lines().find_map(|it| it.strip_prefix("oom_kill "));
        line.unwrap().parse().unwrap()
    }

    fn clear(&self) {
        if !self.directory.exists() {
            return;
        }
        fs::write(self.directory.join("cgroup.kill"), "1").unwrap();
        for entry in fs::read_dir(&self.directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                remove(&entry.path());
            }
        }
        remove(&self.directory);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Removes a cgroup; whoever was killed in it counts as a member for another moment.
fn remove(directory: &Path) {
    while let Err(error) = fs::remove_dir(directory) {
        assert_eq!(error.kind(), ErrorKind::ResourceBusy, "{error}");
        thread::yield_now();
    }
}
