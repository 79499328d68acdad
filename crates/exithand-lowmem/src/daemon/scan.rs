//! The table of processes that may be killed.

mod unit;

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::Duration;

use exithand::{ExitHandle, State};
use rustix::fs::{RawDir, SeekFrom, seek};
use rustix::io::Errno;

use super::Settings;
use super::cgroup::{Unified, Wish};
use super::identity::pid;
use super::reader::{Reader, number_of, open_proc};
use crate::candidate::{AVOIDED, Candidate, Identity, Spared};
use crate::choose::{Need, Ranking, rank};
use crate::config::Unit;
use crate::family::GENERATIONS;
use crate::number::decimal;

/// The most candidates kept; of more, the smallest are left out.
pub(super) const ROOM: usize = 1024;
/// The same for the watchdog, which is seldom needed.
pub(super) const SMALL_ROOM: usize = 128;
/// How often another finalist is looked at.
const FINALISTS: usize = 8;
/// Growth is told from scans at least so far apart, and a scan is good for a decision as long.
pub(super) const APART: Duration = Duration::from_millis(50);
/// Growth since longer ago does not tell who grows now.
const TELLING: Duration = Duration::from_secs(2);

/// Reads processes into a table that never grows.
#[derive(Debug)]
pub(super) struct Scanner {
    pub(super) reader: Reader,
    listing: OwnedFd,
    entries: Box<[MaybeUninit<u8>; 8192]>,
    pub(super) table: Vec<Candidate>,
    scanned_at: Option<Duration>,
    /// What each process had in an earlier scan.
    before: Vec<(Identity, u64)>,
    before_at: Option<Duration>,
    unified: Option<Unified>,
}

/// Who is to die, held.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) index: usize,
    pub(super) handle: ExitHandle,
    pub(super) ranking: Ranking,
}

impl Chosen {
    /// Has another candidate, held by `handle`, die first.
    pub(super) fn lead(&mut self, index: usize, handle: ExitHandle) {
        self.ranking.lead(index);
        self.index = index;
        self.handle = handle;
    }
}

impl Scanner {
    /// Makes a table of `room` candidates. Where `within` is given, only members of that cgroup are
    /// candidates.
    ///
    /// # Errors
    ///
    /// `/proc` is not mounted, or pidfds cannot be opened.
    pub(super) fn new(within: Option<Vec<u8>>, room: usize) -> Result<Self, Errno> {
        Ok(Self {
            reader: Reader::new(within)?,
            listing: open_proc()?,
            entries: Box::new([MaybeUninit::uninit(); 8192]),
            table: touched(room),
            scanned_at: None,
            before: touched(room),
            before_at: None,
            unified: Unified::open(),
        })
    }

    /// Says whether cgroup2 is there to be asked.
    pub(super) fn sees_cgroups(&self) -> bool {
        self.unified.is_some()
    }

    /// Reads all processes.
    pub(super) fn scan(&mut self, settings: &Settings, now: Duration) {
        self.remember(now);
        self.table.clear();
        if seek(&self.listing, SeekFrom::Start(0)).is_err() {
            return;
        }
        let mut entries = RawDir::new(&self.listing, &mut self.entries[..]);
        while let Some(Ok(entry)) = entries.next() {
            let number = number(entry.file_name());
            let least = settings.policy.tuning.min_victim_bytes;
            let read = number.and_then(|it| self.reader.read(settings, it, least));
            let Some(mut candidate) = read else {
                continue;
            };
            if let Some(at) = self.before_at {
                let elapsed = now.saturating_sub(at).as_millis();
                candidate.growth_bytes = growth(&self.before, &candidate, elapsed);
            }
            keep(&mut self.table, candidate);
        }
        self.scanned_at = Some(now);
    }

    /// Keeps what each process has now, to tell later who grows.
    fn remember(&mut self, now: Duration) {
        let Some(at) = self
            .scanned_at
            .filter(|at| now.saturating_sub(*at) >= APART)
        else {
            return;
        };
        self.before.clear();
        let sizes = self
            .table
            .iter()
            .map(|it| (it.identity, it.relief_bytes(0)));
        self.before.extend(sizes);
        self.before
            .sort_unstable_by_key(|(identity, _)| identity.pid);
        self.before_at = Some(at);
    }

    /// Says whether the last scan tells who grows now: there is one a little older to compare with.
    pub(super) fn tells_growth(&self, now: Duration) -> bool {
        let recent = |at: Duration| now.saturating_sub(at) <= TELLING;
        self.before_at.is_some_and(recent)
    }

    /// Forgets what was read, and what was found out about it.
    pub(super) fn forget(&mut self) {
        self.table.clear();
        self.scanned_at = None;
    }

    /// Returns when the last scan was.
    pub(super) fn scanned_at(&self) -> Option<Duration> {
        self.scanned_at
    }

