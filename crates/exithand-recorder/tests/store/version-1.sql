-- A store as version 1 wrote it, with the first of the plain records.
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
BEGIN;
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
INSERT INTO meta VALUES ('next', 2), ('alive', 1800000000000000000), ('age', 1800000000000000000);
INSERT INTO boot VALUES (1, '0f3c1b2a-4d5e-4f60-8a7b-0c1d2e3f4a5b');
INSERT INTO signal VALUES (9, 'KILL');
INSERT INTO program VALUES (1, 1, 'worker-0', '/usr/bin/worker-0', NULL);
INSERT INTO program VALUES (2, 1, 'systemd', NULL, NULL);
INSERT INTO command VALUES (1, 1, 'worker --job=0', NULL);
INSERT INTO place VALUES (1, 1, '/system.slice/job-0.service', 'job-0.service', NULL);
INSERT INTO exit VALUES (1, 1800000000000000000, 1, 1, 10000, 0, 256, 1, 1, 1, 1000, 1000, 1, 2,
    1799999999994876544, 5123456, 1234567, 987654, 2867200, 0, 8192, 3, 1, 0);
INSERT INTO span VALUES (1, 1, 1800000000000000000, 1800000000000000000, 1800000000000000000);
PRAGMA application_id = 1702390132;
PRAGMA user_version = 1;
COMMIT;
