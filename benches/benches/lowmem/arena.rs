//! One run, seen by pid 1 of the arena.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::{
    Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal, setpriority_process,
};

use crate::cost;
use crate::killer::Killer;
use crate::scenario::{Manner, Part, Scenario};

/// How long the arena is watched.
const LONGEST: Duration = Duration::from_secs(25);
/// How long it is watched for extra kills after the first victim is gone.
const AFTER: Duration = Duration::from_millis(1500);

/// So few that they come round many times a second.
const FEW_PIDS: &str = "420";

/// A process of the arena.
struct Player {
    child: Child,
    pidfd: OwnedFd,
    part: Part,
    dead: Option<Duration>,
    /// Where one that makes children tells of them.
    told: BufReader<ChildStdout>,
}

/// The cgroup of whoever is frozen.
const FREEZER: &str = "/sys/fs/cgroup/freezer/exithand-bench";

/// Freezes a process in a cgroup of its own.
struct Freezer;

impl Freezer {
    fn freeze(pid: u32) -> Self {
        let path = Path::new(FREEZER);
        fs::create_dir(path).unwrap();
        fs::write(path.join("cgroup.procs"), pid.to_string()).unwrap();
        fs::write(path.join("freezer.state"), "FROZEN").unwrap();
        Self
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        drop(fs::write(
            Path::new(FREEZER).join("freezer.state"),
            "THAWED",
        ));
    }
}

/// Takes away what the arena leaves, once all in it are gone.
pub(crate) fn clean_up() {
    if Path::new(FREEZER).exists() {
        fs::remove_dir(FREEZER).unwrap();
    }
}

/// What is free and in no use, the lists of processors included, which only some count.
fn available_mib() -> u64 {
    plain_available_mib() + kept_mib()
}

/// What processors keep on lists of their own.
fn kept_mib() -> u64 {
    let text = fs::read_to_string("/proc/zoneinfo").unwrap();
    let counts = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("count:"));
    let pages: u64 = counts.filter_map(|it| it.trim().parse::<u64>().ok()).sum();
    pages >> 8
}

fn plain_available_mib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse::<u64>().unwrap() >> 10
}

fn start(part: Part) -> Player {
    if part.manner == Manner::Storms {
        // Each pid namespace has its own since Linux 6.14.
        fs::write("/proc/sys/kernel/pid_max", FEW_PIDS).unwrap();
    }
    let mut child = Command::new(env::current_exe().unwrap())
        .arg("role")
        .args([part.mib, part.grows_to, u64::from(part.threads)].map(|it| it.to_string()))
        .arg(part.manner.word())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut told = BufReader::new(child.stdout.take().unwrap());
    told.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let pid = Pid::from_child(&child);
    fs::write(
        format!("/proc/{}/oom_score_adj", child.id()),
        part.adj.to_string(),
    )
    .unwrap();
    for task in fs::read_dir(format!("/proc/{}/task", child.id())).unwrap() {
        let tid = task.unwrap().file_name().to_string_lossy().parse().ok();
        setpriority_process(tid.and_then(Pid::from_raw), part.nice).unwrap();
    }
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    Player {
        child,
        pidfd,
        part,
        dead: None,
        told,
    }
}

/// Runs the arena once: `right extra back gone`, times in milliseconds or -1, then microseconds that
/// somebody waited for memory, and the killer's microseconds of CPU, switches and KiB (PSS).
pub(crate) fn run(scenario: Scenario, killer: Killer, large: u64) -> String {
    let folder = env::temp_dir().join(format!(
        "exithand-arena-{}-{}",
        scenario.word(),
        killer.word()
    ));
    fs::create_dir_all(&folder).unwrap();
    let mut players: Vec<Player> = scenario.parts(large).into_iter().map(start).collect();
    let frozen = players.iter().find(|it| it.part.manner == Manner::Frozen);
    let freezer = frozen.map(|it| Freezer::freeze(it.child.id()));
    let level = available_mib() - scenario.margin(large);
    let back_mib = scenario.comes_back(large);
    // The others go by what the kernel calls available.
    let theirs = if killer == Killer::Exithand {
        level
    } else {
        plain_available_mib() - scenario.margin(large)
    };
    let mut daemon = killer.start(theirs, back_mib / 2, &folder);
    // It has settled once it waits for something.
    settle(daemon.id());
    let (before, stalled) = (cost::of(daemon.id()), cost::stalled_us());
    for player in &mut players {
        // Whoever is frozen is told nothing.
        drop(player.child.stdin.as_mut().unwrap().write_all(b"go\n"));
    }
    let seen = watch(&mut players, level, back_mib);
    let stalled = cost::stalled_us() - stalled;
    let after = cost::of(daemon.id());
    drop(freezer);
    let pidfd = pidfd_open(Pid::from_child(&daemon), PidfdFlags::empty()).unwrap();
    pidfd_send_signal(pidfd, Signal::KILL).unwrap();
    daemon.wait().unwrap();
    let dead = |should: bool| {
        let count = players
            .iter()
            .filter(|it| it.dead.is_some() && it.part.should_die == should);
        u64::try_from(count.count()).unwrap()
    };
    let extra = dead(false) + dead(true).saturating_sub(scenario.enough(large));
    let right = u64::from(seen.1 >= 0 && dead(false) == 0);
    let (cpu, switches) = (
        after.cpu_us.saturating_sub(before.cpu_us),
        after.switches.saturating_sub(before.switches),
    );
    let (back, gone, pss) = (seen.0, seen.1, after.pss_kib);
    format!("{right} {extra} {back} {gone} {stalled} {cpu} {switches} {pss}")
}

