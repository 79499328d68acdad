//! Texts that many records share, stored once.
//!
//! Which row holds a text is remembered here only, so a text that was forgotten is stored again:
//! readers take several rows of one text for the same.

use std::collections::HashMap;

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ToSql};

/// How many records a row that is used again is kept for, before that has to be written again.
const LEASE: i64 = 1024;
/// Longer keys are not remembered.
const KEY_BYTES_MAX: usize = 1024;

/// A text of the system's: TEXT where it is UTF-8, for people, else a BLOB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) &'a [u8]);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match std::str::from_utf8(self.0) {
            // SQLite's functions end a text at a NUL.
            Ok(text) if !self.0.contains(&0) => ValueRef::Text(text.as_bytes()),
            _ => ValueRef::Blob(self.0),
        }))
    }
}

/// A row that records point to.
#[derive(Debug, Clone, Copy)]
struct Shared {
    id: i64,
    /// Records up to this id may point to it.
    keep: i64,
}

/// The rows of one table that were used lately: those of this generation and the one before.
#[derive(Debug)]
pub(crate) struct Cache {
    table: &'static str,
    columns: &'static [&'static str],
    generation_max: usize,
    young: HashMap<Box<[u8]>, Shared>,
    old: HashMap<Box<[u8]>, Shared>,
}

impl Cache {
    pub(crate) fn new(
        table: &'static str,
        columns: &'static [&'static str],
        generation_max: usize,
    ) -> Self {
        Self {
            table,
            columns,
            generation_max,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    fn clear(&mut self) {
        self.young = HashMap::new();
        self.old = HashMap::new();
    }

    /// Deletes rows that no record from `oldest` on points to.
    pub(crate) fn sweep(&mut self, db: &Connection, oldest: i64) -> rusqlite::Result<()> {
        let sql = format!("DELETE FROM {} WHERE keep < ?1", self.table);
        db.prepare_cached(&sql)?.execute([oldest])?;
        self.young.retain(|_, shared| shared.keep >= oldest);
        self.old.retain(|_, shared| shared.keep >= oldest);
        Ok(())
    }

    /// Returns the row with these values, and keeps it for the record `record`.
    pub(crate) fn row(
        &mut self,
        db: &Connection,
        values: &[Option<Text<'_>>],
        record: i64,
    ) -> rusqlite::Result<i64> {
        let key = key(values);
        let known = self
            .young
            .get(key.as_slice())
            .copied()
            .or_else(|| self.old.remove(key.as_slice()));
        let shared = match known {
            Some(shared) if shared.keep >= record => {
                if self.young.contains_key(key.as_slice()) {
                    return Ok(shared.id);
                }
                shared
            }
            Some(Shared { id, .. }) => {
                let keep = record + LEASE;
                let sql = format!("UPDATE {} SET keep = ?2 WHERE id = ?1", self.table);
                db.prepare_cached(&sql)?.execute((id, keep))?;
                Shared { id, keep }
            }
            None => {
                let shared = Shared {
                    id: 0,
                    keep: record,
                };
                self.insert(db, values, shared)?
            }
        };
        self.remember(key, shared);
        Ok(shared.id)
    }

    fn insert(
        &self,
        db: &Connection,
        values: &[Option<Text<'_>>],
        shared: Shared,
    ) -> rusqlite::Result<Shared> {
        let places = vec!["?"; self.columns.len() + 1].join(", ");
        let sql = format!(
            "INSERT INTO {} (keep, {}) VALUES ({places})",
            self.table,
            self.columns.join(", ")
        );
        let mut statement = db.prepare_cached(&sql)?;
        statement.raw_bind_parameter(1, shared.keep)?;
        for (index, value) in values.iter().enumerate() {
            statement.raw_bind_parameter(index + 2, value)?;
        }
        statement.raw_execute()?;
        Ok(Shared {
            id: db.last_insert_rowid(),
            ..shared
        })
    }

    fn remember(&mut self, key: Vec<u8>, shared: Shared) {
        if key.len() > KEY_BYTES_MAX {
            return;
        }
        if self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key.into_boxed_slice(), shared);
    }

    /// Takes in the rows that were made last.
    pub(crate) fn warm(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.clear();
        let sql = format!(
            "SELECT id, keep, {} FROM {} ORDER BY id DESC LIMIT {}",
            self.columns.join(", "),
            self.table,
            self.generation_max
        );
        let mut statement = db.prepare(&sql)?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let shared = Shared {
                id: row.get(0)?,
                keep: row.get(1)?,
            };
            let values: Vec<Value> = (0..self.columns.len())
                .map(|index| row.get(index + 2))
                .collect::<Result<_, _>>()?;
            let texts: Vec<Option<Text<'_>>> = values.iter().map(text).collect();
            self.remember(key(&texts), shared);
        }
        Ok(())
    }
}

fn text(value: &Value) -> Option<Text<'_>> {
    match value {
        Value::Text(text) => Some(Text(text.as_bytes())),
        Value::Blob(bytes) => Some(Text(bytes)),
        Value::Null | Value::Integer(_) | Value::Real(_) => None,
    }
}

/// Writes values so that different lists of values differ.
fn key(values: &[Option<Text<'_>>]) -> Vec<u8> {
    let mut key = Vec::new();
    for value in values {
        match value {
            None => key.push(0),
            Some(Text(bytes)) => {
                key.push(1);
                key.extend_from_slice(&bytes.len().to_le_bytes());
                key.extend_from_slice(bytes);
            }
        }
    }
    key
}
