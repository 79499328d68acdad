//! Records into tables.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;

use exithand::{BootId, Outcome};
use rusqlite::{Connection, Statement};

use super::intern::{Cache, Text};
use super::row::{chain_text, command_text, count_value, outcome_value};
use crate::filter::file_name;
use crate::{ExitRecord, Gap, Killer, Oom};

/// How much of a command line is stored.
pub(crate) const COMMAND_BYTES_MAX: usize = 4096;

const INSERT: &str = "INSERT INTO exit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
    ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)";

/// Writes records, and knows the rows that they share.
#[derive(Debug)]
pub(crate) struct Inserter {
    boots: HashMap<BootId, i64>,
    programs: Cache,
    commands: Cache,
    places: Cache,
}

impl Inserter {
    pub(crate) fn new() -> Self {
        Self {
            boots: HashMap::new(),
            programs: Cache::new("program", &["comm", "exe", "file"], 1024),
            commands: Cache::new("command", &["words", "truncated"], 2048),
            places: Cache::new("place", &["cgroup", "unit", "container"], 1024),
        }
    }

    /// Takes in what the tables hold; what was known before is forgotten.
    pub(crate) fn warm(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.boots.clear();
        self.programs.warm(db)?;
        self.commands.warm(db)?;
        self.places.warm(db)
    }

    /// Deletes shared rows that no record from `oldest` on points to.
    pub(crate) fn sweep(&mut self, db: &Connection, oldest: i64) -> rusqlite::Result<()> {
        for cache in [&mut self.programs, &mut self.commands, &mut self.places] {
            cache.sweep(db, oldest)?;
        }
        Ok(())
    }

    /// Writes `record` under this id.
    pub(crate) fn record(
        &mut self,
        db: &Connection,
        id: i64,
        record: &ExitRecord,
    ) -> rusqlite::Result<()> {
        let boot = record
            .token
            .boot_id()
            .map(|boot| self.boot(db, boot))
            .transpose()?;
        let program = self.program(db, id, &record.comm, record.exe.as_deref())?;
        let command = self.command(db, id, record)?;
        let place = self.place(db, id, record)?;
        let parent_comm = record.parent.as_ref().and_then(|it| it.comm.as_deref());
        let parent = parent_comm
            .map(|comm| self.program(db, id, comm, None))
            .transpose()?;
        let pid = record.pid();
        let inode = record.token.inode();
        let ticks = match inode {
            Some(_) => record.start_ticks,
            None => record.token.start_ticks(),
        };
        let usage = &record.usage;
        let count = |count: Option<u64>| count.map(count_value);

        let mut row = db.prepare_cached(INSERT)?;
        let mut row = Binder(&mut row, 0);
        row.put(id)?
            .put(record.ended.unix_ns)?
            .put(boot)?
            .put(pid)?;
        row.put(inode.map(u64::cast_signed))?;
        row.put(ticks.map(u64::cast_signed))?;
        match record.outcome {
            Outcome::Unknown { .. } => row.put(outcome_value(record.outcome))?,
            known => row.put(known.to_wait_status())?,
        };
        row.put(program)?.put(command)?.put(place)?;
        row.put(record.uid)?.put(record.gid)?;
        row.put(record.parent.as_ref().map(|parent| parent.pid))?;
        row.put(parent)?;
        row.put(record.started.map(|started| started.unix_ns))?;
        row.put(count(record.runtime_ns))?;
        row.put(count(usage.cpu_user_ns))?;
        row.put(count(usage.cpu_system_ns))?;
        row.put(count(usage.max_rss_bytes))?;
        row.put(count(usage.read_bytes))?;
        row.put(count(usage.write_bytes))?;
        row.put(count(usage.voluntary_switches))?;
        row.put(count(usage.involuntary_switches))?;
        row.put(record.namespace_init)?;
        row.0.raw_execute()?;

        if let Some(killer) = &record.killer {
            self.killer(db, id, killer)?;
        }
        if let Some(oom) = &record.oom {
            insert_oom(db, id, oom)?;
        }
        Ok(())
    }

