//! Watches deaths and memory.

use std::fs;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;

use super::part::Manner;
use super::player::{Player, is_readable};

/// How long it is watched for extra kills after the last death that is waited for.
const AFTER: Duration = Duration::from_millis(1500);

/// What is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Where the clock starts: so much is left, in MiB.
    pub level_mib: u64,
    /// Memory is back with so much more than that.
    pub back_mib: u64,
    /// The victim is gone once so many of those who should die have died.
    pub deaths: usize,
    /// How long to watch at most.
    pub longest: Duration,
}

/// What was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// How long after the crossing of the level memory was back.
    pub back: Option<Duration>,
    /// How long after it the victim was gone.
    pub gone: Option<Duration>,
}

/// Watches until all is over, looking at `available` each millisecond.
pub fn watch(players: &mut [Player], available: impl Fn() -> u64, wanted: &Wanted) -> Seen {
    let begin = Instant::now();
    let mut crossed: Option<Duration> = None;
    let (mut back, mut gone) = (None, None);
    let mut children = Vec::new();
    while begin.elapsed() < wanted.longest {
        tick_for(players);
        let now = begin.elapsed();
        for player in players.iter_mut() {
            if player.part.manner == Manner::Bombs {
                player.hear_of_children(&mut children);
            }
            if player.dead.is_none() && is_readable(player.pidfd.as_fd()) {
                player.dead = Some(now);
            }
        }
        let right = players
            .iter()
            .filter(|it| it.dead.is_some() && it.part.should_die);
        if right.count() >= wanted.deaths || children.iter().any(|it| is_readable(it.as_fd())) {
            gone = gone.or(Some(now));
        }
        let left = available();
        if crossed.is_none() && left < wanted.level_mib {
            crossed = Some(now);
        }
        if crossed.is_some() && back.is_none() && left > wanted.level_mib + wanted.back_mib {
            back = Some(now);
        }
        let settled = gone.filter(|_| back.is_some());
        if settled.is_some_and(|at| now.saturating_sub(at) > AFTER) {
            break;
        }
    }
    let since = |at: Option<Duration>| {
        let (crossed, at) = crossed.zip(at)?;
        Some(at.saturating_sub(crossed))
    };
    Seen {
        back: since(back),
        gone: since(gone),
    }
}

/// Waits for a death, at most for a millisecond.
fn tick_for(players: &[Player]) {
    let alive = players.iter().filter(|it| it.dead.is_none());
    let mut fds: Vec<PollFd<'_>> = alive
        .map(|it| PollFd::new(&it.pidfd, PollFlags::IN))
        .collect();
    tick(&mut fds);
}

fn tick(fds: &mut [PollFd<'_>]) {
    let millisecond = Timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000,
    };
    poll(fds, Some(&millisecond)).unwrap();
}

/// Waits until a process has slept through a hundred looks in a row.
pub fn settle(pid: u32) {
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
