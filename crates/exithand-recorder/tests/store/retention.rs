//! What is forgotten, and what is not.

use std::fs;
use std::path::Path;
use std::time::Duration;

use exithand_recorder::store::{Retention, StoreError, StoreWriter};
use exithand_recorder::{Filter, History, LossCause};

use crate::support::{FakeClock, Folder, at, exits, oldest_first, plain, plains};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

fn writer(folder: &Folder, clock: &FakeClock, retention: Retention) -> StoreWriter {
    StoreWriter::open_at(&folder.store(), retention, Box::new(clock.clone())).unwrap()
}

fn bytes(path: &Path) -> u64 {
    ["", "-wal", "-shm"]
        .iter()
        .filter_map(|suffix| fs::metadata(format!("{}{suffix}", path.display())).ok())
        .map(|meta| meta.len())
        .sum()
}

/// Records a thousand exits now.
fn record(writer: &mut StoreWriter, clock: &FakeClock, first: u32) {
    let records: Vec<_> = (first..first + 1024)
        .map(|number| {
            let mut record = plain(number);
            record.ended = clock.wall();
            record
        })
        .collect();
    writer.append(&exits(&records)).unwrap();
}

fn numbers(folder: &Folder) -> Vec<u64> {
    let records = folder.all().records;
    let numbers = records
        .iter()
        .map(|record| record.token.inode().unwrap() - 10_000);
    numbers
        .filter(|number| number.is_multiple_of(1024))
        .collect()
}

#[test]
fn what_is_too_old_is_forgotten() {
    let folder = Folder::new();
    let clock = FakeClock::new();
    let mut writer = writer(&folder, &clock, Retention::default());
    for day in 0..20 {
        record(&mut writer, &clock, day * 1024);
        clock.pass(DAY);
    }
    writer.mark_alive(clock.wall()).unwrap();
    // Those of the last 14 days, to the day.
    let kept: Vec<u64> = (6..20).map(|day| day * 1024).collect();
    assert_eq!(numbers(&folder), kept);
}

#[test]
fn a_clock_that_jumps_makes_nothing_old() {
    let folder = Folder::new();
    let clock = FakeClock::new();
    let mut open = writer(&folder, &clock, Retention::default());
    for hour in 0..5 {
        record(&mut open, &clock, hour * 1024);
        clock.pass(HOUR);
    }
    let good = clock.wall();
    // Ten years ahead, then at the beginning of time, each through a restart too.
    for (round, bad) in [good.unix_ns + 10 * 365 * 86_400_000_000_000, 0]
        .into_iter()
        .enumerate()
    {
        let round = u32::try_from(round).unwrap();
        clock.set_wall(at(bad));
        record(&mut open, &clock, (5 + 2 * round) * 1024);
        drop(open);
        open = writer(&folder, &clock, Retention::default());
        record(&mut open, &clock, (6 + 2 * round) * 1024);
    }
    clock.set_wall(good);
    clock.pass(HOUR);
    record(&mut open, &clock, 9 * 1024);
    let all: Vec<u64> = (0..10).map(|number| number * 1024).collect();
    assert_eq!(numbers(&folder), all, "in the order of their ends");

    // In time they all go.
    for _ in 0..15 {
        clock.pass(DAY);
        open.mark_alive(clock.wall()).unwrap();
    }
    assert!(numbers(&folder).is_empty());
}

#[test]
fn a_machine_that_was_off_for_a_month_forgets_a_day_later() {
    let folder = Folder::new();
    let clock = FakeClock::new();
    let mut open = writer(&folder, &clock, Retention::default());
    record(&mut open, &clock, 0);
    drop(open);
    clock.set_wall(at(clock.wall().unix_ns + 30 * 86_400_000_000_000));
    let mut open = writer(&folder, &clock, Retention::default());
    record(&mut open, &clock, 1024);
    assert_eq!(numbers(&folder), [0, 1024]);
    for _ in 0..25 {
        clock.pass(HOUR);
        open.mark_alive(clock.wall()).unwrap();
    }
    assert_eq!(numbers(&folder), [1024]);
}