    fn killer(&mut self, db: &Connection, id: i64, killer: &Killer) -> rusqlite::Result<()> {
        let program = self.program(db, id, &killer.comm, killer.exe.as_deref())?;
        let chain = chain_text(&killer.chain);
        let mut row =
            db.prepare_cached("INSERT INTO killer VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
        let mut row = Binder(&mut row, 0);
        row.put(id)?
            .put(killer.pid)?
            .put(program)?
            .put(killer.uid)?;
        row.put(killer.unit.as_deref())?;
        row.put(killer.signal.number())?.put(killer.code)?;
        row.put(Text(&chain))?;
        row.0.raw_execute().map(drop)
    }

    fn boot(&mut self, db: &Connection, boot: BootId) -> rusqlite::Result<i64> {
        if let Some(id) = self.boots.get(&boot) {
            return Ok(*id);
        }
        let text = boot.to_string();
        db.execute("INSERT OR IGNORE INTO boot (boot_id) VALUES (?1)", [&text])?;
        let id = db.query_row("SELECT id FROM boot WHERE boot_id = ?1", [&text], |row| {
            row.get(0)
        })?;
        self.boots.insert(boot, id);
        Ok(id)
    }

    fn program(
        &mut self,
        db: &Connection,
        id: i64,
        comm: &std::ffi::OsStr,
        exe: Option<&std::ffi::OsStr>,
    ) -> rusqlite::Result<i64> {
        let file = exe.map(file_name).filter(|file| *file != comm);
        let values = [
            Some(Text(comm.as_bytes())),
            exe.map(|exe| Text(exe.as_bytes())),
            file.map(|file| Text(file.as_bytes())),
        ];
        self.programs.row(db, &values, id)
    }

    fn command(
        &mut self,
        db: &Connection,
        id: i64,
        record: &ExitRecord,
    ) -> rusqlite::Result<Option<i64>> {
        let Some(argv) = &record.argv else {
            return Ok(None);
        };
        let (words, truncated) = command_text(argv, COMMAND_BYTES_MAX);
        let truncated: Option<&[u8]> = truncated.then_some(b"yes");
        let values = [Some(Text(&words)), truncated.map(Text)];
        self.commands.row(db, &values, id).map(Some)
    }

    fn place(
        &mut self,
        db: &Connection,
        id: i64,
        record: &ExitRecord,
    ) -> rusqlite::Result<Option<i64>> {
        let place = &record.place;
        let values = [
            place.cgroup.as_ref().map(|it| Text(it.as_bytes())),
            place.unit.as_ref().map(|it| Text(it.as_bytes())),
            place.container.as_ref().map(|it| Text(it.as_bytes())),
        ];
        if values.iter().all(Option::is_none) {
            return Ok(None);
        }
        self.places.row(db, &values, id).map(Some)
    }
}

fn insert_oom(db: &Connection, id: i64, oom: &Oom) -> rusqlite::Result<()> {
    let mut row = db.prepare_cached("INSERT INTO oom VALUES (?1, ?2, ?3)")?;
    let mut row = Binder(&mut row, 0);
    row.put(id)?.put(oom.scope.as_str())?;
    row.put(oom.cgroup.as_ref().map(|cgroup| Text(cgroup.as_bytes())))?;
    row.0.raw_execute().map(drop)
}

/// Writes a gap behind the record `behind`, or makes the last one longer.
///
/// Two gaps of one cause that are so near that a record between them is in the vicinity of both
/// are one: nothing that can be asked tells them apart.
pub(crate) fn gap(db: &Connection, gap: &Gap, behind: i64, stored_ns: i64) -> rusqlite::Result<()> {
    let near_ns = 2 * crate::history::VICINITY_NS;
    let find = "SELECT id FROM gap WHERE id = (SELECT max(id) FROM gap) AND cause = ?1
        AND first <= ?2 AND last + ?3 >= ?2";
    let neighbour: Vec<i64> = db
        .prepare_cached(find)?
        .query_map((gap.cause.as_str(), gap.from.unix_ns, near_ns), |row| {
            row.get(0)
        })?
        .collect::<Result<_, _>>()?;
    let lost = gap.lost.map(count_value);
    if let Some(id) = neighbour.first() {
        let sql = "UPDATE gap SET last = max(last, ?2), lost = lost + ?3, behind = ?4, stored = ?5
            WHERE id = ?1";
        db.prepare_cached(sql)?
            .execute((id, gap.to.unix_ns, lost, behind, stored_ns))?;
        return Ok(());
    }
    let sql = "INSERT INTO gap (first, last, lost, cause, behind, stored)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    db.prepare_cached(sql)?
        .execute((
            gap.from.unix_ns,
            gap.to.unix_ns,
            lost,
            gap.cause.as_str(),
            behind,
            stored_ns,
        ))
        .map(drop)
}

/// Binds values in order.
struct Binder<'row, 'db>(&'row mut Statement<'db>, usize);

impl Binder<'_, '_> {
    fn put(&mut self, value: impl rusqlite::ToSql) -> rusqlite::Result<&mut Self> {
        self.1 += 1;
        self.0.raw_bind_parameter(self.1, value)?;
        Ok(self)
    }
}
