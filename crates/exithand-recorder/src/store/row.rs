//! Records and gaps as rows.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use exithand::{BootId, Outcome, Pid, Signal, Token};
use rusqlite::types::{FromSqlError, Type, Value, ValueRef};
use rusqlite::{Connection, Row};

use super::words;
use crate::{
    Argv, ExitRecord, Gap, Killer, Link, LossCause, Oom, OomScope, Parent, Place, Usage, WallTime,
};

/// All that a record holds, of the exit whose id is `?1`.
pub(crate) const SELECT: &str = "
SELECT exit.ended, boot.boot_id, exit.pid, exit.inode, exit.ticks, exit.outcome,
    program.comm, program.exe, command.words, command.truncated,
    place.cgroup, place.unit, place.container,
    exit.uid, exit.gid, exit.ppid, parent.comm, exit.started, exit.runtime,
    exit.cpu_user, exit.cpu_system, exit.max_rss, exit.read_bytes, exit.write_bytes,
    exit.voluntary, exit.involuntary, exit.namespace_init,
    killer.pid, killing.comm, killing.exe, killer.uid, killer.unit, killer.signal, killer.code,
    killer.chain, oom.scope, oom.cgroup
FROM exit
LEFT JOIN boot ON boot.id = exit.boot
LEFT JOIN program ON program.id = exit.program
LEFT JOIN command ON command.id = exit.command
LEFT JOIN place ON place.id = exit.place
LEFT JOIN program AS parent ON parent.id = exit.parent
LEFT JOIN killer ON killer.exit = exit.id
LEFT JOIN program AS killing ON killing.id = killer.program
LEFT JOIN oom ON oom.exit = exit.id
WHERE exit.id = ?1";

/// Writes an outcome as `wait4(2)` would, or the reason why it is unknown.
pub(crate) fn outcome_value(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Unknown { why } => Value::Text(why.to_string()),
        known => known
            .to_wait_status()
            .map_or(Value::Null, |status| Value::Integer(status.into())),
    }
}

/// Reads what [`outcome_value`] wrote; `None` for what it never writes.
pub(crate) fn outcome_of(value: ValueRef<'_>) -> Option<Outcome> {
    match value {
        ValueRef::Integer(status) => Outcome::from_wait_status(i32::try_from(status).ok()?),
        ValueRef::Text(why) => format!("unknown: {}", std::str::from_utf8(why).ok()?)
            .parse()
            .ok(),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => None,
    }
}

/// Reads the record with this id; `None` where it has been deleted meanwhile.
pub(crate) fn record(db: &Connection, id: i64) -> rusqlite::Result<Option<ExitRecord>> {
    let mut statement = db.prepare_cached(SELECT)?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(decode).transpose()
}

fn decode(row: &Row<'_>) -> rusqlite::Result<ExitRecord> {
    let (token, start_ticks) = token(row)?;
    Ok(ExitRecord {
        token,
        start_ticks,
        outcome: outcome_of(row.get_ref(5)?).ok_or_else(|| wrong(5, "no outcome"))?,
        parent: parent(row)?,
        uid: row.get(13)?,
        gid: row.get(14)?,
        comm: os(row, 6)?.ok_or_else(|| wrong(6, "no name"))?,
        exe: os(row, 7)?,
        argv: argv(row)?,
        place: Place {
            cgroup: os(row, 10)?,
            unit: row.get(11)?,
            container: row.get(12)?,
        },
        started: row.get::<_, Option<i64>>(17)?.map(wall),
        ended: wall(row.get(0)?),
        runtime_ns: count(row, 18)?,
        usage: Usage {
            cpu_user_ns: count(row, 19)?,
            cpu_system_ns: count(row, 20)?,
            max_rss_bytes: count(row, 21)?,
            read_bytes: count(row, 22)?,
            write_bytes: count(row, 23)?,
            voluntary_switches: count(row, 24)?,
            involuntary_switches: count(row, 25)?,
        },
        namespace_init: row.get(26)?,
        killer: killer(row)?,
        oom: oom(row)?,
    })
}

fn token(row: &Row<'_>) -> rusqlite::Result<(Token, Option<u64>)> {
    let pid = row.get::<_, Option<i32>>(2)?.and_then(Pid::from_raw);
    let inode: Option<i64> = row.get(3)?;
    let ticks = row.get::<_, Option<i64>>(4)?.map(i64::cast_unsigned);
    let (token, start_ticks) = match (inode, ticks) {
        (Some(inode), ticks) => (Token::of_inode(pid, inode.cast_unsigned()), ticks),
        (None, Some(ticks)) => (Token::of_start(pid, ticks), None),
        (None, None) => return Err(wrong(3, "neither inode nor start time")),
    };
    let boot: Option<String> = row.get(1)?;
    let boot: Option<BootId> = boot
        .map(|boot| boot.parse().map_err(|_bad| wrong(1, "no boot id")))
        .transpose()?;
    Ok((boot.map_or(token, |boot| token.of_boot(boot)), start_ticks))
}

