//! Files that are not what they should be.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use exithand_recorder::WallTime;
use exithand_recorder::keeper::Say;
use exithand_recorder::kept::Kept;
use exithand_recorder::store::{
    Access, Notice, Retention, Store, StoreError, StoreWriter, set_access,
};

use crate::support::{Folder, plains};

fn overwrite(path: &Path, from: u64, bytes: usize) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&vec![0xa5; bytes], from).unwrap();
}

fn filled(count: u32) -> Folder {
    let folder = Folder::new();
    let mut writer = folder.writer();
    writer.append(&plains(0..count)).unwrap();
    drop(writer);
    folder
}

fn aside(folder: &Folder) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.0.path()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_str().unwrap().contains(".damaged-"))
        .collect()
}

#[test]
fn a_damaged_store_is_set_aside_and_a_new_one_begun() {
    for (what, from, bytes) in [
        ("its beginning", 0, 100),
        ("its tables", 100, 4000),
        ("its middle", 200_000, 50_000),
    ] {
        let folder = filled(5000);
        overwrite(&folder.store(), from, bytes);
        let before = fs::read(folder.store()).unwrap();
        let mut writer = folder.writer();
        let notices = writer.take_notices();
        let [Notice::SetAside { now, .. }] = notices.as_slice() else {
            panic!("{what}: {notices:?}");
        };
        assert!(notices[0].to_string().contains(" is damaged ("), "{what}");
        assert_eq!(fs::read(now).unwrap(), before, "{what}");
        assert_eq!(writer.take_notices(), [], "said once");
        writer.append(&plains(0..7)).unwrap();
        assert_eq!(folder.all().records.len(), 7, "{what}");
    }
}

#[test]
fn damage_that_shows_later_loses_no_new_record() {
    let folder = filled(5000);
    let mut writer = folder.writer();
    assert_eq!(writer.take_notices(), []);
    let gid = fs::metadata(folder.store()).unwrap().gid();
    set_access(&folder.store(), Access::Group(gid)).unwrap();
    let reader = folder.reader();
    let length = fs::metadata(folder.store()).unwrap().len();
    // All but the first page; and more records than the writer keeps pages in memory.
    overwrite(
        &folder.store(),
        4096,
        usize::try_from(length).unwrap() - 4096,
    );
    let mut number = 5000;
    while aside(&folder).is_empty() {
        writer.append(&plains(number..number + 1000)).unwrap();
        number += 1000;
        assert!(number < 200_000, "the damage never showed");
    }
    assert_eq!(writer.take_notices().len(), 1);
    writer.append(&plains(number..number + 10)).unwrap();
    let newest = folder.all().records.pop().unwrap();
    assert_eq!(newest, crate::support::plain(number + 9));
    let mode = fs::metadata(folder.store()).unwrap().mode();
    assert_eq!(mode & 0o777, 0o640, "who could read it still can");
    // Who had the old file open sees the new one.
    let query = crate::support::oldest_first(exithand_recorder::Filter::default());
    let seen = exithand_recorder::History::query(&reader, &query).unwrap();
    assert_eq!(seen.records.last(), Some(&newest));
}

#[test]
fn damage_that_shows_later_is_said_to_the_administrator() {
    let folder = filled(5000);
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let say: Say = Arc::new(move |text| heard.lock().unwrap().push(text.to_owned()));
    let kept = Kept {
        path: folder.store(),
        retention: Retention::default(),
        access: Access::Owner,
        since: WallTime::now(),
    };
    let mut keep = kept.open(&say).unwrap();
    assert!(said.lock().unwrap().is_empty());
    let length = fs::metadata(folder.store()).unwrap().len();
    let behind_the_first_page = usize::try_from(length).unwrap() - 4096;
    overwrite(&folder.store(), 4096, behind_the_first_page);
    let mut number = 5000;
    while aside(&folder).is_empty() {
        keep.append(&plains(number..number + 1000)).unwrap();
        number += 1000;
        assert!(number < 200_000, "the damage never showed");
    }
    let said = said.lock().unwrap().clone();
    assert!(said[0].contains(" is damaged ("), "{said:?}");
    assert!(said[0].contains("set aside as "), "{said:?}");
    assert_eq!(said.len(), 1, "{said:?}");
    keep.end().unwrap();
}

#[test]
fn what_was_never_a_history_is_left_alone() {
    let folder = Folder::new();
    fs::write(folder.store(), "somebody's letters").unwrap();
    let refused = StoreWriter::open(&folder.store(), Retention::default()).unwrap_err();
    assert!(matches!(refused, StoreError::Foreign { .. }), "{refused}");
    let refused = Store::open(&folder.store()).unwrap_err();
    assert!(matches!(refused, StoreError::Foreign { .. }), "{refused}");

    let other = folder.0.path().join("other.db");
    let db = rusqlite::Connection::open(&other).unwrap();
    db.execute_batch("CREATE TABLE letters (text)").unwrap();
    drop(db);
    let before = fs::read(&other).unwrap();
    let refused = StoreWriter::open(&other, Retention::default()).unwrap_err();
    assert!(matches!(refused, StoreError::Foreign { .. }), "{refused}");
    assert_eq!(fs::read(&other).unwrap(), before);
    assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 2);
}

#[test]
fn a_reader_names_the_damage_and_the_remedy() {
    let folder = filled(5000);
    overwrite(&folder.store(), 0, 100);
    let refused = Store::open(&folder.store()).unwrap_err();
    assert!(refused.to_string().contains("sets it aside"), "{refused}");
    let absent = Store::open(&folder.0.path().join("none.db")).unwrap_err();
    assert!(absent.to_string().contains("`exithand record`"), "{absent}");
}
