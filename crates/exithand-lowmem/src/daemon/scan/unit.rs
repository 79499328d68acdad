//! Cgroups that die as one.

use rustix::fs::{RawDir, SeekFrom, seek};

use super::{Scanner, number};
use crate::config::Unit;
use crate::daemon::Settings;
use crate::daemon::reader::Place;

/// The longest path of a cgroup that is killed as one.
const PATH_ROOM: usize = 1024;

impl Scanner {
    /// Finds the other members of a candidate's unit. `None` if one of them is spared, or the unit would
    /// be everybody: then the whole must not be killed.
    pub(in crate::daemon) fn members(
        &mut self,
        settings: &Settings,
        index: usize,
        out: &mut [usize],
    ) -> Option<usize> {
        let mut room = [0; PATH_ROOM];
        let unit = self.unit(settings, index, &mut room)?;
        if !self.all_may_die(settings, &unit) {
            return None;
        }
        let mut count = 0;
        for other in 0..self.table.len() {
            let number = self.table[other].identity.pid;
            if other == index || !self.is_in(number, &unit) {
                continue;
            }
            if self.table[other].stays() {
                return None;
            }
            if self.table[other].spared.is_none() && count < out.len() {
                out[count] = other;
                count += 1;
            }
        }
        Some(count)
    }

    /// Returns the cgroup that dies with a candidate: its own, or where `memory.oom.group` says so one
    /// that this lies in. `None` for the root.
    fn unit<'a>(
        &mut self,
        settings: &Settings,
        index: usize,
        room: &'a mut [u8; PATH_ROOM],
    ) -> Option<Place<'a>> {
        let own = self.reader.place(self.table[index].identity.pid)?;
        let unified = self.unified.as_ref().filter(|_| own.is_unified);
        let unified = unified.filter(|_| settings.policy.tuning.unit == Unit::Auto);
        let group = unified.and_then(|it| it.group(own.path));
        let path = group.unwrap_or(own.path);
        let room = room.get_mut(..path.len()).filter(|_| path != b"/")?;
        room.copy_from_slice(path);
        Some(Place { path: room, ..own })
    }

    fn is_in(&mut self, number: u32, unit: &Place<'_>) -> bool {
        let place = self.reader.place(number);
        place.is_some_and(|it| it.is_in(unit))
    }

    /// Says whether no member of a unit is spared, those too small for the table included.
    fn all_may_die(&mut self, settings: &Settings, unit: &Place<'_>) -> bool {
        if seek(&self.listing, SeekFrom::Start(0)).is_err() {
            return false;
        }
        let mut entries = RawDir::new(&self.listing, &mut self.entries[..]);
        while let Some(Ok(entry)) = entries.next() {
            let Some(number) = number(entry.file_name()) else {
                continue;
            };
            let place = self.reader.place(number);
            if !place.is_some_and(|it| it.is_in(unit)) {
                continue;
            }
            let member = self.reader.read(settings, number, 0);
            if member.is_some_and(|it| it.stays()) {
                return false;
            }
        }
        true
    }

    /// Has the kernel kill a candidate's whole unit, those who fork meanwhile included.
    pub(in crate::daemon) fn kill_unit(&mut self, settings: &Settings, index: usize) -> bool {
        let mut room = [0; PATH_ROOM];
        let unit = self.unit(settings, index, &mut room);
        let unit = unit.filter(|it| it.is_unified);
        let pair = self.unified.as_ref().zip(unit);
        pair.is_some_and(|(unified, unit)| unified.kill(unit.path))
    }
}
