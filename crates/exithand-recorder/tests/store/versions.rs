//! Stores of other versions.

use std::fs;

use exithand_recorder::store::{Notice, Retention, Store, StoreError, StoreWriter};
use rusqlite::Connection;

use crate::support::{Folder, plain, plains};

/// What version 1 was: a store as it wrote it, with one exit.
const VERSION_1: &str = include_str!("version-1.sql");

#[test]
fn an_older_store_is_brought_up_to_date() {
    let folder = Folder::new();
    let db = Connection::open(folder.store()).unwrap();
    db.execute_batch(VERSION_1).unwrap();
    drop(db);
    let refused = Store::open(&folder.store()).unwrap_err();
    assert!(
        matches!(refused, StoreError::Older { found: 1, .. }),
        "{refused}"
    );

    let mut writer = folder.writer();
    let notices = writer.take_notices();
    let [Notice::Migrated { from: 1, .. }] = notices.as_slice() else {
        panic!("{notices:?}");
    };
    writer.append(&plains(1..3)).unwrap();
    let records = folder.all().records;
    assert_eq!(records, [plain(0), plain(1), plain(2)]);
    writer.end(plain(3).ended).unwrap();
    assert_eq!(folder.writer().take_notices(), [], "done once");
}

#[test]
fn a_newer_store_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    writer.append(&plains(0..10)).unwrap();
    writer.end(plain(10).ended).unwrap();
    let db = Connection::open(folder.store()).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    fs::remove_file(folder.0.path().join("history.db.lock")).unwrap();
    let before = fs::read(folder.store()).unwrap();

    let refused = StoreWriter::open(&folder.store(), Retention::default()).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found: 99, .. }));
    let text = refused.to_string();
    assert!(
        text.contains("99") && text.contains("update exithand"),
        "{text}"
    );
    let refused = Store::open(&folder.store()).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found: 99, .. }));
    assert_eq!(fs::read(folder.store()).unwrap(), before);
    assert_eq!(
        fs::read_dir(folder.0.path()).unwrap().count(),
        1,
        "no new files"
    );
}
