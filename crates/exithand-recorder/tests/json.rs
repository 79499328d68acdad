//! Records and gaps come back from JSON as they went in.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use exithand::{Outcome, Signal, Why};
use exithand_recorder::json::{GapLine, Line, RecordLine};
use exithand_recorder::{
    Argv, ExitRecord, Gap, Killer, Link, LossCause, Oom, OomScope, Parent, Place, Usage, WallTime,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

/// Names as people give them; `RAW` ones need not be text.
fn name() -> impl Strategy<Value = OsString> {
    any::<String>().prop_map(OsString::from)
}

fn signal() -> impl Strategy<Value = Signal> {
    (1..=64).prop_map(|number| Signal::from_number(number).unwrap())
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
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

fn wall() -> impl Strategy<Value = WallTime> {
    any::<i64>().prop_map(|unix_ns| WallTime { unix_ns })
}

fn killer() -> impl Strategy<Value = Killer> {
    let link = (any::<u32>(), name()).prop_map(|(pid, comm)| Link { pid, comm });
    let who = (any::<u32>(), name(), of(any::<u32>()), of(name()));
    let how = (of(any::<String>()), signal(), any::<i32>(), vec(link, 0..3));
    (who, how).prop_map(
        |((pid, comm, uid, exe), (unit, signal, code, chain))| Killer {
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

fn usage() -> impl Strategy<Value = Usage> {
    vec(of(any::<u64>()), 7).prop_map(|it| Usage {
        cpu_user_ns: it[0],
        cpu_system_ns: it[1],
        max_rss_bytes: it[2],
        read_bytes: it[3],
        write_bytes: it[4],
        voluntary_switches: it[5],
        involuntary_switches: it[6],
    })
}

fn place() -> impl Strategy<Value = Place> {
    (of(name()), of(any::<String>()), of(any::<String>())).prop_map(|(cgroup, unit, container)| {
        Place {
            cgroup,
            unit,
            container,
        }
    })
}

fn oom() -> impl Strategy<Value = Oom> {
    let scope = prop_oneof![Just(OomScope::Memcg), Just(OomScope::Global)];
    (scope, of(name())).prop_map(|(scope, cgroup)| Oom { scope, cgroup })
}

fn record() -> impl Strategy<Value = ExitRecord> {
    let parent = (any::<u32>(), of(name())).prop_map(|(pid, comm)| Parent { pid, comm });
    let argv =
        (vec(name(), 0..4), any::<bool>()).prop_map(|(words, truncated)| Argv { words, truncated });
    let token = (1..=i32::MAX, 1..u64::MAX).prop_map(|(pid, inode)| format!("{pid}:{inode}"));
    (
        (token, of(any::<u64>()), outcome(), of(parent)),
        (of(any::<u32>()), of(any::<u32>()), name(), of(name())),
        (of(argv), place(), of(wall()), wall(), of(any::<u64>())),
        (usage(), of(killer()), of(oom()), any::<bool>()),
    )
        .prop_map(|(what, whose, when, how)| ExitRecord {
            token: what.0.parse().unwrap(),
            start_ticks: what.1,
            outcome: what.2,
            parent: what.3,
            uid: whose.0,
            gid: whose.1,
            comm: whose.2,
            exe: whose.3,
            argv: when.0,
            place: when.1,
            started: when.2,
            ended: when.3,
            runtime_ns: when.4,
            usage: how.0,
            killer: how.1,
            oom: how.2,
            namespace_init: how.3,
        })
}

fn read_record(text: &str) -> RecordLine {
    match text.parse() {
        Ok(Line::Record(line)) => *line,
        other => panic!("{text} is {other:?}"),
    }
}

proptest! {
    #[test]
    fn a_record_comes_back_as_it_was(record in record()) {
        let text = RecordLine::new(&record).to_string();
        prop_assert!(!text.contains('\n'));
        prop_assert_eq!(read_record(&text).to_record().unwrap(), record);
    }

    #[test]
    fn a_record_without_details_keeps_the_outcome(record in record()) {
        let line = RecordLine::new(&record).near_gap().without_details();
        let back = read_record(&line.to_string());
        prop_assert_eq!(&back, &line);
        prop_assert!(back.is_withheld() && back.is_near_gap());
        let reduced = back.to_record().unwrap();
        prop_assert_eq!((reduced.token, reduced.outcome), (record.token, record.outcome));
        prop_assert_eq!((reduced.argv, reduced.killer, reduced.usage), (None, None, Usage::default()));
    }

    #[test]
    fn names_of_any_bytes_are_no_error(bytes in vec(any::<u8>(), 0..40), mut record in record()) {
        record.comm = OsString::from_vec(bytes);
        let once = read_record(&RecordLine::new(&record).to_string());
        let again = RecordLine::new(&once.to_record().unwrap());
        prop_assert_eq!(once, again, "what was made readable stays as it is");
    }

    #[test]
    fn a_gap_comes_back_as_it_was(from in wall(), to in wall(), lost in of(any::<u64>())) {
        for cause in [LossCause::RingFull, LossCause::SocketFull, LossCause::StoreBehind, LossCause::NotRunning] {
            let gap = Gap { from, to, lost, cause };
            let Ok(Line::Gap(line)) = GapLine::new(&gap).to_string().parse() else { panic!() };
            prop_assert_eq!(line.to_gap().unwrap(), gap);
        }
    }
}

#[test]
fn says_what_is_wrong_with_a_line() {
    let line = |change: &str| {
        let good = r#"{"v":1,"token":"4:7","comm":"a","outcome":"exited","status":2,"ended":"2026-01-01T00:00:00Z"}"#;
        let (from, to) = change.split_once('>').unwrap();
        assert!(good.contains(from), "{from}");
        match good.replace(from, to).parse::<Line>() {
            Ok(Line::Record(line)) => line.to_record().map(drop).map_err(|it| it.to_string()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(line("status>status"), Ok(()));
    assert!(line(r#""v":1>"v":2"#).unwrap_err().contains("version 2"));
    assert!(line("4:7>four").unwrap_err().contains("token"));
    assert!(line("exited>vanished").unwrap_err().contains("vanished"));
    assert!(line("status>later").unwrap_err().contains("outcome"));
    assert!(line("2026>x").unwrap_err().contains("ended"));
    assert!("".parse::<Line>().is_err() && "[]".parse::<Line>().is_err());
}

#[test]
fn the_fields_stand_in_the_order_of_the_contract() {
    let record = ExitRecord {
        token: "42:7".parse().unwrap(),
        start_ticks: None,
        outcome: Outcome::Exited(3),
        parent: None,
        uid: Some(0),
        gid: Some(0),
        comm: "make".into(),
        exe: None,
        argv: None,
        place: Place::default(),
        started: None,
        ended: WallTime { unix_ns: 1 },
        runtime_ns: None,
        usage: Usage::default(),
        killer: None,
        oom: None,
        namespace_init: false,
    };
    assert_eq!(
        RecordLine::new(&record).to_string(),
        concat!(
            r#"{"v":1,"pid":42,"token":"42:7","comm":"make","outcome":"exited","status":3,"#,
            r#""source":"recorder","tgid":42,"uid":0,"gid":0,"#,
            r#""ended":"1970-01-01T00:00:00.000000001Z","killer":null,"oom":null,"gap":false}"#
        )
    );
}
