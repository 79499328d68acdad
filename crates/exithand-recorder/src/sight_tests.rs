use exithand::{Outcome, Signal};

use super::*;
use crate::json::RecordLine;
use crate::{Argv, Killer, KillerFilter, Oom, OomScope, Parent, Pattern};

const HOUR_NS: i64 = 3_600_000_000_000;

/// A process of user 1000, a child of process 50.
fn record() -> ExitRecord {
    let signal = Signal::KILL;
    ExitRecord {
        token: "60:7".parse().unwrap(),
        start_ticks: Some(5),
        outcome: Outcome::Killed {
            signal,
            core_dumped: false,
        },
        parent: Some(Parent {
            pid: 50,
            comm: Some("make".into()),
        }),
        uid: Some(1000),
        gid: Some(100),
        comm: "cc".into(),
        exe: Some("/bin/cc".into()),
        argv: Some(Argv {
            words: vec!["cc".into()],
            truncated: false,
        }),
        place: Place {
            cgroup: Some("/a".into()),
            unit: Some("a.service".into()),
            container: Some("c".into()),
        },
        started: Some(WallTime { unix_ns: HOUR_NS }),
        ended: WallTime {
            unix_ns: 2 * HOUR_NS,
        },
        runtime_ns: Some(5),
        usage: Usage {
            max_rss_bytes: Some(5),
            ..Usage::default()
        },
        killer: Some(Killer {
            pid: 1,
            comm: "init".into(),
            uid: Some(0),
            exe: None,
            unit: None,
            signal,
            code: 0,
            chain: Vec::new(),
        }),
        oom: Some(Oom {
            scope: OomScope::Memcg,
            cgroup: Some("/a".into()),
        }),
        namespace_init: true,
    }
}

fn viewer(uid: u32, pid: u32) -> Viewer {
    Viewer {
        uid,
        gids: vec![uid],
        process: Some((pid, WallTime { unix_ns: 0 })),
        namespace: Namespace::Ours,
    }
}

fn policy(status: StatusPolicy) -> Policy {
    Policy {
        status,
        details: Insiders::Nobody,
        kernel: KernelTells::Everybody,
    }
}

#[test]
fn every_policy_has_its_circle() {
    use Sight::{Full, Nothing, Reduced, ReducedAfterReap};
    let viewers = [
        viewer(0, 1),
        viewer(1000, 61),
        viewer(2000, 50),
        viewer(2000, 62),
    ];
    for (status, sights, reach) in [
        (
            StatusPolicy::Kernel,
            [Full, Full, Reduced, ReducedAfterReap],
            Reach::Own,
        ),
        (
            StatusPolicy::All,
            [Full, Full, Reduced, Reduced],
            Reach::Judged,
        ),
        (
            StatusPolicy::User,
            [Full, Full, Nothing, Nothing],
            Reach::Own,
        ),
        (
            StatusPolicy::Parent,
            [Full, Nothing, Reduced, Nothing],
            Reach::Nothing,
        ),
        (
            StatusPolicy::Root,
            [Full, Nothing, Nothing, Nothing],
            Reach::Nothing,
        ),
    ] {
        let policy = policy(status);
        for (viewer, sight) in viewers.iter().zip(sights) {
            assert_eq!(
                policy.sight(viewer, &record()),
                sight,
                "{status} {viewer:?}"
            );
        }
        assert_eq!(policy.reach(&viewers[0]), Reach::All, "{status}");
        assert_eq!(policy.reach(&viewers[3]), reach, "{status}");
    }
}

#[test]
fn an_older_kernel_tells_strangers_nothing() {
    let policy = Policy {
        kernel: KernelTells::Readers,
        ..policy(StatusPolicy::Kernel)
    };
    assert_eq!(policy.sight(&viewer(2000, 62), &record()), Sight::Nothing);
    assert_eq!(policy.sight(&viewer(1000, 62), &record()), Sight::Full);
}

