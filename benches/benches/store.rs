//! The recorder's store: how fast it takes records, how much room one needs, and how soon it finds
//! the newest match. With `--long` it holds ten million records, which takes minutes and 2 GB.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use exithand::{BootId, Outcome, Pid, Signal, Token};
use exithand_benches::{Goal, Table, cpu_time, median};
use exithand_recorder::store::{Retention, Store, StoreWriter};
use exithand_recorder::{
    Argv, Event, ExitRecord, Filter, History, Killer, Order, Parent, Pattern, Place, Query, Usage,
    WallTime,
};

const SHORT: u64 = 500_000;
const LONG: u64 = 10_000_000;
/// What a recorder under load hands over at once.
const BATCH: u64 = 8192;
/// What systemd sets. Where pids come round sooner, a record costs more: its pid's neighbours in the
/// index are further apart.
const PID_MAX: u64 = 4_194_304;
const BEGIN_NS: i64 = 1_800_000_000_000_000_000;
/// What a lookup may take.
const LOOKUP: Duration = Duration::from_millis(50);
const LOOKUPS: u64 = 21;

fn main() {
    let count = if std::env::args().any(|arg| arg == "--long") {
        LONG
    } else {
        SHORT
    };
    let table = Table::new();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("store-bench");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).expect("make a folder for the store");
    let path = folder.join("history.db");

    fill(&table, &path, count);
    look_up(&table, &path, count);
    fs::remove_dir_all(&folder).expect("remove the store");
}

fn fill(table: &Table, path: &Path, count: u64) {
    let retention = Retention {
        max_bytes: u64::MAX,
        ..Retention::default()
    };
    let boot = BootId::current().expect("boot id");
    let mut writer = StoreWriter::open(path, retention).expect("make the store");
    let (mut all, mut last) = (Duration::ZERO, Duration::ZERO);
    let mut number = 0;
    while number < count {
        let batch: Vec<Event> = (number..(number + BATCH).min(count))
            .map(|number| Event::Exit(Box::new(record(number, boot))))
            .collect();
        let begin = cpu_time();
        writer.append(&batch).expect("store a batch");
        let took = cpu_time().saturating_sub(begin);
        all += took;
        if number >= count - count / 10 {
            last += took;
        }
        number += BATCH;
    }
    let of = |count: u64| format!("{:.1} M", thousands(count) / 1000.0);
    let rate = |time: Duration, count: u64| thousands(count) * 1000.0 / time.as_secs_f64();
    table.note(&format!(
        "# {} records: {:.0} a second of CPU time, of the last tenth {:.0}",
        of(count),
        rate(all, count),
        rate(last, count / 10)
    ));
    let each = |time: Duration, count: u64| {
        Duration::from_nanos(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) / count)
    };
    let goal = Duration::from_micros(10);
    let what = format!("one record stored, of {}: CPU", of(count));
    table.times(&what, each(all, count), goal, Goal::AtMost(1.0));
    writer
        .end(WallTime { unix_ns: BEGIN_NS })
        .expect("end the writing");
    let bytes = fs::metadata(path).expect("size of the store").len();
    table.numbers(
        "one record on disk, against 250 bytes",
        thousands(bytes) / thousands(count),
        250.0,
        "B",
        Goal::AtMost(1.0),
    );
}

fn look_up(table: &Table, path: &Path, count: u64) {
    let boot = BootId::current().expect("boot id");
    let any = Filter::default;
    // The round decides how far back the newest match lies.
    let back = |round: u64| count - 1 - (count / LOOKUPS) * round;
    let filters: [(&str, &dyn Fn(u64) -> Filter); 8] = [
        ("name", &|round| Filter {
            names: vec![Pattern::exactly(&name(round * 13))],
            ..any()
        }),
        ("name that is a pattern", &|round| Filter {
            names: vec![Pattern::new(format!("{}*", name(round * 13)))],
            ..any()
        }),
        ("name that nobody had", &|_| Filter {
            names: vec![Pattern::exactly("nobody")],
            ..any()
        }),
        ("pid", &|round| Filter {
            pids: vec![u32::try_from(1 + round * 1000).unwrap_or(1)],
            ..any()
        }),
        ("unit", &|round| Filter {
            units: vec![Pattern::exactly(&unit(round * 7))],
            ..any()
        }),
        ("container", &|round| Filter {
            containers: vec![Pattern::new(format!("{}*", container(round)))],
            ..any()
        }),
        ("token", &|round| Filter {
            token: Some(record(back(round), boot).token),
            ..any()
        }),
        ("what failed in a unit", &|round| Filter {
            units: vec![Pattern::exactly(&unit(round * 7))],
            failed_only: true,
            ..any()
        }),
    ];
    for (what, filter) in filters {
        let times = (0..LOOKUPS).map(|round| {
            let query = Query {
                filter: filter(round),
                order: Order::Newest,
                limit: 1,
                after: None,
            };
            let begin = Instant::now();
            let store = Store::open(path).expect("open the store");
            let answer = store.query(&query).expect("ask");
            let took = begin.elapsed();
            let expected = usize::from(what != "name that nobody had");
            assert_eq!(answer.records.len(), expected, "{what}: {query:?}");
            took
        });
        let what = format!("newest by {what}, against 50 ms");
        table.times(&what, median(times.collect()), LOOKUP, Goal::AtMost(1.0));
    }
}

