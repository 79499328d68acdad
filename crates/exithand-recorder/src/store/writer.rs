//! The one who writes the store.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::clock::{Clock, SystemClock};
use super::error::from_sqlite;
use super::files::{self, Kind, Lock};
use super::insert::{self, Inserter};
use super::retention::{Keeper, Retention};
use super::schema::{self, VERSION, meta, set_meta};
use super::{BUSY_TIMEOUT, StoreError};
use crate::{Event, ExitRecord, Gap, LossCause, WallTime};

/// How many records one span has at most.
const SPAN: usize = 1024;
/// How much room the records of one span take at most: what is deleted at once.
const SPAN_BYTES: usize = 400_000;
/// What SQLite may keep in memory, in KiB.
const CACHE_KIB: i64 = 3072;

/// Writes a store. There is one writer at a time, and readers may read meanwhile.
///
/// What [`append`](Self::append) has taken survives the death of the process. After a loss of power
/// the last seconds may be missing, and what is there is whole.
#[derive(Debug)]
pub struct StoreWriter {
    path: PathBuf,
    db: Connection,
    _lock: Lock,
    clock: Box<dyn Clock>,
    keeper: Keeper,
    rows: Inserter,
    next: i64,
    span: Option<Span>,
    /// Up to when the history was complete, by what an earlier recorder wrote.
    alive: Option<WallTime>,
    has_begun: bool,
    /// What could not be written, to be told as soon as something can.
    unwritten: Option<Gap>,
    /// Whether an attempt failed, so that memory and file may differ.
    is_stale: bool,
    notices: Vec<Notice>,
}

/// Something the user should be told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The store was damaged; a new one has taken its place.
    SetAside {
        /// The store.
        path: PathBuf,
        /// What the damaged one is called now.
        now: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The store had an older form and has the present one now.
    Migrated {
        /// The store.
        path: PathBuf,
        /// Its version before.
        from: i64,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetAside { path, now, what } => write!(
                f,
                "the history at {} is damaged ({what}): set aside as {}, a new one begins",
                path.display(),
                now.display()
            ),
            Self::Migrated { path, from } => write!(
                f,
                "the history at {} is brought from version {from} to version {VERSION}",
                path.display()
            ),
        }
    }
}

/// Neighbouring records, and when they ended: instead of an index by time.
#[derive(Debug, Clone, Copy)]
struct Span {
    first: i64,
    last: i64,
    oldest: i64,
    newest: i64,
    stored: i64,
    /// About how much room its records take.
    bytes: usize,
}

impl StoreWriter {
    /// Opens the store at `path` for writing, or makes it.
    ///
    /// A damaged one is set aside and a new one begun; [`take_notices`](Self::take_notices) says so.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`], [`Newer`](StoreError::Newer), [`Foreign`](StoreError::Foreign) and
    /// [`ReadOnly`](StoreError::ReadOnly), with the file as it was; others where the disk fails.
    pub fn open(path: &Path, retention: Retention) -> Result<Self, StoreError> {
        Self::open_at(path, retention, Box::new(SystemClock))
    }