fn parent(row: &Row<'_>) -> rusqlite::Result<Option<Parent>> {
    let pid: Option<u32> = row.get(15)?;
    let comm = os(row, 16)?;
    Ok(pid.map(|pid| Parent { pid, comm }))
}

fn argv(row: &Row<'_>) -> rusqlite::Result<Option<Argv>> {
    let truncated = os(row, 9)?.is_some();
    Ok(bytes(row, 8)?.map(|text| Argv {
        words: words::split(text),
        truncated,
    }))
}

fn killer(row: &Row<'_>) -> rusqlite::Result<Option<Killer>> {
    let Some(pid) = row.get(27)? else {
        return Ok(None);
    };
    let signal = Signal::from_number(row.get(32)?).ok_or_else(|| wrong(32, "no signal"))?;
    Ok(Some(Killer {
        pid,
        comm: os(row, 28)?.ok_or_else(|| wrong(28, "no name"))?,
        exe: os(row, 29)?,
        uid: row.get(30)?,
        unit: row.get(31)?,
        signal,
        code: row.get(33)?,
        chain: chain_of(bytes(row, 34)?.unwrap_or_default()),
    }))
}

/// Writes a killer's parents: pid and name by turns.
pub(crate) fn chain_text(chain: &[Link]) -> Vec<u8> {
    let words = chain
        .iter()
        .flat_map(|link| [OsString::from(link.pid.to_string()), link.comm.clone()]);
    words::join(words)
}

/// Reads what [`chain_text`] wrote, as far as it goes.
pub(crate) fn chain_of(text: &[u8]) -> Vec<Link> {
    let words = words::split(text);
    let link = |pair: &[OsString]| {
        let [pid, comm] = pair else { return None };
        let pid = pid.to_str()?.parse().ok()?;
        let comm = comm.clone();
        Some(Link { pid, comm })
    };
    words.chunks(2).map_while(link).collect()
}

fn oom(row: &Row<'_>) -> rusqlite::Result<Option<Oom>> {
    let scope: Option<String> = row.get(35)?;
    let cgroup = os(row, 36)?;
    scope
        .map(|word| match word.as_str() {
            "memcg" => Ok(OomScope::Memcg),
            "global" => Ok(OomScope::Global),
            _ => Err(wrong(35, "no scope")),
        })
        .map(|scope| scope.map(|scope| Oom { scope, cgroup }))
        .transpose()
}

/// Reads a gap from the columns `first, last, lost, cause`.
pub(crate) fn gap(row: &Row<'_>) -> rusqlite::Result<Gap> {
    let cause: String = row.get(3)?;
    Ok(Gap {
        from: wall(row.get(0)?),
        to: wall(row.get(1)?),
        lost: count(row, 2)?,
        cause: LossCause::from_word(&cause).ok_or_else(|| wrong(3, "no cause"))?,
    })
}

fn wall(unix_ns: i64) -> WallTime {
    WallTime { unix_ns }
}

fn count(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<u64>> {
    let count: Option<i64> = row.get(index)?;
    Ok(count.map(|count| u64::try_from(count).unwrap_or(0)))
}

/// Writes a count; those that no machine reaches are cut.
pub(crate) fn count_value(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn bytes<'row>(row: &'row Row<'_>, index: usize) -> rusqlite::Result<Option<&'row [u8]>> {
    match row.get_ref(index)? {
        ValueRef::Null => Ok(None),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Ok(Some(bytes)),
        ValueRef::Integer(_) | ValueRef::Real(_) => Err(wrong(index, "no text")),
    }
}

fn os(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<OsString>> {
    Ok(bytes(row, index)?.map(|bytes| OsString::from_vec(bytes.to_vec())))
}

fn wrong(index: usize, what: &'static str) -> rusqlite::Error {
    let source = FromSqlError::Other(what.into());
    rusqlite::Error::FromSqlConversionFailure(index, Type::Null, Box::new(source))
}

/// Returns the words of a command line as they are stored: at most `bytes_max` of them.
pub(crate) fn command_text(argv: &Argv, bytes_max: usize) -> (Vec<u8>, bool) {
    let mut kept = 0;
    let mut words: Vec<&[u8]> = Vec::new();
    let mut truncated = argv.truncated;
    for word in &argv.words {
        let word = word.as_bytes();
        let left = bytes_max.saturating_sub(kept);
        if left == 0 || word.len() > left {
            truncated = true;
            words.extend(word.get(..left).filter(|start| !start.is_empty()));
            break;
        }
        words.push(word);
        kept += word.len() + 1;
    }
    let words = words.into_iter().map(std::ffi::OsStr::from_bytes);
    (words::join(words), truncated)
}
