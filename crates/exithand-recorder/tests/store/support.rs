//! Records, stores and clocks to test with.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use exithand::{BootId, Outcome, Pid, Signal, Token, Why};
use exithand_recorder::store::{Clock, Moment, Retention, Store, StoreWriter};
use exithand_recorder::{
    Answer, Argv, Event, ExitRecord, Filter, Gap, History, Killer, Link, LossCause, Oom, OomScope,
    Order, Parent, Place, Query, Usage, WallTime,
};
use proptest::option;
use proptest::prelude::*;
use tempfile::TempDir;

pub(crate) const BOOTS: [&str; 2] = [
    "0f3c1b2a-4d5e-4f60-8a7b-0c1d2e3f4a5b",
    "ffffffff-4d5e-4f60-8a7b-0c1d2e3f4a5b",
];
pub(crate) const SECOND: i64 = 1_000_000_000;
/// Some time in 2027.
pub(crate) const NOW: i64 = 1_800_000_000 * SECOND;

/// A folder with a store, which goes away with it.
pub(crate) struct Folder(pub(crate) TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.path().join("history.db")
    }

    pub(crate) fn writer(&self) -> StoreWriter {
        StoreWriter::open(&self.store(), Retention::default()).unwrap()
    }

    pub(crate) fn reader(&self) -> Store {
        Store::open(&self.store()).unwrap()
    }

    pub(crate) fn all(&self) -> Answer {
        self.reader()
            .query(&oldest_first(Filter::default()))
            .unwrap()
    }
}

pub(crate) fn oldest_first(filter: Filter) -> Query {
    Query {
        filter,
        order: Order::Oldest,
        limit: 1_000_000,
        after: None,
    }
}

/// A clock that shows what the test wants.
#[derive(Debug, Clone)]
pub(crate) struct FakeClock(Arc<Mutex<Moment>>);

impl FakeClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Moment {
            wall: at(NOW),
            boot_ns: SECOND,
        })))
    }

    /// Lets time pass, for both clocks.
    pub(crate) fn pass(&self, time: Duration) {
        let ns = i64::try_from(time.as_nanos()).unwrap();
        let mut now = self.0.lock().unwrap();
        now.wall.unix_ns += ns;
        now.boot_ns += ns;
    }

    /// Sets the wall clock.
    pub(crate) fn set_wall(&self, wall: WallTime) {
        self.0.lock().unwrap().wall = wall;
    }

    pub(crate) fn wall(&self) -> WallTime {
        self.0.lock().unwrap().wall
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Moment {
        *self.0.lock().unwrap()
    }
}

pub(crate) fn at(unix_ns: i64) -> WallTime {
    WallTime { unix_ns }
}

/// The `number`th of many plain records, a millisecond apart.
pub(crate) fn plain(number: u32) -> ExitRecord {
    let pid = 1 + number % 30_000;
    let token = Token::of_inode(
        Pid::from_raw(i32::try_from(pid).unwrap()),
        10_000 + u64::from(number),
    );
    let ended = at(NOW + i64::from(number) * 1_000_000);
    ExitRecord {
        token: token.of_boot(BOOTS[0].parse::<BootId>().unwrap()),
        start_ticks: Some(u64::from(number)),
        outcome: Outcome::Exited(u8::from(number.is_multiple_of(20))),
        parent: Some(Parent {
            pid: 1,
            comm: Some("systemd".into()),
        }),
        uid: Some(1000),
        gid: Some(1000),
        comm: format!("worker-{}", number % 50).into(),
        exe: Some(format!("/usr/bin/worker-{}", number % 50).into()),
        argv: Some(Argv {
            words: vec!["worker".into(), format!("--job={}", number % 500).into()],
            truncated: false,
        }),
        place: Place {
            cgroup: Some(format!("/system.slice/job-{}.service", number % 20).into()),
            unit: Some(format!("job-{}.service", number % 20)),
            container: None,
        },
        started: Some(at(ended.unix_ns - 5_123_456)),
        ended,
        runtime_ns: Some(5_123_456),
        usage: Usage {
            cpu_user_ns: Some(1_234_567),
            cpu_system_ns: Some(987_654),
            max_rss_bytes: Some(4_096 * 700),
            read_bytes: Some(0),
            write_bytes: Some(8_192),
            voluntary_switches: Some(3),
            involuntary_switches: Some(1),
        },
        killer: None,
        oom: None,
        namespace_init: false,
    }
}

pub(crate) fn plains(numbers: std::ops::Range<u32>) -> Vec<Event> {
    numbers
        .map(|number| Event::Exit(Box::new(plain(number))))
        .collect()
}

pub(crate) fn exits(records: &[ExitRecord]) -> Vec<Event> {
    let exit = |record: &ExitRecord| Event::Exit(Box::new(record.clone()));
    records.iter().map(exit).collect()
}

pub(crate) fn gap(from: i64, to: i64, lost: Option<u64>, cause: LossCause) -> Gap {
    Gap {
        from: at(from),
        to: at(to),
        lost,
        cause,
    }
}

