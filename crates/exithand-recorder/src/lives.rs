//! Which processes live, with which threads, by what the process connector tells. Pure.
//!
//! The connector tells of threads. A process has ended when none of its threads is left, and then
//! the last row is the one that counts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::connector::Event;
use crate::facts::{Facts, Identity};

/// The living, by pid.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    processes: HashMap<u32, Life>,
}

/// One process that lives.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    threads: HashSet<u32>,
    pub(crate) kind: Kind,
    /// Whether its end has been told already.
    pub(crate) is_told: bool,
    /// When it was forked, on the connector's clock; `None` for one that is older than the watch.
    pub(crate) forked_ns: Option<u64>,
    /// `None` where it was gone before anybody could look.
    pub(crate) identity: Option<Identity>,
    pub(crate) facts: Arc<Facts>,
}

/// What lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Process,
    /// A thread of the kernel, whose end is nobody's concern.
    KernelThread,
}

/// The parent of the kernel's threads. What it forks may still execute something.
const KTHREADD: u32 = 2;

/// What is to be done about an event.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing.
    Nothing,
    /// A process began: look for its identity.
    Begun(u32),
    /// A process executes something else: look at it again.
    Changed(u32),
    /// A process ended.
    Ended(Ended),
    /// A process ended of whose life nothing is known.
    Unseen,
}

/// The end of a process, as the connector tells it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    /// Of its last thread, which is that of the process.
    pub(crate) status: i32,
    pub(crate) at_ns: u64,
    pub(crate) life: Life,
}

impl Lives {
    /// Takes in a process that lives already.
    pub(crate) fn meet(
        &mut self,
        pid: u32,
        threads: impl IntoIterator<Item = u32>,
        kind: Kind,
        identity: Option<Identity>,
        facts: Arc<Facts>,
    ) {
        self.processes.insert(
            pid,
            Life {
                threads: threads.into_iter().collect(),
                kind,
                is_told: false,
                forked_ns: None,
                identity,
                facts,
            },
        );
    }

    /// Forgets all, after a loss.
    pub(crate) fn forget(&mut self) {
        self.processes.clear();
    }

    pub(crate) fn get(&self, pid: u32) -> Option<&Life> {
        self.processes.get(&pid)
    }

    pub(crate) fn get_mut(&mut self, pid: u32) -> Option<&mut Life> {
        self.processes.get_mut(&pid)
    }

    /// Takes in an event.
    pub(crate) fn observe(&mut self, event: Event) -> Step {
        match event {
            Event::Fork {
                parent,
                child,
                at_ns,
            } => {
                // Until it executes something, it is what its parent is.
                let is_kernel = parent == KTHREADD;
                let parent = self.processes.get(&parent);
                let kind = match parent {
                    _ if is_kernel => Kind::KernelThread,
                    Some(parent) => parent.kind,
                    None => Kind::Process,
                };
                let life = Life {
                    threads: HashSet::from([child]),
                    kind,
                    is_told: false,
                    forked_ns: Some(at_ns),
                    identity: None,
                    facts: parent.map_or_else(Arc::default, |it| Arc::clone(&it.facts)),
                };
                self.processes.insert(child, life);
                Step::Begun(child)
            }
            Event::ThreadFork { process, tid } => {
                if let Some(life) = self.processes.get_mut(&process) {
                    life.threads.insert(tid);
                }
                Step::Nothing
            }
            Event::Exec { process } => {
                if let Some(life) = self.processes.get_mut(&process) {
                    life.threads = HashSet::from([process]);
                    life.kind = Kind::Process;
                }
                Step::Changed(process)
            }
            Event::Exit {
                process,
                parent,
                status,
                at_ns,
            } => self.thread_ended(process, process, parent, status, at_ns),
            Event::ThreadExit {
                process,
                tid,
                parent,
                status,
                at_ns,
            } => self.thread_ended(process, tid, parent, status, at_ns),
            _ => Step::Nothing,
        }
    }

    fn thread_ended(
        &mut self,
        process: u32,
        tid: u32,
        parent: u32,
        status: i32,
        at_ns: u64,
    ) -> Step {
        let Some(life) = self.processes.get_mut(&process) else {
            return if tid == process {
                Step::Unseen
            } else {
                Step::Nothing
            };
        };
        life.threads.remove(&tid);
        if !life.threads.is_empty() {
            return Step::Nothing;
        }
        match self.processes.remove(&process) {
            Some(life) => Step::Ended(Ended {
                pid: process,
                parent,
                status,
                at_ns,
                life,
            }),
            None => Step::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: u32 = 10;

    fn fork() -> Event {
        Event::Fork {
            parent: 1,
            child: P,
            at_ns: 5,
        }
    }

    fn thread(tid: u32) -> Event {
        Event::ThreadFork { process: P, tid }
    }

    fn exit(status: i32) -> Event {
        Event::Exit {
            process: P,
            parent: 1,
            status,
            at_ns: 9,
        }
    }

    fn thread_exit(tid: u32, status: i32) -> Event {
        Event::ThreadExit {
            process: P,
            tid,
            parent: 1,
            status,
            at_ns: 9,
        }
    }

    /// The statuses of the ends that a stream of events tells.
    fn ends(events: &[Event]) -> Vec<i32> {
        let mut lives = Lives::default();
        let steps = events.iter().map(|event| lives.observe(*event));
        steps
            .filter_map(|step| match step {
                Step::Ended(ended) if ended.life.kind == Kind::Process => Some(ended.status),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_process_ends_with_its_last_thread() {
        for (events, expected) in [
            (vec![fork(), exit(3)], vec![3]),
            (vec![fork(), thread(11), exit(5)], vec![]),
            (
                vec![fork(), thread(11), exit(5), thread_exit(11, 9)],
                vec![9],
            ),
            (
                vec![fork(), thread(11), thread_exit(11, 7), exit(7)],
                vec![7],
            ),
            // The other thread executes something and becomes the leader.
            (
                vec![
                    fork(),
                    thread(11),
                    exit(0),
                    Event::Exec { process: P },
                    exit(4),
                ],
                vec![4],
            ),
            (vec![fork(), exit(1), fork(), exit(2)], vec![1, 2]),
            (vec![exit(1)], vec![]),
        ] {
            assert_eq!(ends(&events), expected, "{events:?}");
        }
    }

    #[test]
    fn an_end_without_a_life_is_no_end_that_could_be_told() {
        let mut lives = Lives::default();
        assert!(matches!(lives.observe(exit(1)), Step::Unseen));
        assert!(matches!(lives.observe(thread_exit(11, 1)), Step::Nothing));
    }

    #[test]
    fn threads_of_the_kernel_do_not_count_until_they_execute_something() {
        let by_kernel = Event::Fork {
            parent: KTHREADD,
            child: P,
            at_ns: 5,
        };
        assert_eq!(ends(&[by_kernel, exit(0)]), Vec::<i32>::new());
        let exec = Event::Exec { process: P };
        assert_eq!(ends(&[by_kernel, exec, exit(256)]), [256]);
    }

    #[test]
    fn a_child_is_what_its_parent_is_until_it_executes_something() {
        let mut lives = Lives::default();
        let facts = Facts {
            comm: "sh".into(),
            ..Facts::default()
        };
        lives.meet(1, [1], Kind::Process, None, Arc::new(facts));
        lives.observe(fork());
        assert_eq!(lives.get_mut(P).unwrap().facts.comm, "sh");
    }
}