    /// Chooses a victim and opens it; `None` if nobody may, or is worth to, be killed.
    ///
    /// Everything is read again through the open handle, so that whoever has the pid by now is not
    /// taken for the one that was chosen.
    pub(super) fn choose(&mut self, settings: &Settings, need: &Need) -> Option<Chosen> {
        let mut finalist: Option<(usize, ExitHandle)> = None;
        for _ in 0..FINALISTS {
            let ranking = rank(&self.table, need);
            let index = ranking.first()?;
            if let Some((same, handle)) = finalist.take()
                && same == index
            {
                return Some(Chosen {
                    index,
                    handle,
                    ranking,
                });
            }
            finalist = self.hold(settings, index).map(|handle| (index, handle));
        }
        None
    }

    /// Opens a candidate and reads it again; `None` if it is gone, or another by now.
    pub(super) fn hold(&mut self, settings: &Settings, index: usize) -> Option<ExitHandle> {
        let old = self.table[index];
        let held = self.open(settings, &old);
        let Some((handle, new)) = held else {
            self.table[index].spared = Some(Spared::InFlight);
            return None;
        };
        self.table[index] = new;
        Some(handle)
    }

    fn open(&mut self, settings: &Settings, old: &Candidate) -> Option<(ExitHandle, Candidate)> {
        let token = self.reader.marks.token(old.identity);
        let handle = ExitHandle::open_token(&token).ok()?;
        let mut new = self.reader.read(settings, old.identity.pid, 0)?;
        self.look_closer(settings, &mut new);
        let is_same = new.identity == old.identity && matches!(handle.state(), Ok(State::Alive));
        new.growth_bytes = old.growth_bytes;
        new.spared = new.spared.or(old.spared);
        if new.spared.is_none() && self.is_shared_with_spared(new.identity.pid) {
            new.spared = Some(Spared::Sharer);
        }
        is_same.then_some((handle, new))
    }

    /// Adds the ancestors of the same name, which may be too small to be in the table.
    pub(super) fn add_ancestors(&mut self, settings: &Settings, index: usize) {
        let child = self.table[index];
        let mut at = child.parent;
        for _ in 0..GENERATIONS {
            let known = self.table.iter().find(|it| it.identity.pid == at).copied();
            let Some(parent) = known.or_else(|| self.reader.read(settings, at, 0)) else {
                return;
            };
            if parent.name != child.name {
                return;
            }
            if known.is_none() {
                keep(&mut self.table, parent);
            }
            at = parent.parent;
        }
    }

    /// Reads what is too dear to read of everybody.
    fn look_closer(&mut self, settings: &Settings, candidate: &mut Candidate) {
        let number = candidate.identity.pid;
        let shares =
            candidate.shared_bytes > candidate.memory_bytes / 8 || self.has_family(candidate);
        if shares && let Some(smaps) = self.reader.smaps(number) {
            candidate.memory_bytes = smaps.private_bytes;
            candidate.swap_bytes = candidate.swap_bytes.min(smaps.swap_bytes);
        }
        let Some(unified) = &self.unified else {
            return;
        };
        let Some(place) = self.reader.place(number).filter(|it| it.is_unified) else {
            return;
        };
        match unified.wish(place.path, candidate.uid) {
            Some(Wish::Omit) => candidate.spared = candidate.spared.or(Some(Spared::Cgroup)),
            Some(Wish::Avoid) => candidate.class = AVOIDED,
            None => {}
        }
        let group = unified.group(place.path);
        if let Some(group) = group.filter(|_| settings.policy.tuning.unit == Unit::Auto) {
            candidate.as_unit = true;
            candidate.cgroup = number_of(group);
        }
    }

    /// Says whether a parent or child of the same name may share pages with it since a fork.
    fn has_family(&self, candidate: &Candidate) -> bool {
        let id = candidate.identity.pid;
        self.table.iter().any(|other| {
            let related = other.parent == id || other.identity.pid == candidate.parent;
            related && other.name == candidate.name
        })
    }

    /// Finds the other candidates that have the memory of a candidate, which is held. Returns how
    /// many found room in `out`.
    pub(super) fn sharers(&self, index: usize, out: &mut [usize]) -> usize {
        let of = self.table[index].identity.pid;
        let living = self
            .sharers_of(of)
            .filter(|it| self.table[*it].spared.is_none());
        let mut count = 0;
        for (place, sharer) in out.iter_mut().zip(living) {
            *place = sharer;
            count += 1;
        }
        count
    }

    /// Says whether somebody that is spared has the memory of the process `of`, which is held.
    fn is_shared_with_spared(&self, of: u32) -> bool {
        self.sharers_of(of).any(|it| self.table[it].stays())
    }

    fn sharers_of(&self, of: u32) -> impl Iterator<Item = usize> {
        let of = pid(of);
        (0..self.table.len()).filter(move |it| {
            let other = pid(self.table[*it].identity.pid).filter(|it| Some(*it) != of);
            let pair = of.zip(other);
            pair.is_some_and(|(of, other)| crate::sys::share_memory(of, other) == Ok(true))
        })
    }
}