/// Names from a small set, so that filters find some, and any bytes now and then.
pub(crate) fn name() -> impl Strategy<Value = OsString> {
    prop_oneof![
        4 => prop::sample::select(vec!["sh", "nginx", "a*", "a", "", "ab"]).prop_map(OsString::from),
        1 => prop::collection::vec(any::<u8>(), 0..15).prop_map(OsString::from_vec),
    ]
}

fn exe() -> impl Strategy<Value = OsString> {
    ("/(bin|x)/", name()).prop_map(|(folder, name)| {
        let mut path = OsString::from(folder);
        path.push(name);
        path
    })
}

pub(crate) fn unit() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a.service", "b.service", "a*", "a?[b]", "\u{e9}"])
        .prop_map(str::to_owned)
}

pub(crate) fn boot() -> impl Strategy<Value = BootId> {
    prop::sample::select(BOOTS.to_vec()).prop_map(|boot| boot.parse().unwrap())
}

pub(crate) fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![Just(9), Just(11), 1..=64].prop_map(|number| Signal::from_number(number).unwrap())
}

pub(crate) fn token() -> impl Strategy<Value = Token> {
    let pid = option::of(1..4_i32).prop_map(|pid| pid.and_then(Pid::from_raw));
    let number = prop_oneof![0..4_u64, Just(u64::MAX)];
    (pid, number, any::<bool>(), option::of(boot())).prop_map(|(pid, number, is_inode, boot)| {
        let token = if is_inode {
            Token::of_inode(pid, number)
        } else {
            Token::of_start(pid, number)
        };
        boot.map_or(token, |boot| token.of_boot(boot))
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Exited(0)),
        any::<u8>().prop_map(Outcome::Exited),
        (signal(), any::<bool>()).prop_map(|(signal, core_dumped)| Outcome::Killed {
            signal,
            core_dumped
        }),
        Just(Outcome::Unknown {
            why: Why::OldKernel
        }),
    ]
}

fn killer() -> impl Strategy<Value = Killer> {
    let who = (0..4_u32, name(), option::of(0..3_u32), option::of(exe()));
    let how = (option::of(unit()), signal(), -10..130_i32);
    let link = (any::<u32>(), name()).prop_map(|(pid, comm)| Link { pid, comm });
    let chain = prop::collection::vec(link, 0..4);
    (who, how, chain).prop_map(
        |((pid, comm, uid, exe), (unit, signal, code), chain)| Killer {
            pid,
            comm,
            uid,
            exe,
            unit,
            signal,
            code,
            chain,
        },
    )
}

fn oom() -> impl Strategy<Value = Oom> {
    let scope = prop::sample::select(vec![OomScope::Memcg, OomScope::Global]);
    (scope, option::of(name())).prop_map(|(scope, cgroup)| Oom { scope, cgroup })
}

fn usage() -> impl Strategy<Value = Usage> {
    prop::array::uniform7(option::of(0..5_u64)).prop_map(|counts| Usage {
        cpu_user_ns: counts[0],
        cpu_system_ns: counts[1],
        max_rss_bytes: counts[2],
        read_bytes: counts[3],
        write_bytes: counts[4],
        voluntary_switches: counts[5],
        involuntary_switches: counts[6],
    })
}

fn place() -> impl Strategy<Value = Place> {
    let container = prop::sample::select(vec!["c0ffee", "c1"]).prop_map(str::to_owned);
    (
        option::of(name()),
        option::of(unit()),
        option::of(container),
    )
        .prop_map(|(cgroup, unit, container)| Place {
            cgroup,
            unit,
            container,
        })
}

/// Any record there can be.
pub(crate) fn record() -> impl Strategy<Value = ExitRecord> {
    let parent = (any::<u32>(), option::of(name())).prop_map(|(pid, comm)| Parent { pid, comm });
    let argv = (prop::collection::vec(name(), 0..4), any::<bool>())
        .prop_map(|(words, truncated)| Argv { words, truncated });
    let identity = (
        token(),
        option::of(0..4_u64),
        option::of(0..3_u32),
        option::of(0..3_u32),
    );
    let what = (name(), option::of(exe()), option::of(argv), place());
    let times = (
        option::of(-5..5_i64),
        -5..5_i64,
        option::of(0..5_u64),
        usage(),
    );
    let end = (
        outcome(),
        option::of(parent),
        option::of(killer()),
        option::of(oom()),
        any::<bool>(),
    );
    (identity, what, times, end).prop_map(|(identity, what, times, end)| ExitRecord {
        token: identity.0,
        start_ticks: identity.1.filter(|_| identity.0.inode().is_some()),
        uid: identity.2,
        gid: identity.3,
        comm: what.0,
        exe: what.1,
        argv: what.2,
        place: what.3,
        started: times.0.map(|it| at(NOW + it * SECOND)),
        ended: at(NOW + times.1 * SECOND),
        runtime_ns: times.2,
        usage: times.3,
        outcome: end.0,
        parent: end.1,
        killer: end.2,
        oom: end.3,
        namespace_init: end.4,
    })
}
