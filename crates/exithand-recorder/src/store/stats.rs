//! Exits counted.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use exithand::Outcome;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::condition::{Arms, Conditions, IS_FAILED, Ids, parameters};
use super::{reader, row};
use crate::{GroupBy, Stats, StatsQuery, Tally, WallTime};

type Key = (Option<i64>, Option<OsString>);

pub(super) fn count(db: &Connection, query: &StatsQuery) -> rusqlite::Result<Stats> {
    let filter = &query.filter;
    let first = filter.since.unwrap_or(WallTime { unix_ns: i64::MIN });
    let last = filter.until.unwrap_or(WallTime { unix_ns: i64::MAX });
    Ok(Stats {
        tallies: tallies(db, query)?,
        gaps: reader::gaps(db, first.min(last), first.max(last))?,
        oldest: reader::oldest(db)?,
    })
}

fn tallies(db: &Connection, query: &StatsQuery) -> rusqlite::Result<Vec<Tally>> {
    let ids = Ids::find(db, &query.filter)?;
    let arms = Arms::all();
    let mut conditions = Conditions::of(&query.filter, &ids, &arms);
    let Some((first, last)) = reader::range(db, &query.filter)? else {
        return Ok(Vec::new());
    };
    conditions.compare("exit.id >=", first);
    conditions.compare("exit.id <=", last);
    let start = match query.bucket_ns {
        None => "NULL".to_owned(),
        Some(length) => {
            let length = row::count_value(length.get());
            format!("exit.ended - ((exit.ended % {length}) + {length}) % {length}")
        }
    };
    let group = match query.by {
        GroupBy::Nothing => "NULL",
        GroupBy::Name => "exit.program",
        GroupBy::Unit | GroupBy::Container => "exit.place",
        GroupBy::User => "exit.uid",
        GroupBy::Outcome => "iif(typeof(exit.outcome) = 'integer', exit.outcome, NULL)",
    };
    let sql = format!(
        "SELECT {start}, {group}, count(*), sum({IS_FAILED}), sum(oom.exit IS NOT NULL)
        FROM exit LEFT JOIN oom ON oom.exit = exit.id WHERE {} GROUP BY 1, 2",
        conditions.sql()
    );
    let names = names(db, query.by)?;
    let mut statement = db.prepare(&sql)?;
    let mut rows = statement.query(parameters(&conditions.values).as_slice())?;
    let mut sums: HashMap<Key, Tally> = HashMap::new();
    while let Some(row) = rows.next()? {
        let start: Option<i64> = row.get(0)?;
        let group = group_name(query.by, &row.get(1)?, &names);
        let number = |index| row.get::<_, i64>(index).map(i64::unsigned_abs);
        let (exits, failed, oom) = (number(2)?, number(3)?, number(4)?);
        let sum = sums.entry((start, group.clone())).or_insert(Tally {
            start: start.map(|unix_ns| WallTime { unix_ns }),
            group,
            exits: 0,
            failed: 0,
            oom: 0,
        });
        sum.exits += exits;
        sum.failed += failed;
        sum.oom += oom;
    }
    let mut tallies: Vec<Tally> = sums.into_values().collect();
    tallies.sort_by(|one, other| {
        (one.start, other.exits, &one.group).cmp(&(other.start, one.exits, &other.group))
    });
    Ok(tallies)
}

/// Returns what the shared rows are called; several may be called the same.
fn names(db: &Connection, by: GroupBy) -> rusqlite::Result<HashMap<i64, OsString>> {
    let sql = match by {
        GroupBy::Name => "SELECT id, comm FROM program",
        GroupBy::Unit => "SELECT id, unit FROM place WHERE unit IS NOT NULL",
        GroupBy::Container => "SELECT id, container FROM place WHERE container IS NOT NULL",
        GroupBy::Nothing | GroupBy::User | GroupBy::Outcome => return Ok(HashMap::new()),
    };
    let mut statement = db.prepare(sql)?;
    let names = statement.query_map((), |row| {
        let name = row.get_ref(1)?.as_bytes()?.to_vec();
        Ok((row.get(0)?, OsString::from_vec(name)))
    })?;
    names.collect()
}

fn group_name(by: GroupBy, value: &Value, names: &HashMap<i64, OsString>) -> Option<OsString> {
    let number = match value {
        Value::Integer(number) => Some(*number),
        Value::Null | Value::Real(_) | Value::Text(_) | Value::Blob(_) => None,
    };
    match by {
        GroupBy::Nothing => None,
        GroupBy::Name | GroupBy::Unit | GroupBy::Container => names.get(&number?).cloned(),
        GroupBy::User => Some(number?.to_string().into()),
        GroupBy::Outcome => Some(
            number
                .and_then(|status| i32::try_from(status).ok())
                .and_then(Outcome::from_wait_status)
                .map_or_else(|| "unknown".into(), |outcome| outcome.to_string().into()),
        ),
    }
}