    /// Opens a store whose time is `clock`'s.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_at(
        path: &Path,
        retention: Retention,
        clock: Box<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let kind = files::kind(path)?;
        let path = path.to_owned();
        match kind {
            Kind::Newer(found) => {
                return Err(StoreError::Newer {
                    path,
                    found,
                    known: VERSION,
                });
            }
            Kind::Foreign => return Err(StoreError::Foreign { path }),
            Kind::Empty | Kind::Known | Kind::Damaged => {}
        }
        let lock = Lock::take(&path)?;
        let mut notices = Vec::new();
        let db = match (kind, connect(&path, retention, &mut notices)) {
            (_, Ok(db)) => db,
            (_, Err(StoreError::Damaged { path, what })) => {
                notices.push(set_aside(&path, clock.as_ref(), what)?);
                connect(&path, retention, &mut notices)?
            }
            (_, Err(error)) => return Err(error),
        };
        let fail = |error| from_sqlite(&path, error);
        let keeper = Keeper::load(&db, clock.as_ref(), retention).map_err(fail)?;
        let mut writer = Self {
            db,
            _lock: lock,
            clock,
            keeper,
            rows: Inserter::new(),
            next: 1,
            span: None,
            alive: None,
            has_begun: false,
            unwritten: None,
            is_stale: false,
            notices,
            path,
        };
        writer
            .load()
            .map_err(|error| from_sqlite(&writer.path, error))?;
        Ok(writer)
    }

    /// Returns what the user should be told, once.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Says that records are complete from `at` on. What lies between the end of the last recorder
    /// and `at` becomes a gap; there is none if there was no recorder before.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn begin(&mut self, at: WallTime) -> Result<(), StoreError> {
        if std::mem::replace(&mut self.has_begun, true) {
            return Ok(());
        }
        let gap = self.alive.map(|alive| Gap {
            from: alive.min(at),
            to: alive.max(at),
            lost: None,
            cause: LossCause::NotRunning,
        });
        let events: Vec<Event> = gap.into_iter().map(Event::Gap).collect();
        self.append_batch(&events, Some(at))
    }

    /// Stores events, in the order given.
    ///
    /// # Errors
    ///
    /// Where the disk is full or fails. What could not be stored is counted; it becomes a gap with the
    /// cause [`LossCause::StoreBehind`] as soon as the store takes something again. The writer stays
    /// of use.
    pub fn append(&mut self, events: &[Event]) -> Result<(), StoreError> {
        let mut result = Ok(());
        if !self.has_begun {
            result = self.begin(self.clock.now().wall);
        }
        for batch in events.chunks(self.keeper.retention.batch()) {
            let alive = batch.iter().map(time_of).next_back();
            result = self.append_batch(batch, alive).and(result);
        }
        result
    }

    /// Says that the history is complete up to `at`, and forgets what has become too old.
    ///
    /// An idle recorder says it now and then: the gap that its sudden death would leave begins there.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn mark_alive(&mut self, at: WallTime) -> Result<(), StoreError> {
        self.append_batch(&[], Some(at))
    }

    /// Ends the writing in good order, with the history complete up to `at`.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub fn end(mut self, at: WallTime) -> Result<(), StoreError> {
        self.mark_alive(at)?;
        let close = || {
            set_meta(&self.db, "clean", 1)?;
            self.db
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
        };
        close().map_err(|error| from_sqlite(&self.path, error))
    }

    fn append_batch(
        &mut self,
        events: &[Event],
        alive: Option<WallTime>,
    ) -> Result<(), StoreError> {
        let result = match self.try_batch(events, alive) {
            Err(StoreError::Damaged { what, .. }) => self
                .start_anew(what)
                .and_then(|()| self.try_batch(events, alive)),
            result => result,
        };
        if result.is_err() {
            self.is_stale = true;
            self.note_unwritten(events);
        }
        result
    }

    fn try_batch(&mut self, events: &[Event], alive: Option<WallTime>) -> Result<(), StoreError> {
        if self.is_stale {
            self.load()
                .map_err(|error| from_sqlite(&self.path, error))?;
        }
        let room = self
            .keeper
            .make_room(&mut self.db, &self.path, &mut self.rows);
        if !room.map_err(|error| from_sqlite(&self.path, error))? {
            let path = self.path.clone();
            return Err(StoreError::Pinned { path });
        }
        self.write(events, alive)
            .map_err(|error| from_sqlite(&self.path, error))?;
        self.unwritten = None;
        // What was written is written: a failure to delete is met again by the next batch.
        self.is_stale = self.enforce().is_err();
        Ok(())
    }

    fn enforce(&mut self) -> Result<(), StoreError> {
        self.keeper
            .enforce(&mut self.db, &self.path, &mut self.rows)
            .map_err(|error| from_sqlite(&self.path, error))
    }

    /// Reads where the store stands.
    fn load(&mut self) -> rusqlite::Result<()> {
        self.rows.warm(&self.db)?;
        self.next = meta(&self.db, "next")?.unwrap_or(1);
        self.span = None;
        self.alive = meta(&self.db, "alive")?.map(|unix_ns| WallTime { unix_ns });
        self.is_stale = false;
        Ok(())
    }

    fn write(&mut self, events: &[Event], alive: Option<WallTime>) -> rusqlite::Result<()> {
        let change = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (stored, new_span) = self.keeper.tick(&change, self.clock.as_ref(), self.next)?;
        let mut next = self.next;
        let mut span = self.span.filter(|_| !new_span);
        if let Some(gap) = &self.unwritten {
            insert::gap(&change, gap, next - 1, stored)?;
        }
        for event in events {
            match event {
                Event::Gap(gap) => insert::gap(&change, gap, next - 1, stored)?,
                Event::Exit(record) => {
                    self.rows.record(&change, next, record)?;
                    span = Some(grow(&change, span, next, record, stored)?);
                    next += 1;
                }
            }
        }
        if let Some(span) = &span {
            write_span(&change, span)?;
        }
        set_meta(&change, "next", next)?;
        if let Some(alive) = alive {
            set_meta(&change, "alive", alive.unix_ns)?;
        }
        change.commit()?;
        self.next = next;
        self.span = span;
        self.alive = alive.or(self.alive);
        Ok(())
    }

    /// Counts what could not be written.
    fn note_unwritten(&mut self, events: &[Event]) {
        let Some((first, end)) = events.first().zip(events.last()) else {
            return;
        };
        let lost = events.iter().try_fold(0_u64, |lost, event| match event {
            Event::Exit(_) => Some(lost + 1),
            Event::Gap(gap) => Some(lost.saturating_add(gap.lost?)),
        });
        let from = match first {
            Event::Exit(record) => record.ended,
            Event::Gap(gap) => gap.from,
        };
        let to = time_of(end);
        let gap = Gap {
            from: from.min(to),
            to: from.max(to),
            lost,
            cause: LossCause::StoreBehind,
        };
        self.unwritten = Some(match self.unwritten.take() {
            None => gap,
            Some(earlier) => Gap {
                from: earlier.from.min(gap.from),
                to: earlier.to.max(gap.to),
                lost: earlier
                    .lost
                    .zip(gap.lost)
                    .map(|(one, other)| one.saturating_add(other)),
                cause: LossCause::StoreBehind,
            },
        });
    }

    /// Sets a store aside that turned out to be damaged, and goes on with a new one.
    fn start_anew(&mut self, what: String) -> Result<(), StoreError> {
        let fail = |error| from_sqlite(&self.path, error);
        let nothing = Connection::open_in_memory().map_err(fail)?;
        // Closing may fail on a damaged file; what matters is that it is no longer open.
        drop(std::mem::replace(&mut self.db, nothing));
        let access = files::access(&self.path);
        let notice = set_aside(&self.path, self.clock.as_ref(), what)?;
        self.notices.push(notice);
        let retention = self.keeper.retention;
        self.db = connect(&self.path, retention, &mut self.notices)?;
        files::set_access(&self.path, access)?;
        self.keeper = Keeper::load(&self.db, self.clock.as_ref(), retention).map_err(fail)?;
        let (next, alive) = (self.next, self.alive);
        let loaded = self.load();
        loaded.map_err(|error| from_sqlite(&self.path, error))?;
        // Ids go on, so that a reader who is paging meets no record twice.
        self.next = next;
        self.alive = alive;
        Ok(())
    }
}

