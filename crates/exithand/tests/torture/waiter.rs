//! Somebody who opens processes by whatever name comes along, and waits for them.

use std::time::Duration;

use exithand::{Count, Deadline, Error, Exit, ExitHandle, Pid, Until, WaitSet};

use crate::ledger::{Ledger, Record, View};
use crate::{FIRST_PID, PID_MAX};

/// Handles collected for one wait set.
const HANDFUL: usize = 6;
/// No process lives so long: whoever waits until then has missed its end.
const FOREVER: Duration = Duration::from_secs(100);

/// One end, as a waiter heard it.
pub(crate) struct Heard {
    /// The number under which the process was opened.
    pub(crate) opened: Pid,
    /// What the library said.
    pub(crate) exit: Exit,
}

/// All that a waiter met with.
#[derive(Default)]
pub(crate) struct Tally {
    /// The ends it heard of.
    pub(crate) heard: Vec<Heard>,
    /// Waits that came to no end.
    pub(crate) missed: usize,
    /// Numbers that nobody had.
    pub(crate) absent: usize,
    /// Tokens of the dead that were refused, as they must be.
    pub(crate) stale_refused: usize,
    /// Tokens of the dead that were opened nevertheless.
    pub(crate) stale_opened: usize,
}

/// A thread that waits.
pub(crate) struct Waiter<'a> {
    ledger: &'a Ledger,
    dice: u64,
    handful: Vec<ExitHandle>,
    tally: Tally,
}

impl<'a> Waiter<'a> {
    /// Makes one; each `seed`, not 0, gives another course.
    pub(crate) fn new(ledger: &'a Ledger, seed: u64) -> Self {
        Self {
            ledger,
            dice: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            handful: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Waits for one process after another until the ledger is closed.
    pub(crate) fn run(mut self) -> Tally {
        let mut turn = 0;
        loop {
            let dice = self.roll();
            let Some(view) = self.ledger.next(&mut turn, dice) else {
                break;
            };
            let pid = match self.roll() % 2 {
                0 => view.newest.pid,
                _ => self.random_pid(),
            };
            match self.roll() % 8 {
                0 => self.by_stale_token(&view),
                1 => self.by_token(&view.newest),
                2 | 3 => self.by_pid(pid).map(|handle| self.collect(handle)),
                _ => self.by_pid(pid).map(|handle| self.wait(&handle)),
            };
        }
        self.wait_for_handful();
        self.tally
    }

    /// Whoever has the number is a target, whether it is the one that had it a moment ago or not.
    fn by_pid(&mut self, pid: Pid) -> Option<ExitHandle> {
        match ExitHandle::open(pid) {
            Ok(handle) => return Some(handle),
            Err(Error::NoSuchProcess(absent)) if absent == pid => self.tally.absent += 1,
            Err(error) => panic!("open {pid}: {error}"),
        }
        None
    }

    fn random_pid(&mut self) -> Pid {
        let span = u64::from(FIRST_PID.abs_diff(PID_MAX));
        let pid = FIRST_PID + i32::try_from(self.roll() % span).unwrap();
        Pid::from_raw(pid).unwrap()
    }

    fn by_token(&mut self, record: &Record) -> Option<()> {
        let token = record.token()?;
        match ExitHandle::open_token(&token) {
            Ok(handle) => {
                assert!(handle.token() == token, "{token}: {handle:?}");
                self.wait(&handle);
            }
            Err(Error::Ended(ended)) if ended == token => self.tally.absent += 1,
            Err(error) => panic!("open {token}: {error}"),
        }
        Some(())
    }

    fn by_stale_token(&mut self, view: &View) -> Option<()> {
        let token = view.stale?.token()?;
        match ExitHandle::open_token(&token) {
            Err(Error::Ended(ended)) if ended == token => self.tally.stale_refused += 1,
            Ok(_) => self.tally.stale_opened += 1,
            Err(error) => panic!("open {token}: {error}"),
        }
        Some(())
    }

    fn until(&mut self) -> Until {
        match self.roll() % 2 {
            0 => Until::Ended,
            _ => Until::Reaped,
        }
    }

    fn wait(&mut self, handle: &ExitHandle) {
        let until = self.until();
        match handle.wait(until, Deadline::after(FOREVER)).unwrap() {
            Some(exit) => {
                let again = handle.try_wait().unwrap().expect("it has ended");
                assert_eq!(again.outcome, exit.outcome, "{handle:?} changed its mind");
                assert!(exit.reaped || until == Until::Ended, "{handle:?}");
                self.hear(handle, exit);
            }
            None => self.tally.missed += 1,
        }
    }

    fn collect(&mut self, handle: ExitHandle) {
        self.handful.push(handle);
        if self.handful.len() == HANDFUL {
            self.wait_for_handful();
        }
    }

    /// Two handles of the handful may be for one process, which is one member then.
    fn wait_for_handful(&mut self) {
        let until = self.until();
        let set = WaitSet::new(until).unwrap();
        for handle in self.handful.drain(..) {
            set.add(handle).unwrap();
        }
        let members = set.len();
        let finished = set.wait(Count::All, Deadline::after(FOREVER)).unwrap();
        self.tally.missed += members - finished.len();
        for (_, handle) in finished {
            let exit = handle.try_wait().unwrap().expect("it has ended");
            self.hear(&handle, exit);
        }
    }

    fn hear(&mut self, handle: &ExitHandle, exit: Exit) {
        assert_eq!(exit.token, handle.token());
        let opened = handle.pid().or(exit.token.pid());
        self.tally.heard.push(Heard {
            opened: opened.expect("it was opened by number, or by a token with one"),
            exit,
        });
    }

    fn roll(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice
    }
}
