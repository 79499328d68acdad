//! A store with known records.

use std::process::Command;

use exithand::{Outcome, Signal, Token};
use exithand_recorder::store::{Retention, StoreWriter};
use exithand_recorder::{
    Argv, Event, ExitRecord, Gap, Killer, Link, LossCause, Oom, OomScope, Parent, Place, Usage,
    WallTime,
};
use tempfile::TempDir;

use crate::common::{Ran, exithand};

/// A store in a folder of its own, which goes away with it.
pub struct Stage {
    folder: TempDir,
}

impl Stage {
    /// Fills a store.
    pub fn with(records: impl FnOnce(WallTime) -> Vec<Event>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = now();
        let path = folder.path().join("history.db");
        let mut writer = StoreWriter::open(&path, Retention::default()).unwrap();
        let events = records(now);
        writer.begin(ago(now, 3600)).unwrap();
        writer.append(&events).unwrap();
        writer.end(now).unwrap();
        Self { folder }
    }

    /// The path of the store.
    pub fn store(&self) -> String {
        let path = self.folder.path().join("history.db");
        path.to_str().unwrap().to_owned()
    }

    /// Runs `exithand COMMAND --store STORE ARGS`, in UTC.
    pub fn run(&self, command: &str, args: &[&str]) -> Ran {
        self.command(command, args).output().unwrap().into()
    }

    /// The same, not started yet.
    pub fn command(&self, command: &str, args: &[&str]) -> Command {
        let mut process = exithand();
        process.args([command, "--store", &self.store()]).args(args);
        process.env("TZ", "UTC").env("LC_ALL", "C");
        process
    }
}

/// The moment of now, whole in seconds.
fn now() -> WallTime {
    let since_1970 = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let seconds = i64::try_from(since_1970.as_secs()).unwrap();
    WallTime {
        unix_ns: seconds * 1_000_000_000,
    }
}

/// A number of seconds before.
pub fn ago(now: WallTime, seconds: i64) -> WallTime {
    WallTime {
        unix_ns: now.unix_ns - seconds * 1_000_000_000,
    }
}

/// A process of which little is known.
pub fn plain(pid: u32, name: &str, outcome: Outcome, ended: WallTime) -> ExitRecord {
    let token: Token = format!("{pid}:{}", 900_000 + pid).parse().unwrap();
    let boot = exithand::BootId::current().unwrap();
    ExitRecord {
        token: token.of_boot(boot),
        start_ticks: None,
        outcome,
        parent: None,
        uid: Some(0),
        gid: Some(0),
        comm: name.into(),
        exe: None,
        argv: None,
        place: Place::default(),
        started: None,
        ended,
        runtime_ns: Some(2_500_000_000),
        usage: Usage::default(),
        killer: None,
        oom: None,
        namespace_init: false,
    }
}

/// A worker of a web server that systemd stopped.
pub fn stopped(pid: u32, ended: WallTime) -> ExitRecord {
    let outcome = Outcome::Killed {
        signal: Signal::TERM,
        core_dumped: false,
    };
    ExitRecord {
        parent: Some(Parent {
            pid: 1,
            comm: Some("systemd".into()),
        }),
        uid: Some(33),
        exe: Some("/usr/sbin/nginx".into()),
        argv: Some(Argv {
            words: ["nginx", "-g", "daemon off;"].map(Into::into).to_vec(),
            truncated: false,
        }),
        place: Place {
            cgroup: Some("/system.slice/nginx.service".into()),
            unit: Some("nginx.service".to_owned()),
            container: None,
        },
        killer: Some(Killer {
            pid: 1,
            comm: "systemd".into(),
            uid: Some(0),
            exe: Some("/usr/lib/systemd/systemd".into()),
            unit: Some("init.scope".to_owned()),
            signal: Signal::TERM,
            code: 0,
            chain: Vec::new(),
        }),
        ..plain(pid, "nginx", outcome, ended)
    }
}

/// A process that used too much memory.
pub fn out_of_memory(pid: u32, ended: WallTime) -> ExitRecord {
    let outcome = Outcome::Killed {
        signal: Signal::KILL,
        core_dumped: false,
    };
    ExitRecord {
        oom: Some(Oom {
            scope: OomScope::Memcg,
            cgroup: Some("/system.slice/big.service".into()),
        }),
        usage: Usage {
            max_rss_bytes: Some(512 << 20),
            ..Usage::default()
        },
        ..plain(pid, "java", outcome, ended)
    }
}

/// A process that a watchdog had killed.
pub fn barked_at(pid: u32, ended: WallTime) -> ExitRecord {
    let outcome = Outcome::Killed {
        signal: Signal::KILL,
        core_dumped: false,
    };
    let link = |pid, comm: &str| Link {
        pid,
        comm: comm.into(),
    };
    ExitRecord {
        killer: Some(Killer {
            pid: 4103,
            comm: "kill".into(),
            uid: Some(0),
            exe: Some("/usr/bin/kill".into()),
            unit: Some("watchdog.service".to_owned()),
            signal: Signal::KILL,
            code: 0,
            chain: vec![link(4101, "sh"), link(712, "watchdogd"), link(1, "systemd")],
        }),
        ..plain(pid, "app", outcome, ended)
    }
}

/// A stretch in which records were lost.
pub fn gap(from: WallTime, to: WallTime) -> Event {
    Event::Gap(Gap {
        from,
        to,
        lost: Some(14),
        cause: LossCause::RingFull,
    })
}

/// A record as an event.
pub fn exit(record: ExitRecord) -> Event {
    Event::Exit(Box::new(record))
}