#[test]
fn the_files_never_take_more_than_they_may() {
    let folder = Folder::new();
    let retention = Retention {
        max_bytes: 8 << 20,
        ..Retention::default()
    };
    let mut writer = StoreWriter::open(&folder.store(), retention).unwrap();
    let mut most = 0;
    for batch in 0..100 {
        writer
            .append(&plains(batch * 1000..(batch + 1) * 1000))
            .unwrap();
        most = most.max(bytes(&folder.store()));
    }
    assert!(most <= 8 << 20, "{most} bytes");
    let records = folder.all().records;
    assert_eq!(records.last(), Some(&plain(99_999)));
    assert!(records.len() > 15_000, "only {} kept", records.len());
    let first = u32::try_from(100_000 - records.len()).unwrap();
    assert!(
        records.into_iter().eq((first..100_000).map(plain)),
        "the newest"
    );
    drop(writer);

    // A lower limit is kept to as well, and the room given back.
    let retention = Retention {
        max_bytes: 4 << 20,
        ..retention
    };
    let mut writer = StoreWriter::open(&folder.store(), retention).unwrap();
    for number in 0..20 {
        writer
            .append(&plains(100_000 + number..100_001 + number))
            .unwrap();
    }
    let now = bytes(&folder.store());
    assert!(now <= 4 << 20, "{now} bytes");
}

#[test]
fn a_plain_record_takes_less_than_250_bytes() {
    const COUNT: u32 = 50_000;
    let folder = Folder::new();
    let mut writer = StoreWriter::open(&folder.store(), Retention::default()).unwrap();
    writer.append(&plains(0..COUNT)).unwrap();
    writer.end(plain(COUNT).ended).unwrap();
    let each = bytes(&folder.store()) / u64::from(COUNT);
    assert!(each < 250, "{each} bytes");
}

#[test]
fn command_lines_that_are_all_different_go_with_their_records() {
    let folder = Folder::new();
    let retention = Retention {
        max_bytes: 6 << 20,
        ..Retention::default()
    };
    let mut writer = StoreWriter::open(&folder.store(), retention).unwrap();
    let mut most = 0;
    for number in 0..1200 {
        let mut record = plain(number);
        // A flood of large ones.
        let word = format!("{number:065535}");
        record.argv.as_mut().unwrap().words = vec![word.into()];
        writer.append(&exits(&[record])).unwrap();
        most = most.max(bytes(&folder.store()));
    }
    assert!(most <= 6 << 20, "{most} bytes");
    let newest = folder.all().records.pop().unwrap();
    assert!(newest.argv.unwrap().truncated);
}

#[test]
fn a_reader_that_never_ends_does_not_let_the_store_grow() {
    let folder = Folder::new();
    let retention = Retention {
        max_bytes: 4 << 20,
        ..Retention::default()
    };
    let mut writer = StoreWriter::open(&folder.store(), retention).unwrap();
    writer.append(&plains(0..1000)).unwrap();
    let mut reader = rusqlite::Connection::open(folder.store()).unwrap();
    let look = reader.transaction().unwrap();
    let count = |db: &rusqlite::Connection| -> i64 {
        db.query_row("SELECT count(*) FROM exit", (), |row| row.get(0))
            .unwrap()
    };
    assert_eq!(count(&look), 1000);
    let mut refused = 0;
    for number in 1..100 {
        let result = writer.append(&plains(number * 1000..(number + 1) * 1000));
        if let Err(error) = result {
            assert!(matches!(error, StoreError::Pinned { .. }), "{error}");
            refused += 1000;
        }
    }
    assert!(refused > 0);
    // A batch was begun below the limit.
    assert!(bytes(&folder.store()) <= 6 << 20);
    assert_eq!(count(&look), 1000);
    drop(look);
    drop(reader);
    writer.append(&plains(100_000..101_000)).unwrap();
    let answer = folder
        .reader()
        .query(&oldest_first(Filter::default()))
        .unwrap();
    let [gap] = answer.gaps.as_slice() else {
        panic!("{:?}", answer.gaps);
    };
    assert_eq!(gap.lost, Some(refused));
    assert_eq!(gap.cause, LossCause::StoreBehind);
}
