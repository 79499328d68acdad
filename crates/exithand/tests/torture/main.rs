//! Two hundred thousand short processes share seventeen pids, and everybody who waits for one of them
//! hears how that one ended.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(
    clippy::print_stdout,
    reason = "the table is captured with the test's output"
)]

mod ledger;
mod waiter;

use std::collections::{BTreeMap, HashSet};
use std::thread;
use std::time::{Duration, Instant};

use exithand_testkit::{Need, actor, private_pid_namespace, test_name};
use rustix::process::test_kill_process;

use ledger::{Ledger, Record};
use waiter::{Heard, Tally, Waiter};

const PROCESSES: usize = 200_000;
/// Processes forked together; with the zombies of the cohort before, twice as many pids are taken.
const COHORT: usize = 8;
/// The first pid that is given out again and again; threads started in time have lower ones.
const FIRST_PID: i32 = 300;
/// One pid more than is taken at most. Whoever watches numbers is fooled by 6 processes of 10 then;
/// with 4 to spare it was 5, with 24 it was 2.
const PID_MAX: i32 = 317;
const WAITERS: u64 = 24;

#[test]
fn every_waiter_hears_how_its_own_process_ended() {
    let pid_max = u32::try_from(PID_MAX).unwrap();
    private_pid_namespace(pid_max).run(test_name!(), || {
        let started = Instant::now();
        let ledger = Ledger::default();
        let (tallies, naive) = storm(&ledger);
        let verdict = Verdict::on(&ledger, &tallies);
        print_table(&ledger, &verdict, &naive, started.elapsed());
        assert_eq!(ledger.len(), PROCESSES);
        assert_eq!(
            verdict.wrong,
            Vec::<String>::new(),
            "wrong process or outcome"
        );
        assert_eq!(verdict.missed, 0, "ends missed");
        assert_eq!(verdict.stale_opened, 0, "stale tokens opened");
        if Need::PidfdInfoExit.met() {
            assert_eq!(
                verdict.unknown, 0,
                "outcomes unknown though the kernel tells"
            );
        }
        assert!(
            verdict.seen.len() > PROCESSES / 20,
            "the waiters saw too few"
        );
        assert!(verdict.stale_refused > 1000, "too few stale tokens");
    });
}

/// Runs the spawner, the waiters and the naive poller to the end.
fn storm(ledger: &Ledger) -> (Vec<Tally>, Naive) {
    thread::scope(|scope| {
        let waiters: Vec<_> = (1..=WAITERS)
            .map(|seed| scope.spawn(move || Waiter::new(ledger, seed).run()))
            .collect();
        let naive = scope.spawn(|| poll_by_pid(ledger));
        // Only now that all threads are there: their pids are below the first that is reused.
        let mut spawner = actor(&["storm", &PROCESSES.to_string(), &COHORT.to_string()]);
        spawner.go();
        loop {
            let line = spawner.read_line();
            if line.is_empty() {
                break;
            }
            ledger.enter(&line);
        }
        ledger.close();
        assert_eq!(
            spawner.wait(),
            0,
            "the spawner compares each end with wait4"
        );
        let tallies = waiters.into_iter().map(|it| it.join().unwrap()).collect();
        (tallies, naive.join().unwrap())
    })
}

/// What comes of watching numbers.
#[derive(Default)]
struct Naive {
    watched: usize,
    fooled: usize,
}

/// Does what tools without pidfds do: asks `kill(pid, 0)` whether the process is still there, and
/// asks again a little later. Here that is some 30 ms; tools that sleep take longer.
fn poll_by_pid(ledger: &Ledger) -> Naive {
    const INTERVAL: u64 = 16;
    let mut naive = Naive::default();
    let mut watched: Vec<Record> = Vec::new();
    let (mut turn, mut asked) = (0, 0);
    while let Some(view) = ledger.next(&mut turn, 0) {
        naive.watched += 1;
        watched.push(view.newest);
        if turn < asked + INTERVAL {
            continue;
        }
        asked = turn;
        watched.retain(|record| {
            let believed_alive = test_kill_process(record.pid).is_ok();
            // It was reaped before the question.
            let gone = record.number < view.reaped;
            naive.fooled += usize::from(believed_alive && gone);
            believed_alive && !gone
        });
    }
    naive
}

/// All that was heard, compared with the ledger.
#[derive(Default)]
struct Verdict {
    wrong: Vec<String>,
    unknown: usize,
    missed: usize,
    absent: usize,
    stale_refused: usize,
    stale_opened: usize,
    waits: usize,
    seen: HashSet<u32>,
    sources: BTreeMap<&'static str, usize>,
}

impl Verdict {
    fn on(ledger: &Ledger, tallies: &[Tally]) -> Self {
        let mut verdict = Self::default();
        for tally in tallies {
            verdict.missed += tally.missed;
            verdict.absent += tally.absent;
            verdict.stale_refused += tally.stale_refused;
            verdict.stale_opened += tally.stale_opened;
            for heard in &tally.heard {
                verdict.add(ledger, heard);
            }
        }
        verdict
    }

    fn add(&mut self, ledger: &Ledger, heard: &Heard) {
        let exit = &heard.exit;
        let inode = exit
            .token
            .inode()
            .expect("pidfs is older than private pid_max");
        let record = ledger.who(inode).expect("born of the spawner");
        self.waits += 1;
        self.seen.insert(record.number);
        let source = exit.source.map_or("nobody", |source| source.as_str());
        *self.sources.entry(source).or_default() += 1;
        self.unknown += usize::from(!exit.outcome.is_known());
        let right = exit.outcome == record.outcome || !exit.outcome.is_known();
        if !right || heard.opened != record.pid {
            self.wrong.push(format!(
                "{exit:?} for {record:?}, opened as {}",
                heard.opened
            ));
        }
    }
}

fn print_table(ledger: &Ledger, verdict: &Verdict, naive: &Naive, took: Duration) {
    let pids = usize::try_from(PID_MAX - FIRST_PID).unwrap();
    let rows = [
        ("processes", ledger.len()),
        ("pids they shared", pids),
        ("processes per pid", ledger.len() / pids),
        ("waiters", usize::try_from(WAITERS).unwrap()),
        ("waits", verdict.waits),
        ("different processes waited for", verdict.seen.len()),
        ("pids found free", verdict.absent),
        ("tokens of the dead refused", verdict.stale_refused),
        ("tokens of the dead opened", verdict.stale_opened),
        ("ends missed", verdict.missed),
        ("wrong process or outcome", verdict.wrong.len()),
        ("outcomes unknown", verdict.unknown),
        ("kill(pid, 0): processes watched", naive.watched),
        ("kill(pid, 0): dead, believed alive", naive.fooled),
    ];
    for (what, count) in rows {
        println!("{what:36} {count:>8}");
    }
    for (source, count) in &verdict.sources {
        println!("outcome from {source:23} {count:>8}");
    }
    println!("{:36} {:>7.1}s", "took", took.as_secs_f64());
}