fn time_of(event: &Event) -> WallTime {
    match event {
        Event::Exit(record) => record.ended,
        Event::Gap(gap) => gap.to,
    }
}

fn grow(
    db: &Connection,
    span: Option<Span>,
    id: i64,
    record: &ExitRecord,
    stored: i64,
) -> rusqlite::Result<Span> {
    let ended = record.ended.unix_ns;
    let fresh = Span {
        first: id,
        last: id,
        oldest: ended,
        newest: ended,
        stored,
        bytes: bytes_of(record),
    };
    let Some(span) = span else {
        return Ok(fresh);
    };
    let is_long = usize::try_from(id - span.first).is_ok_and(|length| length >= SPAN);
    if is_long || span.bytes >= SPAN_BYTES {
        write_span(db, &span)?;
        return Ok(fresh);
    }
    Ok(Span {
        first: span.first,
        last: id,
        oldest: span.oldest.min(ended),
        newest: span.newest.max(ended),
        stored,
        bytes: span.bytes + fresh.bytes,
    })
}

fn bytes_of(record: &ExitRecord) -> usize {
    let words = record.argv.iter().flat_map(|argv| &argv.words);
    let words: usize = words.map(|word| word.len() + 1).sum();
    200 + words.min(insert::COMMAND_BYTES_MAX)
}