/// Returns the pid that names a folder of `/proc`; `None` for another file.
fn number(name: &CStr) -> Option<u32> {
    let name = name.to_bytes();
    name.first().filter(|byte| byte.is_ascii_digit())?;
    u32::try_from(decimal(name)?).ok()
}

/// Says how much a candidate has grown since it was remembered, in bytes a second.
fn growth(before: &[(Identity, u64)], candidate: &Candidate, elapsed_ms: u128) -> u64 {
    let pid = candidate.identity.pid;
    let found = before.binary_search_by_key(&pid, |(identity, _)| identity.pid);
    let known = found.ok().map(|at| before[at]);
    let known = known.filter(|(identity, _)| *identity == candidate.identity);
    // Who was not there, or too small to be told of, has grown from nothing.
    let size = known.map_or(0, |(_, size)| size);
    let grown = u128::from(candidate.relief_bytes(0).saturating_sub(size));
    u64::try_from(grown * 1000 / elapsed_ms.max(1)).unwrap_or(u64::MAX)
}

/// Makes a table whose memory is there before it is needed.
fn touched<T: Clone + Default>(room: usize) -> Vec<T> {
    let mut table = vec![T::default(); room];
    // Not to be optimized into memory that nobody has touched.
    std::hint::black_box(&mut table);
    table.clear();
    table
}

/// Puts a candidate into the table; if that is full, in the place of the smallest.
fn keep(table: &mut Vec<Candidate>, candidate: Candidate) {
    if table.len() < table.capacity() {
        table.push(candidate);
        return;
    }
    let smallest = table.iter_mut().min_by_key(|it| it.relief_bytes(0));
    if let Some(smallest) = smallest
        && smallest.relief_bytes(0) < candidate.relief_bytes(0)
    {
        *smallest = candidate;
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use exithand_testkit::{Actor, actor, private_pid_namespace, run_isolated, test_name};

    use super::*;
    use crate::config::Config;

    fn wait(mut child: Child) -> std::io::Result<u32> {
        child.wait()?;
        Ok(child.id())
    }

    fn settings() -> Settings {
        Settings::new(&Config::default(), 16 << 30)
    }

    fn number(actor: &Actor) -> u32 {
        u32::try_from(actor.pid().as_raw_nonzero().get()).unwrap()
    }

    fn place(scanner: &Scanner, actor: &Actor) -> usize {
        let number = number(actor);
        let found = scanner
            .table
            .iter()
            .position(|it| it.identity.pid == number);
        found.expect("it is large enough to be seen")
    }

    #[test]
    fn a_victim_that_is_gone_by_now_is_not_held() {
        run_isolated(test_name!(), || {
            let mut victim = actor(&["hold", "20"]);
            let mut scanner = Scanner::new(None, ROOM).unwrap();
            scanner.scan(&settings(), Duration::from_secs(1));
            let index = place(&scanner, &victim);
            victim.kill();
            victim.wait();
            assert!(scanner.hold(&settings(), index).is_none());
            assert!(scanner.choose(&settings(), &Need::default()).is_none());
        });
    }

    #[test]
    fn whoever_has_the_pid_by_now_is_not_killed_for_it() {
        private_pid_namespace(320).run(test_name!(), || {
            // Only after the first round are pids given out again.
            while Command::new("true").spawn().and_then(wait).unwrap() < 300 {}
            let mut victim = actor(&["hold", "20"]);
            let mut scanner = Scanner::new(None, ROOM).unwrap();
            scanner.scan(&settings(), Duration::from_secs(1));
            let index = place(&scanner, &victim);
            let pid = victim.pid();
            victim.kill();
            victim.wait();
            // There are so few pids that the same comes round.
            let heir = loop {
                let heir = actor(&["hold", "20"]);
                if heir.pid() == pid {
                    break heir;
                }
            };
            assert!(scanner.hold(&settings(), index).is_none());
            scanner.scan(&settings(), Duration::from_secs(2));
            let index = place(&scanner, &heir);
            assert!(
                scanner.hold(&settings(), index).is_some(),
                "by its own name it is"
            );
        });
    }

    #[test]
    fn growth_is_told_from_two_scans() {
        let mut known = Candidate {
            memory_bytes: 1000,
            identity: Identity { pid: 7, mark: 1 },
            ..Candidate::default()
        };
        let before = [(known.identity, 400)];
        assert_eq!(growth(&before, &known, 2000), 300);
        known.identity.mark = 2;
        assert_eq!(
            growth(&before, &known, 2000),
            500,
            "another, grown from nothing"
        );
    }

    #[test]
    fn a_full_table_keeps_the_large() {
        let holding = |memory_bytes| Candidate {
            memory_bytes,
            ..Candidate::default()
        };
        let mut table = touched(2);
        for bytes in [5, 1, 9, 3] {
            keep(&mut table, holding(bytes));
        }
        let mut sizes: Vec<u64> = table.iter().map(|it| it.memory_bytes).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [5, 9]);
    }
}
