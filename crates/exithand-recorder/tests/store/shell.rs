//! The store as the `sqlite3` shell shows it.

use std::process::Command;

use exithand::{Outcome, Signal};
use exithand_recorder::store::{Retention, StoreWriter};
use exithand_recorder::{Event, Killer, Link, LossCause, Oom, OomScope};
use exithand_testkit::{Need, need};

use crate::support::{Folder, NOW, SECOND, gap, plain, plains};

#[test]
fn the_shell_reads_what_the_manual_promises() {
    need!(Need::Program("sqlite3"));
    let folder = Folder::new();
    let mut killed = plain(1);
    let signal = Signal::from_number(9).unwrap();
    killed.outcome = Outcome::Killed {
        signal,
        core_dumped: false,
    };
    killed.killer = Some(Killer {
        pid: 812,
        comm: "watchdog".into(),
        uid: Some(0),
        exe: None,
        unit: Some("dog.service".into()),
        signal,
        code: 0,
        chain: vec![Link {
            pid: 1,
            comm: "systemd".into(),
        }],
    });
    killed.oom = Some(Oom {
        scope: OomScope::Memcg,
        cgroup: None,
    });
    let mut dumped = plain(2);
    dumped.outcome = Outcome::Killed {
        signal: Signal::from_number(11).unwrap(),
        core_dumped: true,
    };
    let mut writer = folder.writer();
    let lost = gap(NOW, NOW + SECOND, Some(3), LossCause::RingFull);
    let exits = [plain(0), killed, dumped].map(|it| Event::Exit(Box::new(it)));
    writer.append(&exits).unwrap();
    writer.append(&[Event::Gap(lost)]).unwrap();

    let shell = |sql: &str| {
        let output = Command::new("sqlite3")
            .arg("-readonly")
            .arg(folder.store())
            .arg(sql)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(
        shell("SELECT ended, pid, name, outcome, runtime_s, unit, uid, command FROM exits"),
        "2027-01-15T08:00:00.000Z|1|worker-0|exited 1|0.005123456|job-0.service|1000|worker --job=0\n\
         2027-01-15T08:00:00.001Z|2|worker-1|killed 9 KILL|0.005123456|job-1.service|1000|worker --job=1\n\
         2027-01-15T08:00:00.002Z|3|worker-2|killed 11 SEGV core|0.005123456|job-2.service|1000|worker --job=2\n"
    );
    assert_eq!(
        shell(
            "SELECT killer, killer_pid, killer_unit, killer_parents, oom, token FROM exits WHERE killer IS NOT NULL"
        ),
        "watchdog|812|dog.service|1 systemd|memcg|2:10001\n"
    );
    assert_eq!(
        shell("SELECT * FROM gaps"),
        format!(
            "2027-01-15T08:00:00.000Z|2027-01-15T08:00:01.000Z|3|ring-full|{NOW}|{}\n",
            NOW + SECOND
        )
    );
}

#[test]
fn a_shell_that_closes_the_store_takes_nothing_from_its_writer() {
    need!(Need::Program("sqlite3"));
    let folder = Folder::new();
    let mut writer = folder.writer();
    writer.append(&plains(0..10)).unwrap();
    // What this process opens and closes beside the writer must leave the writer's locks alone: else
    // the shell takes itself for the last one, and removes the log.
    drop(folder.reader());
    drop(StoreWriter::open(&folder.store(), Retention::default()).unwrap_err());
    let count = || {
        let mut shell = Command::new("sqlite3");
        let output = shell
            .arg(folder.store())
            .arg("SELECT count(*) FROM exits")
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert_eq!(count(), "10\n");
    writer.append(&plains(10..20)).unwrap();
    assert_eq!(count(), "20\n");
    assert_eq!(folder.all().records.len(), 20);
}

#[test]
fn the_manual_names_every_column() {
    let folder = Folder::new();
    drop(folder.writer());
    let db = rusqlite::Connection::open(folder.store()).unwrap();
    let manual = include_str!("../../../../docs/store.md");
    for view in ["exits", "gaps"] {
        let statement = db.prepare(&format!("SELECT * FROM {view}")).unwrap();
        for column in statement.column_names() {
            assert!(manual.contains(&format!("`{column}`")), "{view}.{column}");
        }
    }
}
