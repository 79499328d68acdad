//! What is forgotten, and when.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::clock::{AgeClock, Clock, Tick};
use super::files::log_bytes;
use super::insert::Inserter;
use super::schema::{meta, set_meta};

/// How many spans one call deletes at most, so that new records don't wait long.
const SPANS_PER_CALL: u32 = 16;
const BYTES_LEAST: u64 = 4 << 20;
const BYTES_OF_LARGE_BATCH: u64 = 128 << 20;

/// How much is kept: what is older, or does not fit, is deleted, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How old a record may become.
    ///
    /// Told by a clock that a jump of the wall clock does not move: see `docs/store.md`.
    pub max_age: Duration,
    /// How much room the store may take on disk, its log included; at least 4 MiB.
    pub max_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            max_age: Duration::from_hours(14 * 24),
            max_bytes: 512 << 20,
        }
    }
}

impl Retention {
    fn bytes(self) -> u64 {
        self.max_bytes.max(BYTES_LEAST)
    }

    /// Returns how long the log may get before it is written back.
    pub(crate) fn log_bytes(self) -> u64 {
        (self.bytes() / 32).min(16 << 20)
    }

    /// Returns how many events one transaction takes. Neighbours change the same pages of the indexes,
    /// so many together cost less; but the log has to hold them.
    pub(crate) fn batch(self) -> usize {
        if self.bytes() < BYTES_OF_LARGE_BATCH {
            512
        } else {
            4096
        }
    }

    /// Returns what is left for the tables; the log may be twice as long while it is written back.
    fn data_bytes(self) -> u64 {
        self.bytes() - 4 * self.log_bytes()
    }
}

/// Deletes what need not be kept.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) retention: Retention,
    age: AgeClock,
    /// Where the clock that never jumps stood at the last tick.
    boot_ns: i64,
    /// The first record that was stamped in doubt.
    doubted_from: i64,
}

impl Keeper {
    pub(crate) fn load(
        db: &Connection,
        clock: &dyn Clock,
        retention: Retention,
    ) -> rusqlite::Result<Self> {
        let now = clock.now();
        let number = |key, default| meta(db, key).map(|value| value.unwrap_or(default));
        Ok(Self {
            retention,
            age: AgeClock {
                now_ns: number("age", now.wall.unix_ns)?,
                doubted_ns: number("doubted", 0)?,
            },
            boot_ns: now.boot_ns,
            doubted_from: number("doubted_from", 0)?,
        })
    }

    /// Returns the time that new records are stamped with; to be called in their transaction.
    ///
    /// `next` is the id of the next record. True beside it says that a new span has to begin.
    pub(crate) fn tick(
        &mut self,
        db: &Connection,
        clock: &dyn Clock,
        next: i64,
    ) -> rusqlite::Result<(i64, bool)> {
        let now = clock.now();
        let elapsed_ns = now.boot_ns.saturating_sub(self.boot_ns);
        self.boot_ns = now.boot_ns;
        let tick = self.age.tick(now.wall, elapsed_ns);
        match tick {
            Tick::Sound | Tick::StillDoubted => {}
            Tick::Doubted => {
                self.doubted_from = next;
                set_meta(db, "doubted_from", next)?;
            }
            Tick::Accepted { shift_ns } => {
                let span = "UPDATE span SET stored = stored + ?1 WHERE first >= ?2";
                db.execute(span, (shift_ns, self.doubted_from))?;
                let gap = "UPDATE gap SET stored = stored + ?1 WHERE behind >= ?2";
                db.execute(gap, (shift_ns, self.doubted_from - 1))?;
            }
        }
        set_meta(db, "age", self.age.now_ns)?;
        set_meta(db, "doubted", self.age.doubted_ns)?;
        let new_span = matches!(tick, Tick::Doubted | Tick::Accepted { .. });
        Ok((self.age.now_ns, new_span))
    }

