//! Cgroups that vanish, with all their members, when dropped.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Which tree a cgroup belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hierarchy {
    /// The unified hierarchy, wherever it is mounted.
    V2,
    /// The v1 hierarchy of this controller, as `freezer`.
    V1(&'static str),
}

/// A fresh cgroup below the caller's own. Dropping kills the members and removes it.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    hierarchy: Hierarchy,
}

impl Cgroup {
    /// Makes a cgroup.
    ///
    /// # Errors
    /// `NotFound` where the hierarchy is not mounted; as `mkdir(2)` where it may not be changed.
    pub fn new(hierarchy: Hierarchy) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let parent = own_cgroup(hierarchy)?;
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("exithand-test-{}-{count}", process::id()));
            match fs::create_dir(&path) {
                // In another pid namespace there is a process with our number.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => {
                    made?;
                    return Ok(Self { path, hierarchy });
                }
            }
        }
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its path in the hierarchy, as in `/proc/PID/cgroup` of a member.
    ///
    /// # Errors
    /// If no such hierarchy is listed for the caller.
    pub fn name(&self) -> io::Result<String> {
        let own = own_name(&fs::read_to_string("/proc/self/cgroup")?, self.hierarchy);
        let own = own.ok_or_else(|| missing(self.hierarchy))?;
        let last = self.path.file_name().unwrap_or_default().to_string_lossy();
        Ok(format!("{}/{last}", own.trim_end_matches('/')))
    }

    /// Moves a process, with all its threads, into the cgroup.
    ///
    /// # Errors
    /// As `write(2)`; `ESRCH` for a process that is gone.
    pub fn add(&self, pid: Pid) -> io::Result<()> {
        self.set("cgroup.procs", &pid.as_raw_nonzero().to_string())
    }

    /// Writes one of the cgroup's files.
    ///
    /// # Errors
    /// As `open(2)` and `write(2)`.
    pub fn set(&self, file: &str, value: &str) -> io::Result<()> {
        // Not created: a controller without this file must be an error.
        let mut opened = fs::OpenOptions::new()
            .write(true)
            .open(self.path.join(file))?;
        io::Write::write_all(&mut opened, value.as_bytes())
    }

    /// The members. A process without a pid in the caller's namespace is left out.
    ///
    /// # Errors
    /// As `read(2)`.
    pub fn members(&self) -> io::Result<Vec<Pid>> {
        let text = fs::read_to_string(self.path.join("cgroup.procs"))?;
        Ok(text
            .lines()
            .filter_map(|line| Pid::from_raw(line.parse().ok()?))
            .collect())
    }

    /// Kills all members, and returns once there are none.
    ///
    /// # Errors
    /// As the files of the cgroup, and `pidfd_send_signal(2)`.
    pub fn kill(&self) -> io::Result<()> {
        match self.hierarchy {
            Hierarchy::V2 => self.kill_v2(),
            Hierarchy::V1(_) => self.kill_v1(),
        }
    }

    fn kill_v2(&self) -> io::Result<()> {
        if self.set("cgroup.kill", "1").is_err() {
            // Before Linux 5.14.
            self.kill_each()?;
        }
        let events = File::open(self.path.join("cgroup.events"))?;
        while io::read_to_string(&mut &events)?.contains("populated 1") {
            retry_on_intr(|| poll(&mut [PollFd::new(&events, PollFlags::PRI)], None))?;
            io::Seek::rewind(&mut &events)?;
        }
        Ok(())
    }

    fn kill_v1(&self) -> io::Result<()> {
        // A frozen process does not die.
        match self.set("freezer.state", "THAWED") {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        while !self.members()?.is_empty() {
            self.kill_each()?;
        }
        Ok(())
    }

    fn kill_each(&self) -> io::Result<()> {
        for pid in self.members()? {
            let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
                Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => continue,
                opened => opened?,
            };
            // Still a member after the pidfd is open: so it is not a pid reused elsewhere.
            if !self.members()?.contains(&pid) {
                continue;
            }
            match pidfd_send_signal(&pidfd, Signal::KILL) {
                Err(Errno::SRCH) => continue,
                sent => sent?,
            }
            retry_on_intr(|| poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None))?;
        }
        Ok(())
    }

    /// The cgroups made below this one, to be dropped before it.
    fn children(&self) -> io::Result<Vec<Self>> {
        let paths = self.children_paths()?.into_iter();
        Ok(paths
            .map(|path| Self {
                path,
                hierarchy: self.hierarchy,
            })
            .collect())
    }

    fn children_paths(&self) -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.path)?.collect::<io::Result<Vec<_>>>()?;
        let directories = entries
            .into_iter()
            .filter(|it| it.file_type().is_ok_and(|it| it.is_dir()));
        Ok(directories.map(|it| it.path()).collect())
    }

    /// An ended process may count as a member for a moment after its pidfd has told its end, and
    /// v1 has nothing to wait on for that.
    fn remove(&self) -> io::Result<()> {
        loop {
            match fs::remove_dir(&self.path) {
                Err(error) if error.kind() == ErrorKind::ResourceBusy && self.is_empty()? => {
                    thread::yield_now();
                }
                removed => return removed,
            }
        }
    }

    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.members()?.is_empty() && self.children_paths()?.is_empty())
    }
}