/// Waits until a process has slept through a hundred looks in a row.
fn settle(pid: u32) {
    let mut calm = 0;
    while calm < 100 {
        tick(&mut []);
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let state = stat
            .rsplit_once(") ")
            .and_then(|(_, rest)| rest.chars().next());
        assert_ne!(state, Some('Z'), "the killer has ended: see its log");
        calm = if state == Some('S') { calm + 1 } else { 0 };
    }
}

/// Waits for a death, at most for a millisecond.
fn tick(fds: &mut [PollFd<'_>]) {
    let millisecond = Timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000,
    };
    poll(fds, Some(&millisecond)).unwrap();
}

/// Whoever makes children has said who they are.
fn hear_of_children(players: &mut [Player], children: &mut Vec<OwnedFd>) {
    for player in players
        .iter_mut()
        .filter(|it| it.part.manner == Manner::Bombs)
    {
        let mut line = String::new();
        while !player.told.buffer().is_empty() || is_readable(player.told.get_ref().as_fd()) {
            line.clear();
            // Nothing where the process is gone.
            if player.told.read_line(&mut line).unwrap() == 0 {
                break;
            }
            let pid = line.trim().parse().ok().and_then(Pid::from_raw);
            children.push(pidfd_open(pid.unwrap(), PidfdFlags::empty()).unwrap());
        }
    }
}

fn has_ended(pidfd: &OwnedFd) -> bool {
    is_readable(pidfd.as_fd())
}

fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).unwrap() > 0
}

/// Watches deaths and memory; returns when it was back and when the first victim was gone.
fn watch(players: &mut [Player], level: u64, back_mib: u64) -> (i64, i64) {
    let begin = Instant::now();
    let mut crossed: Option<Duration> = None;
    let (mut back, mut gone) = (None, None);
    let mut children = Vec::new();
    while begin.elapsed() < LONGEST {
        let alive: Vec<usize> = (0..players.len())
            .filter(|it| players[*it].dead.is_none())
            .collect();
        let mut fds: Vec<PollFd<'_>> = alive
            .iter()
            .map(|it| PollFd::new(&players[*it].pidfd, PollFlags::IN))
            .collect();
        tick(&mut fds);
        let dead: Vec<usize> = alive
            .iter()
            .zip(&fds)
            .filter(|(_, fd)| !fd.revents().is_empty())
            .map(|(at, _)| *at)
            .collect();
        let now = begin.elapsed();
        hear_of_children(players, &mut children);
        if children.iter().any(has_ended) {
            gone = gone.or(Some(now));
        }
        for at in dead {
            players[at].dead = Some(now);
            if players[at].part.should_die {
                gone = gone.or(Some(now));
            }
        }
        let available = available_mib();
        if crossed.is_none() && available < level {
            crossed = Some(now);
        }
        if crossed.is_some() && back.is_none() && available > level + back_mib / 2 {
            back = Some(now);
        }
        let settled = gone.filter(|_| back.is_some());
        if settled.is_some_and(|at| now.saturating_sub(at) > AFTER) {
            break;
        }
    }
    let ms = |at: Option<Duration>| {
        let since = crossed
            .zip(at)
            .map(|(crossed, at)| at.saturating_sub(crossed).as_millis());
        since.map_or(-1, |ms| i64::try_from(ms).unwrap())
    };
    (ms(back), ms(gone))
}
