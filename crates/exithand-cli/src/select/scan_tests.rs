use super::*;

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::select::{Case, Extent, Patterns, Root};

/// What happens to a process between the scan and the second look.
#[derive(Clone)]
enum Fate {
    /// It runs on.
    Stays,
    /// It was reaped before it could be opened.
    GoneAtOpen,
    /// It was reaped after it was opened, and before it was read.
    GoneAtRead,
    /// It was reaped after it was read.
    GoneAfter,
    /// Its pid is that of another process now.
    Reused(Facts),
    /// It is no longer as it was.
    Changed(Facts),
    /// It may no longer be read.
    Hidden,
    /// No descriptor is left for it.
    OutOfDescriptors,
}

struct Fake {
    before: BTreeMap<i32, Facts>,
    fates: BTreeMap<i32, Fate>,
    opened: RefCell<Vec<i32>>,
}

impl Fake {
    fn fate(&self, pid: i32) -> Fate {
        self.fates.get(&pid).cloned().unwrap_or(Fate::Stays)
    }
}

impl System for Fake {
    type Handle = i32;

    fn open(&self, pid: Pid) -> Result<Option<i32>, OpenError> {
        let number = pid.as_raw_nonzero().get();
        self.opened.borrow_mut().push(number);
        match self.fate(number) {
            Fate::GoneAtOpen => Ok(None),
            Fate::OutOfDescriptors => Err(exithand::Error::TooManyFiles {
                limit: 3,
                errno: exithand::Errno::MFILE,
            }
            .into()),
            _ => Ok(Some(number)),
        }
    }

    fn facts(&self, pid: Pid) -> Result<Option<Facts>, OpenError> {
        let number = pid.as_raw_nonzero().get();
        Ok(match self.fate(number) {
            Fate::GoneAtRead | Fate::Hidden => None,
            Fate::Reused(facts) | Fate::Changed(facts) => Some(facts),
            _ => self.before.get(&number).cloned(),
        })
    }

    fn is_reaped(&self, handle: &i32) -> Result<bool, OpenError> {
        Ok(matches!(
            self.fate(*handle),
            Fate::GoneAtRead | Fate::GoneAfter
        ))
    }
}

fn process(number: i32, parent: i32, start_ticks: u64) -> Facts {
    let pid = Pid::from_raw(number).unwrap();
    Facts {
        pid,
        ppid: Pid::from_raw(parent),
        pgrp: None,
        session: None,
        tty: None,
        comm: b"cat".to_vec(),
        cmdline: Vec::new(),
        uid: 0,
        euid: 0,
        gid: 0,
        start_ticks,
        state: b'S',
        cgroups: Vec::new(),
    }
}

/// Three cats, each the child of the one before, and a fate for some.
fn open(
    selector: &Selector,
    fates: impl IntoIterator<Item = (i32, Fate)>,
) -> (Result<Vec<i32>, OpenError>, Vec<i32>) {
    let cats = [process(10, 1, 10), process(11, 10, 11), process(12, 11, 12)];
    let clock = Clock {
        since_boot: Duration::from_secs(1),
        ticks_per_second: 100,
    };
    let table = Table::new(cats.clone(), Pid::from_raw(1000).unwrap(), clock);
    let fake = Fake {
        before: cats.map(|it| (it.pid.as_raw_nonzero().get(), it)).into(),
        fates: fates.into_iter().collect(),
        opened: RefCell::default(),
    };
    let result = open_verified(selector, &table, &fake);
    let pids = |opened: Vec<(i32, Facts)>| opened.into_iter().map(|(pid, _)| pid).collect();
    (result.map(pids), fake.opened.into_inner())
}

fn named_cat(pick: Pick) -> Selector {
    let names = vec!["cat".parse().unwrap()];
    Selector {
        names: Some(Patterns::new(names, Extent::Whole, Case::Distinct).unwrap()),
        pick,
        ..Selector::default()
    }
}

#[test]
fn opens_all_that_match() {
    let (result, _) = open(&named_cat(Pick::All), []);
    assert_eq!(result.unwrap(), [10, 11, 12]);
}

#[test]
fn leaves_out_what_has_ended_and_what_has_its_pid_now() {
    let same_name = Fate::Reused(process(11, 10, 99));
    for fate in [
        Fate::GoneAtOpen,
        Fate::GoneAtRead,
        Fate::GoneAfter,
        same_name,
    ] {
        let (result, _) = open(&named_cat(Pick::All), [(11, fate)]);
        assert_eq!(result.unwrap(), [10, 12]);
    }
}

#[test]
fn leaves_out_what_is_no_longer_like_the_selector() {
    let mut dog = process(11, 10, 11);
    dog.comm = b"dog".to_vec();
    let (result, _) = open(&named_cat(Pick::All), [(11, Fate::Changed(dog))]);
    assert_eq!(result.unwrap(), [10, 12]);
}

#[test]
fn a_descendant_stays_in_the_tree_when_its_parent_ends_meanwhile() {
    let top = Root {
        pid: Pid::from_raw(10).unwrap(),
        start_ticks: 10,
    };
    let selector = Selector {
        trees: vec![top],
        ..Selector::default()
    };
    let orphan = Fate::Changed(process(12, 1, 12));
    let (result, _) = open(&selector, [(11, Fate::GoneAtOpen), (12, orphan)]);
    assert_eq!(result.unwrap(), [10, 12]);
}

#[test]
fn takes_the_next_newest_and_the_next_oldest() {
    let (result, opened) = open(&named_cat(Pick::Newest), [(12, Fate::GoneAfter)]);
    assert_eq!((result.unwrap(), opened), (vec![11], vec![12, 11]));
    let (result, opened) = open(&named_cat(Pick::Oldest), [(10, Fate::GoneAtOpen)]);
    assert_eq!((result.unwrap(), opened), (vec![11], vec![10, 11]));
}

#[test]
fn never_returns_fewer_because_of_an_error() {
    let (result, _) = open(&named_cat(Pick::All), [(12, Fate::OutOfDescriptors)]);
    assert!(matches!(
        result,
        Err(OpenError::Handle(exithand::Error::TooManyFiles { .. }))
    ));
    let (result, _) = open(&named_cat(Pick::All), [(12, Fate::Hidden)]);
    assert!(matches!(result, Err(OpenError::Hidden(_))));
}
