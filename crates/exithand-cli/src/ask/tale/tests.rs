//! Golden texts: what a tired person reads.

use std::ffi::OsStr;

use exithand::{Outcome, Signal, Why};
use exithand_recorder::{
    Argv, ExitRecord, Gap, Killer, Link, LossCause, Oom, OomScope, Parent, Place, Usage, WallTime,
};

use super::{Case, Details, tell};
use crate::ask::crash_loop::crash_loops;
use crate::ask::scene::tests::{at, scene};

/// A record of which little is known.
pub(crate) fn record(name: &str, outcome: Outcome) -> ExitRecord {
    ExitRecord {
        token: "4242:918273".parse().unwrap(),
        start_ticks: None,
        outcome,
        parent: None,
        uid: None,
        gid: None,
        comm: name.into(),
        exe: None,
        argv: None,
        place: Place::default(),
        started: None,
        ended: at("2026-11-24T12:42:07Z"),
        runtime_ns: None,
        usage: Usage::default(),
        killer: None,
        oom: None,
        namespace_init: false,
    }
}

/// A worker of a web server of which all is known.
fn nginx(outcome: Outcome) -> ExitRecord {
    let words = ["nginx", "-g", "daemon off;"];
    ExitRecord {
        parent: Some(Parent {
            pid: 1,
            comm: Some("systemd".into()),
        }),
        uid: Some(33),
        gid: Some(33),
        exe: Some("/usr/sbin/nginx".into()),
        argv: Some(Argv {
            words: words.map(Into::into).to_vec(),
            truncated: false,
        }),
        place: Place {
            cgroup: Some("/system.slice/nginx.service".into()),
            unit: Some("nginx.service".to_owned()),
            container: None,
        },
        runtime_ns: Some(7_500_000_000_000),
        usage: Usage {
            cpu_user_ns: Some(60_000_000_000),
            cpu_system_ns: Some(3_000_000_000),
            max_rss_bytes: Some(120 << 20),
            read_bytes: Some(3 << 20),
            write_bytes: Some(0),
            ..Usage::default()
        },
        ..record("nginx", outcome)
    }
}

fn killed(signal: Signal) -> Outcome {
    Outcome::Killed {
        signal,
        core_dumped: false,
    }
}

fn link(pid: u32, comm: &str) -> Link {
    Link {
        pid,
        comm: comm.into(),
    }
}

fn killer(pid: u32, comm: &str, signal: Signal, code: i32) -> Killer {
    Killer {
        pid,
        comm: comm.into(),
        uid: Some(0),
        exe: None,
        unit: None,
        signal,
        code,
        chain: Vec::new(),
    }
}

/// A record beside which nothing else is known.
fn case_of(record: &ExitRecord) -> Case<'_> {
    Case {
        record,
        nearby: &[],
        gaps: &[],
        later_gaps: &[],
        crash_loop: None,
        details: Details::Told,
    }
}

/// Tells a record beside which nothing else is known.
fn alone(record: &ExitRecord) -> String {
    tell(&case_of(record), &scene())
}

/// Names records apart.
fn numbered(records: Vec<ExitRecord>) -> Vec<ExitRecord> {
    let name = |(at, record): (usize, ExitRecord)| ExitRecord {
        token: format!("{}:{}", 5000 + at, 70_000 + at).parse().unwrap(),
        ..record
    };
    records.into_iter().enumerate().map(name).collect()
}

#[track_caller]
fn reads(told: &str, expected: &str) {
    assert_eq!(told, expected, "\n{told}");
}

#[test]
fn a_fault() {
    let crashed = ExitRecord {
        killer: Some(killer(4242, "nginx", Signal::SEGV, 1)),
        ..nginx(Outcome::Killed {
            signal: Signal::SEGV,
            core_dumped: true,
        })
    };
    reads(
        &alone(&crashed),
        "\
nginx (pid 4242) was killed by SIGSEGV, with a core dump, 3 minutes ago
(2026-11-24 13:42:07 CET), after running for 2h5m. It was `nginx -g 'daemon
off;'` (/usr/sbin/nginx), run by www-data in nginx.service, a child of
systemd(1). It read or wrote memory that is not mapped (SEGV_MAPERR). It used
1m3s of CPU time, held 120 MiB of memory at its peak and read 3 MiB from disk.
The core dump, where systemd-coredump keeps it:
  coredumpctl info 4242
What was logged around that minute:
  journalctl -u nginx.service --since '2026-11-24 13:41:07' --until '2026-11-24 13:43:07'
",
    );
}

