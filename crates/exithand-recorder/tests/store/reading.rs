//! Who may read and write, and when.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

use exithand_recorder::store::{Access, Retention, Store, StoreError, StoreWriter, set_access};
use exithand_recorder::{Filter, History};
use exithand_testkit::{Apart, Need, User, need, play_apart, run_as, run_isolated, test_name};

use crate::support::{Folder, oldest_first, plains};

fn count(store: &Store) -> usize {
    let answer = store.query(&oldest_first(Filter::default()));
    answer.unwrap().records.len()
}

#[test]
fn readers_read_while_the_recorder_writes() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    writer.append(&plains(0..1)).unwrap();
    let reader = folder.reader();
    for number in 1..20 {
        assert_eq!(count(&reader), usize::try_from(number).unwrap());
        writer.append(&plains(number..number + 1)).unwrap();
    }
    writer.end(crate::support::at(0)).unwrap();
    assert_eq!(count(&reader), 20);
    assert_eq!(count(&folder.reader()), 20, "when no recorder runs");
}

#[test]
fn a_second_recorder_is_refused_and_told_who_is_first() {
    let folder = Folder::new();
    let first = folder.writer();
    let refused = StoreWriter::open(&folder.store(), Retention::default()).unwrap_err();
    let me = std::process::id();
    assert!(matches!(&refused, StoreError::Locked { pid: Some(pid), .. } if *pid == me));
    assert!(
        refused.to_string().contains(&format!("pid {me}")),
        "{refused}"
    );
    drop(first);
    drop(folder.writer());
}

#[test]
fn a_store_is_its_owners_unless_a_group_is_named() {
    let folder = Folder::new();
    let mut writer = folder.writer();
    writer.append(&plains(0..10)).unwrap();
    let files = ["", "-wal", "-shm", ".lock"]
        .map(|suffix| PathBuf::from(format!("{}{suffix}", folder.store().display())));
    let modes = || {
        files
            .each_ref()
            .map(|file| fs::metadata(file).unwrap().mode() & 0o777)
    };
    assert_eq!(modes(), [0o600; 4]);
    let gid = rustix::process::getgid().as_raw();
    set_access(&folder.store(), Access::Group(gid)).unwrap();
    assert_eq!(modes(), [0o640; 4]);
    assert!(
        files
            .iter()
            .all(|file| fs::metadata(file).unwrap().gid() == gid)
    );
    set_access(&folder.store(), Access::Owner).unwrap();
    assert_eq!(modes(), [0o600; 4]);
}

const STORE: &str = "EXITHAND_TEST_STORE";

/// Opens the store that the outer test names.
fn named() -> Result<Store, StoreError> {
    Store::open(&PathBuf::from(std::env::var_os(STORE).unwrap()))
}

#[test]
fn a_member_of_the_group_reads_a_store_of_root() {
    if play_apart(test_name!(), || assert_eq!(count(&named().unwrap()), 10)) {
        return;
    }
    need!(Need::OtherUsers);
    let folder = Folder::new();
    fs::set_permissions(folder.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut writer = folder.writer();
    writer.append(&plains(0..10)).unwrap();
    let as_nobody = |mut command: Command| {
        command.env(STORE, folder.store());
        run_as(User::NOBODY, command)
    };
    set_access(&folder.store(), Access::Group(User::NOBODY.gid)).unwrap();
    // While the recorder runs, and after it has gone and taken the log along.
    Apart::start(test_name!(), as_nobody).finish();
    writer.end(crate::support::at(0)).unwrap();
    Apart::start(test_name!(), as_nobody).finish();
}

#[test]
fn a_stranger_reads_nothing_and_is_told_why() {
    let body = || {
        let refused = named().unwrap_err();
        assert!(matches!(refused, StoreError::Denied { .. }), "{refused}");
        assert!(refused.to_string().contains("--details"), "{refused}");
    };
    if play_apart(test_name!(), body) {
        return;
    }
    need!(Need::OtherUsers);
    let folder = Folder::new();
    fs::set_permissions(folder.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut writer = folder.writer();
    writer.append(&plains(0..10)).unwrap();
    let as_stranger = |mut command: Command| {
        command.env(STORE, folder.store());
        run_as(User::STRANGER, command)
    };
    Apart::start(test_name!(), as_stranger).finish();
}

#[test]
fn a_read_only_file_system_is_read() {
    run_isolated(test_name!(), || {
        let folder = Folder::new();
        let mount = |options: &str| {
            let mut command = Command::new("mount");
            command
                .args(["-t", "tmpfs", "-o", options, "none"])
                .arg(folder.0.path());
            assert!(command.status().unwrap().success());
        };
        mount("size=16m");
        let mut writer = folder.writer();
        writer.append(&plains(0..10)).unwrap();
        writer.end(crate::support::at(0)).unwrap();
        let remount = |options: &str| {
            let mut command = Command::new("mount");
            command.args(["-o", options]).arg(folder.0.path());
            assert!(command.status().unwrap().success());
        };
        remount("remount,ro");
        assert_eq!(count(&folder.reader()), 10);
        let refused = StoreWriter::open(&folder.store(), Retention::default()).unwrap_err();
        assert!(
            matches!(refused, StoreError::ReadOnly { .. }),
            "{refused:?}"
        );
        assert!(refused.to_string().contains("--store"), "{refused}");
        // Written again while somebody reads it as if nobody could.
        let reader = folder.reader();
        remount("remount,rw");
        let mut writer = folder.writer();
        writer.append(&plains(10..20)).unwrap();
        assert_eq!(count(&reader), 20);
    });
}