fn write_span(db: &Connection, span: &Span) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO span (first, last, oldest, newest, stored)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    db.prepare_cached(sql)?
        .execute((span.first, span.last, span.oldest, span.newest, span.stored))
        .map(drop)
}

fn set_aside(path: &Path, clock: &dyn Clock, what: String) -> Result<Notice, StoreError> {
    let seconds = clock.now().wall.unix_ns.div_euclid(1_000_000_000);
    let stamp: String = Connection::open_in_memory()
        .and_then(|db| {
            let sql = "SELECT strftime('%Y%m%dT%H%M%SZ', ?1, 'unixepoch')";
            db.query_row(sql, [seconds], |row| row.get(0))
        })
        .map_err(|error| from_sqlite(path, error))?;
    let now = files::set_aside(path, &stamp)?;
    let path = path.to_owned();
    Ok(Notice::SetAside { path, now, what })
}

fn connect(
    path: &Path,
    retention: Retention,
    notices: &mut Vec<Notice>,
) -> Result<Connection, StoreError> {
    files::create(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let mut db = Connection::open_with_flags(path, flags)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        db.set_prepared_statement_cache_capacity(64);
        let version = schema::version(&db)?;
        if version > VERSION {
            return Ok((db, version));
        }
        if version == 0 {
            db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        db.query_row("PRAGMA journal_mode = WAL", (), |_| Ok(()))?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.pragma_update(None, "cache_size", -CACHE_KIB)?;
        db.pragma_update(None, "trusted_schema", "OFF")?;
        let log_bytes = i64::try_from(retention.log_bytes()).unwrap_or(i64::MAX);
        db.pragma_update(None, "journal_size_limit", log_bytes)?;
        db.pragma_update(None, "wal_autocheckpoint", log_bytes / 4096)?;
        schema::migrate(&mut db, VERSION)?;
        Ok((db, version))
    };
    let fail = |error| from_sqlite(path, error);
    let (db, version) = open().map_err(fail)?;
    if version > VERSION {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found: version,
            known: VERSION,
        });
    }
    if version > 0 && version < VERSION {
        // The version has to be in the file itself for older programs to see it.
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))
            .map_err(fail)?;
        notices.push(Notice::Migrated {
            path: path.to_owned(),
            from: version,
        });
    }
    check(&db, path)?;
    Ok(db)
}

/// Looks for damage, unless the last writer ended in good order; from now on it has not.
fn check(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let fail = |error| from_sqlite(path, error);
    if meta(db, "clean").map_err(fail)? != Some(1) {
        let verdict: String = db
            .query_row("PRAGMA quick_check(1)", (), |row| row.get(0))
            .map_err(fail)?;
        if verdict != "ok" {
            let path = path.to_owned();
            let what = verdict.replace('\n', " ");
            return Err(StoreError::Damaged { path, what });
        }
    }
    set_meta(db, "clean", 0).map_err(fail)
}