#[test]
fn a_kill_by_a_user() {
    let by = Killer {
        uid: Some(1000),
        exe: Some("/usr/bin/bash".into()),
        unit: Some("session-4.scope".to_owned()),
        chain: vec![link(4099, "sshd"), link(712, "sshd"), link(1, "systemd")],
        ..killer(4100, "bash", Signal::KILL, 0)
    };
    let job = ExitRecord {
        parent: Some(Parent {
            pid: 4100,
            comm: Some("bash".into()),
        }),
        uid: Some(1000),
        killer: Some(by),
        ..record("make", killed(Signal::KILL))
    };
    reads(
        &alone(&job),
        "\
make (pid 4242) was killed by SIGKILL 3 minutes ago (2026-11-24 13:42:07 CET).
It was run by ada, a child of bash(4100). The signal came from its parent, bash
(pid 4100) of ada in session-4.scope, by kill(2). The parents of that bash:
systemd(1) > sshd(712) > sshd(4099).
What was logged around that minute:
  journalctl _PID=4242 --since '2026-11-24 13:41:07' --until '2026-11-24 13:43:07'
",
    );
}

#[test]
fn a_watchdog_that_has_others_kill() {
    let by = Killer {
        exe: Some("/usr/bin/kill".into()),
        unit: Some("watchdog.service".to_owned()),
        chain: vec![link(4101, "sh"), link(712, "watchdogd"), link(1, "systemd")],
        ..killer(4103, "kill", Signal::TERM, 0)
    };
    let app = ExitRecord {
        killer: Some(by),
        ..record("app", killed(Signal::TERM))
    };
    let told = alone(&app);
    assert!(
        told.replace('\n', " ").contains(
            "The signal came from kill (pid 4103) of root in watchdog.service, by kill(2). The \
             parents of that kill: systemd(1) > watchdogd(712) > sh(4101)."
        ),
        "{told}"
    );
}

#[test]
fn a_memory_limit() {
    let out = ExitRecord {
        killer: Some(killer(4242, "nginx", Signal::KILL, 128)),
        oom: Some(Oom {
            scope: OomScope::Memcg,
            cgroup: Some("/system.slice/nginx.service".into()),
        }),
        ..nginx(killed(Signal::KILL))
    };
    reads(
        &alone(&out),
        "\
nginx (pid 4242) was killed by SIGKILL 3 minutes ago (2026-11-24 13:42:07 CET),
after running for 2h5m. It was `nginx -g 'daemon off;'` (/usr/sbin/nginx), run
by www-data in nginx.service, a child of systemd(1). The kernel killed it
because its memory cgroup /system.slice/nginx.service had reached its limit. It
held 120 MiB at its peak. It used 1m3s of CPU time and read 3 MiB from disk.
Its memory limit, to be raised by MemoryMax= if that is too low:
  systemctl show -p MemoryMax,MemoryHigh nginx.service
What was logged around that minute:
  journalctl -u nginx.service --since '2026-11-24 13:41:07' --until '2026-11-24 13:43:07'
",
    );
}

#[test]
fn a_machine_without_memory() {
    let out = ExitRecord {
        oom: Some(Oom {
            scope: OomScope::Global,
            cgroup: None,
        }),
        usage: Usage {
            max_rss_bytes: Some(6 << 30),
            ..Usage::default()
        },
        ..record("java", killed(Signal::KILL))
    };
    reads(
        &alone(&out),
        "\
java (pid 4242) was killed by SIGKILL 3 minutes ago (2026-11-24 13:42:07 CET).
The kernel killed it because the machine had run out of memory. It held 6 GiB at
its peak.
What else was killed for want of memory:
  exithand history --oom
What was logged around that minute:
  journalctl _PID=4242 --since '2026-11-24 13:41:07' --until '2026-11-24 13:43:07'
",
    );
}