impl Drop for Cgroup {
    #[expect(
        clippy::print_stderr,
        reason = "a drop cannot fail, but what is left must be known"
    )]
    fn drop(&mut self) {
        if let Err(error) = self
            .kill()
            .and_then(|()| self.children())
            .and_then(|children| {
                drop(children);
                self.remove()
            })
        {
            eprintln!("cgroup {} is left behind: {error}", self.path.display());
        }
    }
}

/// The directory of the caller's cgroup, or the root if the mount does not show that.
fn own_cgroup(hierarchy: Hierarchy) -> io::Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let mount = mount_point(&mounts, hierarchy).ok_or_else(|| missing(hierarchy))?;
    let own = own_name(&fs::read_to_string("/proc/self/cgroup")?, hierarchy);
    let path = mount.join(own.unwrap_or_default().trim_start_matches('/'));
    Ok(if path.is_dir() { path } else { mount })
}

fn missing(hierarchy: Hierarchy) -> io::Error {
    io::Error::new(
        ErrorKind::NotFound,
        format!("cgroup hierarchy {hierarchy:?} is not mounted"),
    )
}

/// Finds the hierarchy in the text of `/proc/self/mountinfo`.
fn mount_point(mounts: &str, hierarchy: Hierarchy) -> Option<PathBuf> {
    let found = mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut words = after.split(' ');
        let (kind, options) = (words.next()?, words.nth(1)?);
        let wanted = match hierarchy {
            Hierarchy::V2 => kind == "cgroup2",
            Hierarchy::V1(name) => kind == "cgroup" && options.split(',').any(|it| it == name),
        };
        wanted.then(|| before.split(' ').nth(4))?
    });
    found.map(PathBuf::from)
}

/// Finds the hierarchy in the text of `/proc/PID/cgroup`.
fn own_name(cgroups: &str, hierarchy: Hierarchy) -> Option<String> {
    let found = cgroups.lines().find_map(|line| {
        let (number, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let wanted = match hierarchy {
            Hierarchy::V2 => number == "0" && controllers.is_empty(),
            Hierarchy::V1(name) => controllers.split(',').any(|it| it == name),
        };
        wanted.then_some(path)
    });
    found.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_hierarchy_by_its_own_words() {
        let mounts = "30 22 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                      31 22 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n";
        let cgroups = "4:cpu,cpuacct:/a\n0::/b/c\n";
        for (hierarchy, mount, own) in [
            (Hierarchy::V2, Some("/sys/fs/cgroup/unified"), Some("/b/c")),
            (
                Hierarchy::V1("cpuacct"),
                Some("/sys/fs/cgroup/cpu,cpuacct"),
                Some("/a"),
            ),
            (Hierarchy::V1("freezer"), None, None),
        ] {
            assert_eq!(
                mount_point(mounts, hierarchy),
                mount.map(PathBuf::from),
                "{hierarchy:?}"
            );
            assert_eq!(
                own_name(cgroups, hierarchy).as_deref(),
                own,
                "{hierarchy:?}"
            );
        }
    }
}
