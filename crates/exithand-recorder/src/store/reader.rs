//! Those who read the store.

use std::cell::RefCell;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use exithand::{Outcome, Token};
use rusqlite::{Connection, OpenFlags};

use super::condition::{Arms, Conditions, Ids, parameters};
use super::error::from_sqlite;
use super::files::{self, Kind, READ_FLAGS};
use super::schema::{self, VERSION};
use super::{BUSY_TIMEOUT, StoreError, row, stats};
use crate::{
    Answer, Filter, Gap, History, HistoryError, Order, Query, Stats, StatsQuery, WallTime,
};

/// A store that is read, while a recorder writes it or not.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    open: RefCell<Open>,
}

#[derive(Debug)]
struct Open {
    db: Connection,
    /// Which file it is; a recorder may put another one in its place.
    file: (u64, u64),
    /// Whether the file is read as if nobody could change it.
    is_immutable: bool,
}

impl Store {
    /// Opens the store at `path` for reading.
    ///
    /// # Errors
    ///
    /// [`StoreError::Absent`], [`Denied`](StoreError::Denied), [`Newer`](StoreError::Newer),
    /// [`Older`](StoreError::Older), [`Foreign`](StoreError::Foreign),
    /// [`Damaged`](StoreError::Damaged), and [`Unclosed`](StoreError::Unclosed) where its last
    /// records cannot be read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            path: path.to_owned(),
            open: RefCell::new(open(path)?),
        })
    }

    /// Asks in one look at the store, and once more if the file was replaced or begun to be written.
    fn ask<T>(
        &self,
        question: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut held = self.open.borrow_mut();
        if !held.is_current(&self.path) {
            *held = open(&self.path)?;
        }
        let ask = |held: &Open| {
            let look = held.db.unchecked_transaction()?;
            let answer = question(&look)?;
            look.commit()?;
            Ok(answer)
        };
        let fail = |error| from_sqlite(&self.path, error);
        let answer = ask(&held);
        if held.is_current(&self.path) {
            return answer.map_err(fail);
        }
        *held = open(&self.path)?;
        ask(&held).map_err(fail)
    }
}

impl Open {
    fn is_current(&self, path: &Path) -> bool {
        let same = identity(path).is_ok_and(|file| file == self.file);
        same && !(self.is_immutable && files::log_bytes(path) > 0)
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let meta = fs::metadata(path)?;
    Ok((meta.dev(), meta.ino()))
}

fn open(path: &Path) -> Result<Open, StoreError> {
    let owned = path.to_owned();
    let kind = files::kind(path)?;
    let known = VERSION;
    match kind {
        Kind::Empty => return Err(StoreError::Absent { path: owned }),
        Kind::Known => {}
        Kind::Newer(found) => {
            return Err(StoreError::Newer {
                path: owned,
                found,
                known,
            });
        }
        Kind::Foreign => return Err(StoreError::Foreign { path: owned }),
        Kind::Damaged => {
            return Err(StoreError::Damaged {
                path: owned,
                what: "its beginning is no database's".to_owned(),
            });
        }
    }
    let file = identity(path).map_err(|error| files::failure("look at", path, error))?;
    let (db, is_immutable) = connect(path)?;
    let found = schema::version(&db).map_err(|error| from_sqlite(path, error))?;
    let path = owned;
    match found {
        // A recorder is just about to make it.
        0 => Err(StoreError::Absent { path }),
        found if found < VERSION => Err(StoreError::Older { path, found, known }),
        found if found > VERSION => Err(StoreError::Newer { path, found, known }),
        _ => Ok(Open {
            db,
            file,
            is_immutable,
        }),
    }
}

/// Opens the database, and says whether as one that nobody can change.
fn connect(path: &Path) -> Result<(Connection, bool), StoreError> {
    let flags = READ_FLAGS.difference(OpenFlags::SQLITE_OPEN_URI);
    let first = Connection::open_with_flags(path, flags).and_then(look);
    let error = match first {
        Ok(db) => return Ok((db, false)),
        Err(error) => error,
    };
    // The index of the log is missing, and we may not make it. Without a log none is needed.
    let needs_index = matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::ReadOnly)
    );
    if !needs_index {
        return Err(from_sqlite(path, error));
    }
    if files::log_bytes(path) > 0 {
        let path = path.to_owned();
        return Err(StoreError::Unclosed { path });
    }
    Connection::open_with_flags(files::immutable_uri(path), READ_FLAGS)
        .and_then(look)
        .map(|db| (db, true))
        .map_err(|error| from_sqlite(path, error))
}

fn look(db: Connection) -> rusqlite::Result<Connection> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.pragma_update(None, "trusted_schema", "OFF")?;
    db.query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))?;
    Ok(db)
}

impl History for Store {
    fn query(&self, query: &Query) -> Result<Answer, HistoryError> {
        Ok(self.ask(|db| answer(db, query))?)
    }

    fn outcome(&self, token: &Token) -> Result<Option<Outcome>, HistoryError> {
        let filter = Filter {
            token: Some(*token),
            ..Filter::default()
        };
        let find = |db: &Connection| {
            let ids = find(db, &filter, Order::Newest, None, 1)?;
            let record = ids.first().map(|id| row::record(db, *id)).transpose()?;
            Ok(record.flatten().map(|record| record.outcome))
        };
        Ok(self.ask(find)?)
    }

    fn stats(&self, query: &StatsQuery) -> Result<Stats, HistoryError> {
        Ok(self.ask(|db| stats::count(db, query))?)
    }
}

