//! One watched memory: the machine's, or that of a cgroup with a limit.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{Mode, OFlags, open};

use super::core::Core;
use super::eyes::Eyes;
use super::ignore;
use super::scan::Scanner;
use crate::guard;
use crate::level::Levels;

/// One watched memory.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) core: Arc<Core>,
    pub(super) eyes: Eyes,
    pub(super) scanner: Scanner,
    pub(super) alarm: Option<Alarm>,
    /// The directory of the cgroup, as it was named; `None` for the machine.
    pub(super) cgroup: Option<String>,
}

impl Scope {
    /// Looks, and does what the rule says.
    pub(super) fn round(&mut self) {
        self.core.round(&mut self.eyes, &mut self.scanner);
    }

    /// Returns when to look again, if nothing wakes us before.
    pub(super) fn next_look(&self, wakes: Wakes) -> Option<Duration> {
        let state = self.core.lock();
        let mut sample = state.last_sample;
        if wakes == Wakes::ByClock {
            // Stalls can be read, and nobody is woken by them.
            sample.stall = None;
        }
        let policy = &state.settings.policy;
        let far_away = sample.available_bytes > policy.levels.warn_bytes;
        let told = self.alarm.as_ref().is_some_and(|alarm| alarm.tells_levels);
        let period = guard::period(policy, &sample, &state.ledger);
        let period = period.filter(|_| !(told && far_away && state.ledger.in_flight() == 0));
        let look = period.map(|period| sample.at.saturating_add(period));
        drop(state);
        [look, self.core.next_due()].into_iter().flatten().min()
    }
}

/// Whether the kernel wakes us when programs stall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wakes {
    /// It does.
    ByPressure,
    /// It takes no trigger.
    ByClock,
}

/// What the kernel tells of a cgroup's limit.
#[derive(Debug)]
pub(super) struct Alarm {
    pub(super) fd: OwnedFd,
    /// Whether it tells of levels before the limit, as version 1 does.
    pub(super) tells_levels: bool,
    /// The file that version 1 counts the usage in; the alarm ends with it.
    _usage: Option<OwnedFd>,
}

impl Alarm {
    /// Arms an alarm for a cgroup whose limit is `limit_bytes`.
    ///
    /// # Errors
    ///
    /// As the files of the cgroup.
    pub(super) fn arm(directory: &Path, levels: &Levels, limit_bytes: u64) -> io::Result<Self> {
        let control = directory.join("cgroup.event_control");
        if !control.exists() {
            let fd = open_file(&directory.join("memory.events"))?;
            return Ok(Self {
                fd,
                tells_levels: false,
                _usage: None,
            });
        }
        let usage = open_file(&directory.join("memory.usage_in_bytes"))?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        for level in [levels.warn_bytes, levels.soft_bytes, levels.hard_bytes] {
            let threshold = limit_bytes.saturating_sub(level);
            let (bell, usage) = (bell.as_raw_fd(), usage.as_raw_fd());
            std::fs::write(&control, format!("{bell} {usage} {threshold}"))?;
        }
        Ok(Self {
            fd: bell,
            tells_levels: true,
            _usage: Some(usage),
        })
    }

    /// Takes notice of it.
    pub(super) fn clear(&self) {
        if self.tells_levels {
            // Nothing to read means that it was cleared already.
            ignore(rustix::io::read(&self.fd, &mut [0; 8]));
        } else {
            ignore(rustix::io::pread(&self.fd, &mut [0; 512], 0));
        }
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn open_file(path: &Path) -> io::Result<OwnedFd> {
    Ok(open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Returns the path of a cgroup in its hierarchy, as `/proc/PID/cgroup` has it: what of its directory
/// lies below the mount.
///
/// # Errors
///
/// It lies in no cgroup filesystem.
pub(super) fn path_in_hierarchy(directory: &Path) -> io::Result<Vec<u8>> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let below = mounts.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut words = before.split(' ');
        let (root, point) = (words.nth(3)?, words.next()?);
        let rest = directory.strip_prefix(point).ok()?;
        let is_cgroup = after.starts_with("cgroup ") || after.starts_with("cgroup2 ");
        is_cgroup.then(|| PathBuf::from(root).join(rest))
    });
    let path = below.max_by_key(|path| path.as_os_str().len());
    let path = path.ok_or_else(|| {
        let text = format!("{} is no cgroup: name its directory", directory.display());
        io::Error::new(io::ErrorKind::NotFound, text)
    })?;
    let text = path.into_os_string().into_encoded_bytes();
    let trimmed = text.strip_suffix(b"/").unwrap_or(&text);
    Ok(trimmed.to_vec())
}
