//! What was taken survives.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use exithand_recorder::store::{Retention, StoreWriter};
use exithand_testkit::{Apart, play_apart, say, test_name};
use rusqlite::Connection;

use crate::support::{Folder, plains};

const STORE: &str = "EXITHAND_TEST_STORE";
const TOLD: &str = "EXITHAND_TEST_TOLD";
const FROM: &str = "EXITHAND_TEST_FROM";

#[test]
fn a_recorder_that_is_killed_loses_nothing_that_was_taken() {
    if play_apart(test_name!(), write_for_ever) {
        return;
    }
    let folder = Folder::new();
    let told = folder.0.path().join("told");
    let mut taken = 0;
    for round in 0..12_u64 {
        let prepare = |mut command: Command| {
            command.env(STORE, folder.store()).env(TOLD, &told);
            command.env(FROM, taken.to_string());
            command
        };
        let mut child = Apart::start(test_name!(), prepare);
        // At another place of a batch each time.
        child.hear(&format!("batch {}", 1 + round * 3 % 11));
        // Kills it, and waits for its end.
        drop(child);

        let promised = std::fs::read(&told).unwrap().len() * 100 + taken;
        std::fs::remove_file(&told).unwrap();
        let db = Connection::open(folder.store()).unwrap();
        let verdict: String = db
            .query_row("PRAGMA integrity_check", (), |row| row.get(0))
            .unwrap();
        assert_eq!(verdict, "ok", "round {round}");
        let count: i64 = db
            .query_row("SELECT count(*) FROM exit", (), |row| row.get(0))
            .unwrap();
        let count = usize::try_from(count).unwrap();
        assert!(count >= promised, "round {round}: {count} of {promised}");
        assert!(
            count <= promised + 100,
            "round {round}: {count} of {promised}"
        );
        taken = count;
    }
    let records = folder.all().records;
    let expected = (0..u32::try_from(taken).unwrap()).map(crate::support::plain);
    assert!(records.into_iter().eq(expected), "each once, in order");
}

/// Appends batches of a hundred, and writes a byte to a file after each.
fn write_for_ever() {
    let variable = |name| std::env::var_os(name).unwrap();
    let path = PathBuf::from(variable(STORE));
    let mut told = std::fs::File::create(variable(TOLD)).unwrap();
    let from: u32 = variable(FROM).to_str().unwrap().parse().unwrap();
    let mut writer = StoreWriter::open(&path, Retention::default()).unwrap();
    // Bounded, should nobody kill it.
    for batch in 0..5_000 {
        let first = from + batch * 100;
        writer.append(&plains(first..first + 100)).unwrap();
        told.write_all(b".").unwrap();
        say(&format!("batch {batch}"));
    }
}
