//! The paths of cgroups, by the ids that the probes give.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Place, place};

/// As many as the probes remember to have told; beyond that both sides begin anew.
const CGROUPS_MAX: usize = 4096;
/// How many folders to look at for one that the probes could not tell.
const FOLDERS_MAX: usize = 20_000;

/// What has been told of cgroups so far.
#[derive(Debug, Default)]
pub(super) struct Cgroups {
    places: HashMap<u64, Arc<Place>>,
}

/// Whether the probes have to be told to forget what they have told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Room {
    Enough,
    BeginAnew,
}

impl Cgroups {
    /// Takes in what the probes tell. Without a path it is looked for.
    pub(super) fn learn(&mut self, id: u64, path: Option<OsString>) -> Room {
        let room = if self.places.len() >= CGROUPS_MAX {
            self.places.clear();
            Room::BeginAnew
        } else {
            Room::Enough
        };
        let place = path.or_else(|| look_for(id)).map(place::place);
        self.places.insert(id, Arc::new(place.unwrap_or_default()));
        room
    }

    /// Returns what the cgroup stands for. One that was never told, because that record was lost, is
    /// looked for once.
    pub(super) fn place(&mut self, id: u64) -> Arc<Place> {
        let found = self.places.entry(id).or_insert_with(|| {
            let place = look_for(id).map(place::place);
            Arc::new(place.unwrap_or_default())
        });
        Arc::clone(found)
    }
}

/// Looks for a cgroup that still exists: its id is the inode number of its folder.
fn look_for(id: u64) -> Option<OsString> {
    let root = mount_of_cgroup2()?;
    let mut folders = vec![root.clone()];
    for _ in 0..FOLDERS_MAX {
        let folder = folders.pop()?;
        if fs::metadata(&folder).is_ok_and(|it| it.ino() == id) {
            let below = folder.strip_prefix(&root).ok()?;
            return Some(Path::new("/").join(below).into_os_string());
        }
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        folders.extend(
            entries
                .flatten()
                .filter(|it| it.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|it| it.path()),
        );
    }
    None
}

fn mount_of_cgroup2() -> Option<PathBuf> {
    let mounts = fs::read("/proc/self/mounts").ok()?;
    mounts.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ').skip(1);
        let (folder, kind) = (fields.next()?, fields.next()?);
        (kind == b"cgroup2").then(|| PathBuf::from(OsStr::from_bytes(folder)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_probes_could_not_tell_is_looked_for() {
        let Some(mount) = mount_of_cgroup2() else {
            return;
        };
        let id = fs::metadata(mount).unwrap().ino();
        let mut cgroups = Cgroups::default();
        assert_eq!(cgroups.place(id).cgroup, Some("/".into()));
        assert_eq!(cgroups.place(u64::MAX).cgroup, None);
        let room = cgroups.learn(u64::MAX, Some("/late.service".into()));
        assert_eq!(room, Room::Enough);
        assert_eq!(
            cgroups.place(u64::MAX).unit.as_deref(),
            Some("late.service")
        );
    }

    #[test]
    fn a_full_table_begins_anew() {
        let mut cgroups = Cgroups::default();
        let rooms: Vec<Room> = (0..5000)
            .map(|id| cgroups.learn(id, Some("/x".into())))
            .collect();
        let begun = rooms.iter().filter(|it| **it == Room::BeginAnew).count();
        assert_eq!(begun, 1);
    }
}