fn name(number: u64) -> String {
    format!("program-{}", number % 300)
}

fn unit(number: u64) -> String {
    format!("service-{}.service", number % 120)
}

fn container(number: u64) -> String {
    format!("{:060x}", 0xc0ff_ee00 + number % 40)
}

/// A machine's mix: 300 programs in 120 units and 40 containers, one command line in ten never seen
/// before, one exit in twenty a failure and one in a hundred a kill by somebody.
fn record(number: u64, boot: BootId) -> ExitRecord {
    // Spreads neighbours over everything, the same each time.
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let pid = i32::try_from(1 + number % (PID_MAX - 1)).unwrap_or(1);
    let ended = BEGIN_NS + i64::try_from(number).unwrap_or(0) * 120_000;
    let runtime = 1_000_000 + mixed % 900_000_000;
    let killed = (mixed / 3000).is_multiple_of(100);
    let signal = Signal::from_number(15).expect("SIGTERM");
    let argument = if mixed % 10 == 1 { number } else { mixed % 800 };
    let inside = (mixed / 1000).is_multiple_of(3);
    ExitRecord {
        token: Token::of_inode(Pid::from_raw(pid), 100_000 + number).of_boot(boot),
        start_ticks: Some(number / 80),
        outcome: if killed {
            Outcome::Killed {
                signal,
                core_dumped: false,
            }
        } else {
            Outcome::Exited(u8::from(mixed / 7000 % 20 == 3))
        },
        parent: Some(Parent {
            pid: u32::try_from(1 + mixed % 2000).unwrap_or(1),
            comm: Some(name(mixed / 7).into()),
        }),
        uid: Some(u32::try_from(mixed % 5).unwrap_or(0) * 1000),
        gid: Some(1000),
        comm: name(mixed).into(),
        exe: Some(format!("/usr/bin/{}", name(mixed)).into()),
        argv: Some(Argv {
            words: vec![
                name(mixed).into(),
                format!("--job={argument}").into(),
                "/var/lib/some/where".into(),
            ],
            truncated: false,
        }),
        place: Place {
            cgroup: Some(if inside {
                format!("/system.slice/docker-{}.scope", container(mixed)).into()
            } else {
                format!("/system.slice/{}", unit(mixed)).into()
            }),
            unit: (!inside).then(|| unit(mixed)),
            container: inside.then(|| container(mixed)),
        },
        started: Some(WallTime {
            unix_ns: ended - i64::try_from(runtime).unwrap_or(0),
        }),
        ended: WallTime { unix_ns: ended },
        runtime_ns: Some(runtime),
        usage: Usage {
            cpu_user_ns: Some(mixed % 50_000_000),
            cpu_system_ns: Some(mixed % 9_000_000),
            max_rss_bytes: Some(4096 * (mixed % 5000)),
            read_bytes: Some(0),
            write_bytes: Some(4096 * (mixed % 10)),
            voluntary_switches: Some(mixed % 40),
            involuntary_switches: Some(mixed % 5),
        },
        killer: killed.then(|| killer(signal)),
        oom: None,
        namespace_init: false,
    }
}

fn killer(signal: Signal) -> Killer {
    Killer {
        pid: 1,
        comm: "systemd".into(),
        uid: Some(0),
        exe: Some("/usr/lib/systemd/systemd".into()),
        unit: None,
        signal,
        code: 0,
        chain: Vec::new(),
    }
}

/// A number as a float, in thousands, exact enough for a table.
fn thousands(number: u64) -> f64 {
    let whole = u32::try_from(number / 1000).unwrap_or(u32::MAX);
    f64::from(whole) + f64::from(u32::try_from(number % 1000).unwrap_or(0)) / 1000.0
}