fn answer(db: &Connection, query: &Query) -> rusqlite::Result<Answer> {
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    // One more, to see whether there are more.
    let asked = i64::from(query.limit) + 1;
    let after = query.after.map(row::count_value);
    let mut ids = find(db, &query.filter, query.order, after, asked)?;
    let is_cut = ids.len() > limit;
    ids.truncate(limit);
    let mut records = Vec::with_capacity(ids.len());
    for id in &ids {
        records.extend(row::record(db, *id)?);
    }
    let by_time = matches!(query.order, Order::Newest | Order::Oldest);
    let next = ids.last().filter(|_| is_cut && by_time);
    let next = next.and_then(|id| u64::try_from(*id).ok());

    let mut first = query.filter.since.unwrap_or(EVER.0);
    let mut last = query.filter.until.unwrap_or(EVER.1);
    let begin = after.map(|id| ended_at(db, id)).transpose()?.flatten();
    let end = records
        .last()
        .map(|record| record.ended)
        .filter(|_| next.is_some());
    match query.order {
        Order::Newest => {
            first = end.unwrap_or(first);
            last = begin.unwrap_or(last);
        }
        Order::Oldest => {
            first = begin.unwrap_or(first);
            last = end.unwrap_or(last);
        }
        Order::Runtime | Order::Cpu | Order::Memory => {}
    }
    Ok(Answer {
        gaps: gaps(db, first.min(last), first.max(last))?,
        records,
        next,
        oldest: oldest(db)?,
    })
}

const EVER: (WallTime, WallTime) = (
    WallTime { unix_ns: i64::MIN },
    WallTime { unix_ns: i64::MAX },
);

/// Returns the ids of the records asked for, in order.
fn find(
    db: &Connection,
    filter: &Filter,
    order: Order,
    after: Option<i64>,
    limit: i64,
) -> rusqlite::Result<Vec<i64>> {
    let ids = Ids::find(db, filter)?;
    if ids.match_nothing() {
        return Ok(Vec::new());
    }
    let arms = match order {
        Order::Newest | Order::Oldest => Arms::choose(filter, &ids),
        Order::Runtime | Order::Cpu | Order::Memory => Arms::all(),
    };
    let mut conditions = Conditions::of(filter, &ids, &arms);
    let Some((first, last)) = range(db, filter)? else {
        return Ok(Vec::new());
    };
    let id = arms.id;
    conditions.compare(&format!("{id} >="), first);
    conditions.compare(&format!("{id} <="), last);
    if let Some(after) = after {
        let what = match order {
            Order::Oldest => ">",
            Order::Newest | Order::Runtime | Order::Cpu | Order::Memory => "<",
        };
        conditions.compare(&format!("{id} {what}"), after);
    }
    let key = match order {
        Order::Newest | Order::Oldest => "",
        Order::Runtime => "exit.runtime DESC,",
        Order::Memory => "exit.max_rss DESC,",
        Order::Cpu => {
            "ifnull(exit.cpu_user + exit.cpu_system, ifnull(exit.cpu_user, exit.cpu_system)) DESC,"
        }
    };
    let direction = if order == Order::Oldest {
        "ASC"
    } else {
        "DESC"
    };
    let sql = format!(
        "SELECT exit.id FROM {} WHERE {} AND {} ORDER BY {key} {id} {direction} LIMIT {limit}",
        arms.source,
        arms.head.unwrap_or("true"),
        conditions.sql(),
    );
    let mut statement = db.prepare(&sql)?;
    let mut found = Vec::new();
    for value in &arms.values {
        if let Some(first) = conditions.values.first_mut() {
            first.clone_from(value);
        }
        // An arm without a value, and conditions without any, have no `?1`.
        let count = statement.parameter_count();
        let values = conditions.values.get(..count).unwrap_or_default();
        let mut rows = statement.query(parameters(values).as_slice())?;
        while let Some(row) = rows.next()? {
            found.push(row.get(0)?);
        }
    }
    if arms.values.len() > 1 {
        found.sort_unstable();
        found.dedup();
        if order == Order::Newest {
            found.reverse();
        }
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    Ok(found)
}

/// Returns between which ids the time asked for lies; `None` where there is no record of it.
pub(super) fn range(db: &Connection, filter: &Filter) -> rusqlite::Result<Option<(i64, i64)>> {
    let since = filter.since.unwrap_or(EVER.0).unix_ns;
    let until = filter.until.unwrap_or(EVER.1).unix_ns;
    let sql = "SELECT min(first), max(last) FROM span WHERE newest >= ?1 AND oldest <= ?2";
    let range: (Option<i64>, Option<i64>) =
        db.query_row(sql, (since, until), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(range.0.zip(range.1))
}

/// Returns the gaps between two moments or near them, oldest first.
pub(super) fn gaps(db: &Connection, first: WallTime, last: WallTime) -> rusqlite::Result<Vec<Gap>> {
    let mut statement = db.prepare("SELECT first, last, lost, cause FROM gap ORDER BY first")?;
    let gaps = statement.query_map((), row::gap)?;
    gaps.filter(|gap| gap.as_ref().map_or(true, |gap| gap.overlaps(first, last)))
        .collect()
}

/// Returns when the oldest record was made.
pub(super) fn oldest(db: &Connection) -> rusqlite::Result<Option<WallTime>> {
    ended_at(db, 0)
}

/// Returns when the first record from `id` on ended.
fn ended_at(db: &Connection, id: i64) -> rusqlite::Result<Option<WallTime>> {
    let mut statement = db.prepare("SELECT ended FROM exit WHERE id >= ?1 ORDER BY id LIMIT 1")?;
    let mut rows = statement.query([id])?;
    rows.next()?
        .map(|row| {
            Ok(WallTime {
                unix_ns: row.get(0)?,
            })
        })
        .transpose()
}
