//! The tables, and how they came to be what they are.

use exithand::Signal;
use rusqlite::{Connection, TransactionBehavior};

/// The version this program writes: the number of [`STEPS`].
pub(crate) const VERSION: i64 = 2;
/// Says in the file's header that it is a history: "exit".
pub(crate) const APPLICATION_ID: u32 = 0x6578_6974;

/// What brings a store from version N to N + 1. A step that was released never changes.
pub(crate) const STEPS: [&str; 2] = [TABLES, QUERIES];

/// `keep`: records up to this id may point to the row. `behind`: the last record before the gap.
/// `stored`: when the row was written, by the clock that tells its age.
const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE boot (id INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE);
CREATE TABLE signal (number INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE program (id INTEGER PRIMARY KEY, keep INTEGER NOT NULL, comm NOT NULL, exe, file);
CREATE TABLE command (id INTEGER PRIMARY KEY, keep INTEGER NOT NULL, words NOT NULL, truncated);
CREATE TABLE place (id INTEGER PRIMARY KEY, keep INTEGER NOT NULL, cgroup, unit, container);
CREATE TABLE exit (
    id INTEGER PRIMARY KEY,
    ended INTEGER NOT NULL,
    boot INTEGER,
    pid INTEGER,
    inode INTEGER,
    ticks INTEGER,
    outcome NOT NULL,
    program INTEGER NOT NULL,
    command INTEGER,
    place INTEGER,
    uid INTEGER,
    gid INTEGER,
    ppid INTEGER,
    parent INTEGER,
    started INTEGER,
    runtime INTEGER,
    cpu_user INTEGER,
    cpu_system INTEGER,
    max_rss INTEGER,
    read_bytes INTEGER,
    write_bytes INTEGER,
    voluntary INTEGER,
    involuntary INTEGER,
    namespace_init INTEGER NOT NULL
);
CREATE TABLE killer (
    exit INTEGER PRIMARY KEY,
    pid INTEGER NOT NULL,
    program INTEGER NOT NULL,
    uid INTEGER,
    unit,
    signal INTEGER NOT NULL,
    code INTEGER NOT NULL,
    chain NOT NULL
);
CREATE TABLE oom (exit INTEGER PRIMARY KEY, scope TEXT NOT NULL, cgroup);
CREATE TABLE gap (
    id INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    lost INTEGER,
    cause TEXT NOT NULL,
    behind INTEGER NOT NULL,
    stored INTEGER NOT NULL
);
CREATE TABLE span (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    oldest INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    stored INTEGER NOT NULL
);
CREATE INDEX exit_pid ON exit (pid);
CREATE INDEX exit_inode ON exit (inode) WHERE inode IS NOT NULL;
CREATE INDEX exit_program ON exit (program);
CREATE INDEX exit_place ON exit (place) WHERE place IS NOT NULL;
CREATE INDEX program_keep ON program (keep);
CREATE INDEX command_keep ON command (keep);
CREATE INDEX place_keep ON place (keep);
CREATE INDEX program_comm ON program (comm);
CREATE INDEX program_file ON program (file) WHERE file IS NOT NULL;
CREATE INDEX place_unit ON place (unit) WHERE unit IS NOT NULL;
CREATE INDEX place_container ON place (container) WHERE container IS NOT NULL;
";

/// What is not an exit with status 0, by time; and what people read.
const QUERIES: &str = "
CREATE INDEX exit_failed ON exit (id, outcome) WHERE outcome <> 0;
CREATE VIEW exits AS SELECT
    exit.id AS id,
    strftime('%Y-%m-%dT%H:%M:%fZ', exit.ended / 1e9, 'unixepoch') AS ended,
    exit.pid AS pid,
    CAST(program.comm AS TEXT) AS name,
    CASE
        WHEN typeof(exit.outcome) = 'text' THEN 'unknown: ' || exit.outcome
        WHEN exit.outcome & 127 = 0 THEN 'exited ' || (exit.outcome >> 8)
        ELSE 'killed ' || signal.number || ' ' || signal.name
            || iif(exit.outcome & 128, ' core', '')
    END AS outcome,
    exit.runtime / 1e9 AS runtime_s,
    CAST(place.unit AS TEXT) AS unit,
    place.container AS container,
    exit.uid AS uid,
    exit.gid AS gid,
    CAST(program.exe AS TEXT) AS exe,
    CAST(command.words AS TEXT) AS command,
    command.truncated AS command_truncated,
    CAST(place.cgroup AS TEXT) AS cgroup,
    exit.ppid AS ppid,
    CAST(parent.comm AS TEXT) AS parent,
    strftime('%Y-%m-%dT%H:%M:%fZ', exit.started / 1e9, 'unixepoch') AS started,
    exit.cpu_user / 1e9 AS cpu_user_s,
    exit.cpu_system / 1e9 AS cpu_system_s,
    exit.max_rss AS max_rss_bytes,
    exit.read_bytes AS read_bytes,
    exit.write_bytes AS write_bytes,
    exit.voluntary AS voluntary_switches,
    exit.involuntary AS involuntary_switches,
    killer.pid AS killer_pid,
    CAST(killing.comm AS TEXT) AS killer,
    killer.uid AS killer_uid,
    CAST(killing.exe AS TEXT) AS killer_exe,
    CAST(killer.unit AS TEXT) AS killer_unit,
    killer.signal AS killer_signal,
    killer.code AS killer_code,
    CAST(killer.chain AS TEXT) AS killer_parents,
    oom.scope AS oom,
    CAST(oom.cgroup AS TEXT) AS oom_cgroup,
    iif(exit.namespace_init, 'yes', NULL) AS namespace_init,
    ifnull(exit.pid, 0) || iif(exit.inode IS NULL, '~' || exit.ticks, ':' || exit.inode) AS token,
    boot.boot_id AS boot_id,
    exit.ended AS ended_ns
FROM exit
LEFT JOIN boot ON boot.id = exit.boot
LEFT JOIN program ON program.id = exit.program
LEFT JOIN command ON command.id = exit.command
LEFT JOIN place ON place.id = exit.place
LEFT JOIN program AS parent ON parent.id = exit.parent
LEFT JOIN signal ON signal.number = exit.outcome & 127 AND typeof(exit.outcome) = 'integer'
LEFT JOIN killer ON killer.exit = exit.id
LEFT JOIN program AS killing ON killing.id = killer.program
LEFT JOIN oom ON oom.exit = exit.id;
CREATE VIEW gaps AS SELECT
    strftime('%Y-%m-%dT%H:%M:%fZ', first / 1e9, 'unixepoch') AS \"from\",
    strftime('%Y-%m-%dT%H:%M:%fZ', last / 1e9, 'unixepoch') AS \"to\",
    lost,
    cause,
    first AS from_ns,
    last AS to_ns
FROM gap;
";

/// Reads the store's version; 0 for a file with nothing in it.
pub(crate) fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", (), |row| row.get(0))
}

