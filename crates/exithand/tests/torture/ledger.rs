//! What the spawner says about its processes: the truth everybody else is compared with.

use std::sync::{Condvar, Mutex, MutexGuard};

use exithand::{Outcome, Pid, Token};

/// One process, as its parent knew it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    /// Its place in the order of birth.
    pub(crate) number: u32,
    /// Its pid, which thousands of others have too.
    pub(crate) pid: Pid,
    /// Its pidfs inode, for every second process; the parent opens no pidfd for the others.
    pub(crate) inode: Option<u64>,
    /// How it ended, by the word of `wait4(2)`.
    pub(crate) outcome: Outcome,
}

impl Record {
    /// The token, where the parent knows it.
    pub(crate) fn token(&self) -> Option<Token> {
        Some(format!("{}:{}", self.pid, self.inode?).parse().unwrap())
    }

    fn parse(text: &str) -> Self {
        let numbers: Vec<u64> = text.split(' ').map(|it| it.parse().unwrap()).collect();
        let &[number, pid, inode, status] = numbers.as_slice() else {
            panic!("no record: {text:?}");
        };
        let status = i32::try_from(status).unwrap();
        Self {
            number: number.try_into().unwrap(),
            pid: Pid::from_raw(pid.try_into().unwrap()).unwrap(),
            inode: (inode != 0).then_some(inode),
            outcome: Outcome::from_wait_status(status).unwrap(),
        }
    }
}

/// The records so far, in order of birth.
#[derive(Default)]
pub(crate) struct Ledger {
    pages: Mutex<Pages>,
    turned: Condvar,
}

#[derive(Default)]
struct Pages {
    records: Vec<Record>,
    reaped: usize,
    turns: u64,
    closed: bool,
}

/// What a reader sees at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// The process born last.
    pub(crate) newest: Record,
    /// One that is surely gone, if there is any yet.
    pub(crate) stale: Option<Record>,
    /// All processes with lower numbers are reaped.
    pub(crate) reaped: u32,
}

impl Ledger {
    /// Enters one line of the spawner.
    pub(crate) fn enter(&self, line: &str) {
        let mut pages = self.lock();
        match line.split_at_checked(2) {
            Some(("p ", record)) => pages.records.push(Record::parse(record)),
            Some(("r ", number)) => {
                pages.reaped = number.parse().unwrap();
                pages.turns += 1;
                self.turned.notify_all();
            }
            _ => panic!("the spawner said {line:?}"),
        }
    }

    /// Says that no more will come.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.turned.notify_all();
    }

    /// Blocks until the ledger has grown since `turn`; `None` once it is closed. `dice` chooses
    /// the stale record.
    pub(crate) fn next(&self, turn: &mut u64, dice: u64) -> Option<View> {
        let idle = |pages: &mut Pages| pages.turns == *turn && !pages.closed;
        let pages = self.turned.wait_while(self.lock(), idle).unwrap();
        *turn = pages.turns;
        if pages.closed {
            return None;
        }
        let past = u64::try_from(pages.reaped).unwrap();
        let stale = dice
            .checked_rem(past)
            .map(|at| usize::try_from(at).unwrap());
        Some(View {
            newest: *pages.records.last()?,
            stale: stale.map(|at| pages.records[at]),
            reaped: pages.reaped.try_into().unwrap(),
        })
    }

    /// Finds the process with this inode.
    ///
    /// Inodes are given out in order of birth, and nobody else is born in this namespace: what lies
    /// between two neighbours known by inode is the one between them.
    pub(crate) fn who(&self, inode: u64) -> Option<Record> {
        let pages = self.lock();
        let even = |at: usize| pages.records[2 * at].inode.unwrap();
        let (mut low, mut high) = (0, pages.records.len().div_ceil(2));
        while low < high {
            let middle = usize::midpoint(low, high);
            if even(middle) <= inode {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let before = 2 * low.checked_sub(1)?;
        let exact = pages.records[before].inode == Some(inode);
        pages.records.get(before + usize::from(!exact)).copied()
    }

    /// Returns how many processes there were.
    pub(crate) fn len(&self) -> usize {
        self.lock().records.len()
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap()
    }
}
