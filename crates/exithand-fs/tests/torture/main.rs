//! Forty thousand short processes share seventeen pids, and whoever reads the files of one of
//! them is told of that one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(
    clippy::print_stdout,
    reason = "the table is captured with the test's output"
)]

#[path = "../../../exithand/tests/torture/ledger.rs"]
#[expect(dead_code, reason = "these readers have no use for old tokens")]
mod ledger;
#[path = "../mounted/mod.rs"]
mod mounted;
mod reader;

use std::collections::{BTreeMap, HashSet};
use std::sync::mpsc::channel;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use exithand_testkit::{Need, actor, private_pid_namespace, test_name};

use ledger::Ledger;
use mounted::{Mounted, need_mounts};
use reader::{Heard, Reader, Said, Tally};

const PROCESSES: usize = 40_000;
/// Processes forked together; with the zombies of the cohort before, twice as many pids are taken.
const COHORT: usize = 8;
/// The first pid that is given out again and again; threads started in time have lower ones.
const FIRST_PID: i32 = 300;
/// One pid more than is taken at most.
const PID_MAX: i32 = 317;
const READERS: u64 = 24;
/// How often readers try to open something before a cohort ends.
const OPENS: u32 = 8;
/// Whoever reads for longer once all processes are gone has missed an end.
const FOREVER: Duration = Duration::from_mins(1);

#[test]
fn every_reader_is_told_of_the_process_it_opened() {
    need_mounts!();
    let pid_max = u32::try_from(PID_MAX).unwrap();
    private_pid_namespace(pid_max).run(test_name!(), || {
        let started = Instant::now();
        let ledger = Ledger::default();
        let tallies = storm(&ledger);
        let verdict = Verdict::on(&ledger, &tallies);
        verdict.print(&ledger, started.elapsed());
        assert_eq!(ledger.len(), PROCESSES);
        assert_eq!(verdict.wrong, Vec::<String>::new(), "process or outcome");
        assert_eq!(verdict.missed, 0, "ends missed");
        if Need::PidfdInfoExit.met() {
            assert_eq!(verdict.unknown, 0, "though the kernel tells");
        }
        assert!(
            verdict.seen.len() > PROCESSES / 20,
            "the readers saw too few"
        );
        assert!(
            verdict.left > 100,
            "too few directories outlived their process"
        );
    });
}

/// Runs the spawner, the readers and the server to the end.
fn storm(ledger: &Ledger) -> Vec<Tally> {
    let mounted = Mounted::new();
    let (tell, told) = channel();
    let opens = Opens::default();
    thread::scope(|scope| {
        for seed in 1..=READERS {
            let (tell, root, opens) = (tell.clone(), mounted.root().to_owned(), &opens);
            scope.spawn(move || tell.send(Reader::new(ledger, opens, root, seed).run()));
        }
        drop(tell);
        // Only now that all threads are there: their pids are below the first that is reused.
        let size = COHORT.to_string();
        let mut spawner = actor(&["storm", &PROCESSES.to_string(), &size, "paced"]);
        spawner.go();
        spawner.go();
        let mut in_step = true;
        loop {
            let line = spawner.read_line();
            if line.is_empty() {
                break;
            }
            ledger.enter(&line);
            if line.starts_with("r ") && !line.ends_with(&format!(" {PROCESSES}")) {
                in_step = in_step && opens.await_more(OPENS);
                spawner.go();
            }
        }
        ledger.close();
        assert_eq!(
            spawner.wait(),
            0,
            "the spawner compares each end with wait4"
        );
        let mut tallies = Vec::new();
        while let Ok(tally) = told.recv_timeout(FOREVER) {
            tallies.push(tally);
        }
        // Those who still read are cut off by the end of the server, and say that.
        drop(mounted);
        tallies.extend(told);
        tallies
    })
}

/// Counts the tries of readers to open something; each tries once after each cohort's birth.
#[derive(Default)]
pub(crate) struct Opens {
    count: Mutex<u32>,
    counted: Condvar,
}

impl Opens {
    pub(crate) fn add(&self) {
        *self.count.lock().unwrap() += 1;
        self.counted.notify_one();
    }

    /// Blocks until there were so many since the last time. Whoever is blocked in a read has opened
    /// since then: all who were there before have ended. False if readers have missed that.
    fn await_more(&self, more: u32) -> bool {
        let few = |count: &mut u32| *count < more;
        let count = self.count.lock().unwrap();
        let (mut count, waited) = self
            .counted
            .wait_timeout_while(count, FOREVER, few)
            .unwrap();
        *count = 0;
        !waited.timed_out()
    }
}

/// All that was heard, compared with the ledger.
#[derive(Default)]
struct Verdict {
    wrong: Vec<String>,
    unknown: usize,
    missed: usize,
    absent: usize,
    left: usize,
    seen: HashSet<u32>,
    files: BTreeMap<&'static str, usize>,
}

impl Verdict {
    fn on(ledger: &Ledger, tallies: &[Tally]) -> Self {
        let mut verdict = Self::default();
        for tally in tallies {
            verdict.missed += tally.missed;
            verdict.absent += tally.absent;
            verdict.left += tally.left;
            verdict.wrong.extend_from_slice(&tally.wrong);
            for heard in &tally.heard {
                verdict.add(ledger, heard);
            }
        }
        verdict
    }

    fn add(&mut self, ledger: &Ledger, heard: &Heard) {
        let Some(record) = ledger.who(heard.inode) else {
            self.wrong.push(format!("{heard:?} for nobody"));
            return;
        };
        self.seen.insert(record.number);
        *self.files.entry(heard.said.file()).or_default() += 1;
        let is_right = match heard.said {
            Said::End => true,
            Said::Token(pid) => pid == record.pid,
            Said::Outcome(outcome) | Said::Siginfo(Some((outcome, ..))) if outcome.is_known() => {
                outcome == record.outcome
            }
            Said::Outcome(_) | Said::Siginfo(_) => {
                self.unknown += 1;
                true
            }
        };
        let is_named = match heard.said {
            Said::Siginfo(Some((_, pid, uid))) => pid == record.pid && uid == 0,
            _ => true,
        };
        if !is_right || !is_named || heard.opened != record.pid {
            self.wrong.push(format!("{heard:?} for {record:?}"));
        }
    }

    fn print(&self, ledger: &Ledger, took: Duration) {
        let pids = usize::try_from(PID_MAX - FIRST_PID).unwrap();
        let rows = [
            ("processes", ledger.len()),
            ("pids they shared", pids),
            ("readers", usize::try_from(READERS).unwrap()),
            ("different processes read of", self.seen.len()),
            ("pids found free", self.absent),
            ("directories of the dead, all empty", self.left),
            ("ends missed", self.missed),
            ("wrong process or outcome", self.wrong.len()),
            ("outcomes unknown", self.unknown),
        ];
        for (what, count) in rows {
            println!("{what:36} {count:>8}");
        }
        for (file, count) in &self.files {
            println!("read to the end: {file:19} {count:>8}");
        }
        println!("{:36} {:>7.1}s", "took", took.as_secs_f64());
    }
}