/// Brings the store from the version it has to `goal`, each step wholly or not at all.
pub(crate) fn migrate(db: &mut Connection, goal: i64) -> rusqlite::Result<()> {
    let mut reached = version(db)?;
    if reached == 0 {
        // Takes effect on an empty file only, before the first table.
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    for (step, target) in STEPS.iter().zip(1..=goal) {
        if target <= reached {
            continue;
        }
        let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change.execute_batch(step)?;
        if target == 1 {
            change.pragma_update(None, "application_id", APPLICATION_ID)?;
            let mut insert = change.prepare("INSERT INTO signal (number, name) VALUES (?1, ?2)")?;
            for signal in (1..=64).filter_map(Signal::from_number) {
                insert.execute((signal.number(), signal.name()))?;
            }
        }
        change.pragma_update(None, "user_version", target)?;
        change.commit()?;
        reached = target;
    }
    Ok(())
}

/// Reads a number that the store keeps about itself.
pub(crate) fn meta(db: &Connection, key: &str) -> rusqlite::Result<Option<i64>> {
    let mut statement = db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    let mut rows = statement.query([key])?;
    rows.next()?.map(|row| row.get(0)).transpose()
}

/// Writes such a number.
pub(crate) fn set_meta(db: &Connection, key: &str, value: i64) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
        .execute((key, value))
        .map(drop)
}