    /// Deletes until the files take no more room than they may; says whether they do.
    pub(crate) fn make_room(
        &mut self,
        db: &mut Connection,
        path: &Path,
        rows: &mut Inserter,
    ) -> rusqlite::Result<bool> {
        loop {
            let (before, log) = (Size::of(db)?, log_bytes(path));
            if before.file_bytes().saturating_add(log) <= self.retention.bytes() {
                return Ok(true);
            }
            self.enforce(db, path, rows)?;
            let after = Size::of(db)?;
            let is_less = after.pages < before.pages
                || after.used_bytes() < before.used_bytes()
                || log_bytes(path) < log;
            if !is_less {
                return Ok(false);
            }
        }
    }

    /// Deletes what is too old or too much, and gives the room back.
    pub(crate) fn enforce(
        &mut self,
        db: &mut Connection,
        path: &Path,
        rows: &mut Inserter,
    ) -> rusqlite::Result<()> {
        let age_max = i64::try_from(self.retention.max_age.as_nanos()).unwrap_or(i64::MAX);
        let horizon = self.age.now_ns.saturating_sub(age_max);
        let data_max = self.retention.data_bytes();
        for _ in 0..SPANS_PER_CALL {
            let is_full = Size::of(db)?.used_bytes() > data_max;
            let Some(oldest) = oldest_span(db)? else {
                break;
            };
            if !is_full && oldest.stored >= horizon {
                break;
            }
            delete_span(db, &oldest, rows)?;
        }
        delete_gaps(db, horizon)?;
        let size = Size::of(db)?;
        if size.file_bytes() > data_max && size.free > 0 {
            vacuum(db)?;
        }
        self.write_back(db, path)
    }

    /// Writes the log back where it has grown; a reader may keep it as it is.
    pub(crate) fn write_back(&self, db: &Connection, path: &Path) -> rusqlite::Result<()> {
        if log_bytes(path) <= self.retention.log_bytes() {
            return Ok(());
        }
        db.busy_timeout(Duration::ZERO)?;
        let result = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
        db.busy_timeout(super::BUSY_TIMEOUT)?;
        result
    }
}

/// Gives free pages back, a few at a time.
fn vacuum(db: &Connection) -> rusqlite::Result<()> {
    let mut statement = db.prepare("PRAGMA incremental_vacuum(1024)")?;
    let mut rows = statement.query(())?;
    // Each step gives one page back.
    while rows.next()?.is_some() {}
    Ok(())
}

/// How many pages the database's file has.
struct Size {
    pages: u64,
    free: u64,
    page_bytes: u64,
}

impl Size {
    fn of(db: &Connection) -> rusqlite::Result<Self> {
        let number = |sql: &str| {
            db.prepare_cached(sql)?
                .query_row((), |row| row.get::<_, i64>(0))
                .map(i64::cast_unsigned)
        };
        Ok(Self {
            pages: number("PRAGMA page_count")?,
            free: number("PRAGMA freelist_count")?,
            page_bytes: number("PRAGMA page_size")?,
        })
    }

    fn file_bytes(&self) -> u64 {
        self.pages * self.page_bytes
    }

    fn used_bytes(&self) -> u64 {
        self.pages.saturating_sub(self.free) * self.page_bytes
    }
}

struct OldSpan {
    first: i64,
    last: i64,
    stored: i64,
}

fn oldest_span(db: &Connection) -> rusqlite::Result<Option<OldSpan>> {
    let sql = "SELECT first, last, stored FROM span ORDER BY first LIMIT 1";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(())?;
    rows.next()?
        .map(|row| {
            Ok(OldSpan {
                first: row.get(0)?,
                last: row.get(1)?,
                stored: row.get(2)?,
            })
        })
        .transpose()
}

fn delete_span(db: &mut Connection, span: &OldSpan, rows: &mut Inserter) -> rusqlite::Result<()> {
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for sql in [
        "DELETE FROM exit WHERE id <= ?1",
        "DELETE FROM killer WHERE exit <= ?1",
        "DELETE FROM oom WHERE exit <= ?1",
        "DELETE FROM gap WHERE behind < ?1",
    ] {
        change.prepare_cached(sql)?.execute([span.last])?;
    }
    change
        .prepare_cached("DELETE FROM span WHERE first = ?1")?
        .execute([span.first])?;
    rows.sweep(&change, span.last + 1)?;
    change.commit()
}

fn delete_gaps(db: &Connection, horizon: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM gap WHERE stored < ?1")?
        .execute([horizon])
        .map(drop)
}