#[test]
fn a_crash_loop() {
    let failure = |at: i64| {
        let mut it = nginx(Outcome::Exited(1));
        it.ended.unix_ns -= at * 10_000_000_000;
        it.runtime_ns = Some(2_100_000_000);
        it.usage = Usage::default();
        it
    };
    let failures = numbered((0..14).map(failure).collect());
    let loops = crash_loops(&failures);
    let case = Case {
        nearby: &failures,
        crash_loop: loops.first(),
        ..case_of(&failures[0])
    };
    reads(
        &tell(&case, &scene()),
        "\
nginx (pid 5000) ended by itself with exit status 1, 3 minutes ago (2026-11-24
13:42:07 CET), after running for 2.1s. It was `nginx -g 'daemon off;'`
(/usr/sbin/nginx), run by www-data in nginx.service, a child of systemd(1). It
is in a crash loop: nginx of nginx.service failed 14 times in a row between
2026-11-24 13:39:57 and 2026-11-24 13:42:07, within 2.1s of its start each time.
How often it failed:
  exithand stats --unit nginx.service
What was logged around that minute:
  journalctl -u nginx.service --since '2026-11-24 13:41:07' --until '2026-11-24 13:43:07'
",
    );
}

#[test]
fn a_unit_that_was_stopped() {
    let stopped = ExitRecord {
        usage: Usage::default(),
        killer: Some(killer(1, "systemd", Signal::TERM, 0)),
        ..nginx(killed(Signal::TERM))
    };
    let all = numbered(vec![stopped; 5]);
    let case = Case {
        nearby: &all,
        ..case_of(&all[2])
    };
    reads(
        &tell(&case, &scene()),
        "\
nginx (pid 5002) was killed by SIGTERM 3 minutes ago (2026-11-24 13:42:07 CET),
after running for 2h5m. It was `nginx -g 'daemon off;'` (/usr/sbin/nginx), run
by www-data in nginx.service, a child of systemd(1). The signal came from its
parent, systemd (pid 1) of root, by kill(2). That is how systemd stops a unit. 4
others of nginx.service ended in the same second, all killed by SIGTERM from
systemd(1).
What was logged around that minute:
  journalctl -u nginx.service --since '2026-11-24 13:41:07' --until '2026-11-24 13:43:07'
",
    );
}