#[test]
fn details_are_for_those_the_administrator_names() {
    let stranger = viewer(2000, 62);
    for status in [StatusPolicy::Kernel, StatusPolicy::Root] {
        for (details, sight) in [
            (Insiders::Group(2000), Sight::Full),
            (Insiders::Everybody, Sight::Full),
        ] {
            let policy = Policy {
                details,
                ..policy(status)
            };
            assert_eq!(policy.sight(&stranger, &record()), sight);
            assert_eq!(policy.reach(&stranger), Reach::All);
        }
        let other = Policy {
            details: Insiders::Group(7),
            ..policy(status)
        };
        assert_ne!(other.sight(&stranger, &record()), Sight::Full);
    }
}

#[test]
fn under_kernel_another_pid_namespace_sees_nothing() {
    for uid in [0, 1000] {
        let elsewhere = Viewer {
            namespace: Namespace::Other,
            ..viewer(uid, 61)
        };
        let kernel = policy(StatusPolicy::Kernel);
        assert_eq!(kernel.sight(&elsewhere, &record()), Sight::Nothing);
        assert_eq!(kernel.reach(&elsewhere), Reach::Nothing);
        let user = policy(StatusPolicy::User);
        assert_eq!(user.sight(&elsewhere, &record()), Sight::Full);
    }
}

#[test]
fn who_got_the_pid_of_a_parent_is_not_the_parent() {
    let late = Viewer {
        process: Some((
            50,
            WallTime {
                unix_ns: 3 * HOUR_NS,
            },
        )),
        ..viewer(2000, 50)
    };
    let gone = Viewer {
        process: None,
        ..viewer(2000, 50)
    };
    for viewer in [late, gone] {
        let sight = policy(StatusPolicy::Parent).sight(&viewer, &record());
        assert_eq!(sight, Sight::Nothing, "{viewer:?}");
    }
}

#[test]
fn a_filter_is_narrowed_to_what_may_be_looked_through() {
    let viewer = viewer(1000, 61);
    let plain = Filter {
        names: vec![Pattern::new("cc")],
        ..Filter::default()
    };
    let of_user = |uid| Filter {
        users: vec![uid],
        ..plain.clone()
    };
    let by_killer = Filter {
        killer: Some(KillerFilter::Known),
        ..plain.clone()
    };
    for (filter, reach, narrow) in [
        (&plain, Reach::All, Some(plain.clone())),
        (&plain, Reach::Judged, Some(plain.clone())),
        (&plain, Reach::Own, Some(of_user(1000))),
        (&plain, Reach::Nothing, None),
        (&of_user(7), Reach::Judged, Some(of_user(7))),
        (&of_user(7), Reach::Own, None),
        (
            &by_killer,
            Reach::Judged,
            Some(Filter {
                users: vec![1000],
                ..by_killer.clone()
            }),
        ),
        (&by_killer, Reach::All, Some(by_killer.clone())),
    ] {
        assert_eq!(narrowed(filter, reach, &viewer), narrow, "{reach:?}");
    }
}

#[test]
fn what_is_reduced_has_nothing_left_to_withhold() {
    let record = record();
    let line = RecordLine::new(&record).without_details();
    assert_eq!(line, RecordLine::new(&reduced(&record)).without_details());
    let text = line.to_string();
    for told in ["60:7", "\"cc\"", "1000", "SIGKILL", "withheld\":true"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    for withheld in ["/bin", "make", "/a", "init", "oom", "killer", "max_rss"] {
        assert!(!text.contains(withheld), "{withheld}: {text}");
    }
}

#[test]
fn details_are_read_as_they_are_printed() {
    for word in ["user", "all", "group:adm"] {
        assert_eq!(word.parse::<Details>().unwrap().to_string(), word);
    }
    assert!("group:".parse::<Details>().is_err());
    assert!("everybody".parse::<Details>().is_err());
}