#[test]
fn an_end_that_nobody_saw_in_a_gap() {
    let unknown = Outcome::Unknown {
        why: Why::ForeignZombie,
    };
    let gap = Gap {
        from: at("2026-11-24T12:42:05Z"),
        to: at("2026-11-24T12:42:09Z"),
        lost: Some(14),
        cause: LossCause::RingFull,
    };
    let unseen = record("x", unknown);
    let case = Case {
        gaps: &[gap],
        ..case_of(&unseen)
    };
    reads(
        &tell(&case, &scene()),
        "\
x (pid 4242) ended 3 minutes ago (2026-11-24 13:42:07 CET). How it ended is not
known: zombie of another user, not yet reaped. Records may be missing here: 14
records were lost between 2026-11-24 13:42:05 and 2026-11-24 13:42:09 (the
kernel's buffer was full).
What was logged around that minute:
  journalctl _PID=4242 --since '2026-11-24 13:41:07' --until '2026-11-24 13:43:07'
",
    );
}

#[test]
fn what_is_withheld_or_may_have_followed_is_said() {
    let stop = |minutes: i64| Gap {
        from: WallTime {
            unix_ns: at("2026-11-24T12:43:00Z").unix_ns + minutes * 60_000_000_000,
        },
        to: at("2026-11-24T12:45:00Z"),
        lost: None,
        cause: LossCause::NotRunning,
    };
    let other = ExitRecord {
        uid: Some(33),
        ..record("x", killed(Signal::TERM))
    };
    let case = Case {
        later_gaps: &[stop(0), stop(1)],
        details: Details::Withheld,
        ..case_of(&other)
    };
    reads(
        &tell(&case, &scene()),
        "\
x (pid 4242) was killed by SIGTERM 3 minutes ago (2026-11-24 13:42:07 CET). It
was run by www-data. The rest is told to www-data and root only, unless the
recorder runs with --details. A later end may be missing: no recorder was
running between 2026-11-24 13:44:00 and 2026-11-24 13:45:00, and 1 other gap
before.
What was logged around that minute:
  journalctl _PID=4242 --since '2026-11-24 13:41:07' --until '2026-11-24 13:43:07'
",
    );
}

#[test]
fn a_good_end_needs_no_advice() {
    reads(
        &alone(&record("true", Outcome::Exited(0))),
        "true (pid 4242) ended well, with exit status 0, 3 minutes ago (2026-11-24\n\
         13:42:07 CET).\n",
    );
}

#[test]
fn numbers_that_shells_use_are_explained() {
    for (status, words) in [
        (126, "could not execute"),
        (127, "could not find"),
        (137, "killed by SIGKILL"),
        (255, "exit status 255"),
    ] {
        let told = alone(&record("sh", Outcome::Exited(status))).replace('\n', " ");
        assert!(told.contains(words), "{status}: {told}");
    }
}

#[test]
fn who_ended_themselves_did_it_for_a_reason() {
    for (signal, code, words) in [
        (Signal::ABRT, -6, "It aborted itself"),
        (Signal::from_number(13).unwrap(), 0, "nobody reads any more"),
        (Signal::KILL, 0, "It sent the signal to itself, by kill(2)"),
        (
            Signal::from_number(31).unwrap(),
            1,
            "seccomp filter forbids (SYS_SECCOMP)",
        ),
        (Signal::INT, 128, "Ctrl-C"),
    ] {
        let it = ExitRecord {
            killer: Some(killer(4242, "x", signal, code)),
            ..record("x", killed(signal))
        };
        let told = alone(&it).replace('\n', " ");
        assert!(told.contains(words), "{signal}: {told}");
    }
}

#[test]
fn a_user_unit_and_a_container_have_logs_of_their_own() {
    let mut it = record("x", Outcome::Exited(1));
    it.place = Place {
        cgroup: Some("/user.slice/user-1000.slice/user@1000.service/app.slice/a.service".into()),
        unit: Some("a.service".to_owned()),
        container: None,
    };
    assert!(alone(&it).contains("journalctl --user-unit a.service"));
    it.place = Place {
        cgroup: Some("/system.slice/docker-0f3c1b2a4d5e6f70.scope".into()),
        unit: Some("docker-0f3c1b2a4d5e6f70.scope".to_owned()),
        container: Some("0f3c1b2a4d5e6f70".to_owned()),
    };
    let told = alone(&it);
    assert!(
        told.contains(
            "docker logs --since 2026-11-24T13:41:07+01:00 --until 2026-11-24T13:43:07+01:00 0f3c"
        ),
        "{told}"
    );
}

#[test]
fn hostile_names_do_no_harm() {
    let evil = "\u{1b}[2J\n\r\u{7}";
    let mut it = nginx(killed(Signal::TERM));
    it.comm = evil.into();
    it.exe = Some(evil.into());
    it.argv = Some(Argv {
        words: vec![evil.into(), OsStr::new("'; rm -rf /").to_owned()],
        truncated: true,
    });
    it.place.unit = Some(format!("{evil}$(x).service"));
    it.place.container = Some(evil.to_owned());
    it.parent = Some(Parent {
        pid: 7,
        comm: Some(evil.into()),
    });
    it.killer = Some(Killer {
        exe: Some(evil.into()),
        unit: Some(evil.to_owned()),
        chain: vec![link(7, evil)],
        ..killer(8, evil, Signal::TERM, 0)
    });
    let told = alone(&it);
    assert!(!told.contains(['\u{1b}', '\r', '\u{7}']), "{told}");
    let commands = told.lines().filter(|line| line.starts_with("  "));
    assert_eq!(commands.count(), 1, "{told}");
    assert!(told.contains("$(x).service' --since"), "{told}");
}
