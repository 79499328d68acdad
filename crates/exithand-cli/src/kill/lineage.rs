//! Who descends from whom, by pid, from a stream of fork events and from what a scan found.
//!
//! Pids are reused, yet within a whole stream a pid changes its owner at one kind of event only:
//! a fork that makes a child of that pid. So a pid, read after its last fork event, is exact.
//!
//! While `/proc` is scanned, events of a process come in before the scan has found that the
//! process is a member. They are kept, and replayed with what the scan found.

use std::collections::HashMap;

use exithand_recorder::connector::Event;

/// Names one owner of a pid: how many events had been told when the pid became its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Birth(usize);

/// A member that has come to light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Newborn {
    pub(crate) pid: u32,
    pub(crate) birth: Birth,
    /// Who forked it.
    pub(crate) parent: u32,
}

/// The members of a tree by pid: those alive, and those ended whose pid nobody has taken over.
#[derive(Debug)]
pub(crate) struct Lineage {
    members: HashMap<u32, Birth>,
    /// Members told by somebody else than a fork event, while the log is kept.
    found: HashMap<u32, Vec<Birth>>,
    /// The events since `logged_from`, while a scan is under way.
    log: Option<Vec<Event>>,
    logged_from: usize,
}

impl Lineage {
    /// A lineage of these members, which a scan is about to complete.
    pub(crate) fn new(members: impl IntoIterator<Item = u32>) -> Self {
        let mut lineage = Self {
            members: HashMap::new(),
            found: HashMap::new(),
            log: Some(Vec::new()),
            logged_from: 0,
        };
        for pid in members {
            lineage.find(pid);
        }
        lineage
    }

    /// The birth of the member that owns `pid` now.
    pub(crate) fn birth(&self, pid: u32) -> Option<Birth> {
        self.members.get(&pid).copied()
    }

    /// Takes in the next event. Returns the member it made.
    pub(crate) fn observe(&mut self, event: Event) -> Option<Newborn> {
        let birth = if let Some(log) = &mut self.log {
            log.push(event);
            Birth(self.logged_from + log.len())
        } else {
            self.logged_from += 1;
            Birth(self.logged_from)
        };
        apply(&mut self.members, event, birth)
    }

    /// Takes in that the process which owns `pid` now is a member.
    ///
    /// The caller holds a handle on it and has seen it unreaped after the last event taken in.
    pub(crate) fn find(&mut self, pid: u32) {
        let birth = self.last_birth(pid);
        self.found.entry(pid).or_default().push(birth);
        self.members.insert(pid, birth);
    }

    /// Works out again who the members are, with all that was found since. Returns those made by
    /// forks that were told before their parent was known.
    pub(crate) fn replay(&mut self) -> Vec<Newborn> {
        let Some(log) = &self.log else {
            return Vec::new();
        };
        let before = self.members.clone();
        let (members, mut newborns) = loop {
            match replay(log, self.logged_from, &self.found) {
                Replayed::Members(members, newborns) => break (members, newborns),
                Replayed::Revealed(pid, birth) => self.found.entry(pid).or_default().push(birth),
            }
        };
        self.members = members;
        newborns.retain(|it| {
            self.members.get(&it.pid) == Some(&it.birth) && before.get(&it.pid) != Some(&it.birth)
        });
        newborns
    }

    /// Ends the scan: from now on every member is known when it forks.
    pub(crate) fn settle(&mut self) {
        self.logged_from += self.log.take().map_or(0, |log| log.len());
        self.found = HashMap::new();
    }

    /// Starts over after a loss of events, with the members that are certain.
    pub(crate) fn restart(&mut self, members: impl IntoIterator<Item = u32>) {
        self.settle();
        // Apart from every birth before the loss.
        self.logged_from += 1;
        self.log = Some(Vec::new());
        self.members = HashMap::new();
        for pid in members {
            self.find(pid);
        }
    }

    fn last_birth(&self, pid: u32) -> Birth {
        let log = self.log.as_deref().unwrap_or_default();
        let last = log.iter().rposition(|event| is_birth_of(*event, pid));
        match last {
            Some(at) => Birth(self.logged_from + at + 1),
            None => Birth(self.logged_from),
        }
    }
}

enum Replayed {
    Members(HashMap<u32, Birth>, Vec<Newborn>),
    /// An exit has told of a member that no scan found and no known member forked. The kernel
    /// leaves the parent out where the process was reaped first, so this is help, not certainty.
    Revealed(u32, Birth),
}

fn replay(log: &[Event], from: usize, found: &HashMap<u32, Vec<Birth>>) -> Replayed {
    let was_found = |pid: u32, birth: Birth| found.get(&pid).is_some_and(|it| it.contains(&birth));
    let mut members: HashMap<u32, Birth> = HashMap::new();
    for &pid in found.keys() {
        if was_found(pid, Birth(from)) {
            members.insert(pid, Birth(from));
        }
    }
    let mut newborns = Vec::new();
    let mut born: HashMap<u32, Birth> = HashMap::new();
    for (at, &event) in log.iter().enumerate() {
        let birth = Birth(from + at + 1);
        match event {
            Event::Fork { child, .. } => {
                born.insert(child, birth);
                newborns.extend(apply(&mut members, event, birth));
                if was_found(child, birth) {
                    members.insert(child, birth);
                }
            }
            Event::Exit {
                process, parent, ..
            } if members.contains_key(&parent) && !members.contains_key(&process) => {
                return Replayed::Revealed(
                    process,
                    born.get(&process).copied().unwrap_or(Birth(from)),
                );
            }
            _ => {}
        }
    }
    Replayed::Members(members, newborns)
}

fn apply(members: &mut HashMap<u32, Birth>, event: Event, birth: Birth) -> Option<Newborn> {
    let Event::Fork { parent, child, .. } = event else {
        return None;
    };
    if members.contains_key(&parent) {
        members.insert(child, birth);
        Some(Newborn {
            pid: child,
            birth,
            parent,
        })
    } else {
        // If it was a member's, the pid has gone to a stranger.
        members.remove(&child);
        None
    }
}

fn is_birth_of(event: Event, pid: u32) -> bool {
    matches!(event, Event::Fork { child, .. } if child == pid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    const ROOT: u32 = 1;

    fn fork(parent: u32, child: u32) -> Event {
        Event::Fork {
            parent,
            child,
            at_ns: 0,
        }
    }

    fn exit(process: u32, parent: u32) -> Event {
        Event::Exit {
            process,
            parent,
            status: 0,
            at_ns: 0,
        }
    }

    fn after(events: &[Event]) -> Lineage {
        let mut lineage = Lineage::new([ROOT]);
        for &event in events {
            lineage.observe(event);
        }
        lineage.replay();
        lineage
    }

    fn pids(newborns: &[Newborn]) -> Vec<u32> {
        newborns.iter().map(|it| it.pid).collect()
    }

    #[test]
    fn follows_children_of_children_after_the_middle_one_ended() {
        let lineage = after(&[
            fork(ROOT, 5),
            fork(5, 6),
            exit(5, ROOT),
            fork(6, 7),
            fork(9, 8),
        ]);
        assert!([5, 6, 7].iter().all(|pid| lineage.birth(*pid).is_some()));
        assert_eq!(lineage.birth(8), None);
    }

    #[test]
    fn a_pid_that_goes_to_a_stranger_is_no_member_any_more() {
        let mut lineage = after(&[fork(ROOT, 5), exit(5, ROOT), fork(9, 5)]);
        assert_eq!(lineage.birth(5), None);
        assert_eq!(lineage.observe(fork(5, 6)), None);
    }

    #[test]
    fn a_pid_used_twice_within_the_tree_is_two_members() {
        let mut lineage = Lineage::new([ROOT]);
        let first = lineage.observe(fork(ROOT, 5)).unwrap();
        let second = lineage.observe(fork(ROOT, 5)).unwrap();
        assert_ne!(first.birth, second.birth);
        assert_eq!(lineage.birth(5), Some(second.birth));
    }

    #[test]
    fn a_member_found_late_brings_in_the_forks_told_before() {
        let mut lineage = Lineage::new([ROOT]);
        assert_eq!(lineage.observe(fork(5, 6)), None);
        assert_eq!(lineage.observe(fork(6, 7)), None);
        lineage.find(5);
        assert_eq!(pids(&lineage.replay()), [6, 7]);
        assert_eq!(pids(&lineage.replay()), [0; 0], "told once");
    }

    #[test]
    fn a_member_found_late_does_not_answer_for_an_earlier_owner_of_its_pid() {
        let mut lineage = Lineage::new([ROOT]);
        for event in [fork(5, 6), exit(5, 9), fork(8, 5), fork(5, 7)] {
            lineage.observe(event);
        }
        lineage.find(5);
        assert_eq!(pids(&lineage.replay()), [7]);
    }

    #[test]
    fn an_exit_tells_of_a_member_that_no_scan_saw() {
        let mut lineage = Lineage::new([ROOT]);
        for event in [fork(5, 6), exit(5, ROOT), fork(6, 7)] {
            lineage.observe(event);
        }
        assert_eq!(pids(&lineage.replay()), [6, 7]);
    }

    #[test]
    fn after_a_loss_only_what_is_certain_remains() {
        let mut lineage = after(&[fork(ROOT, 5), fork(ROOT, 6)]);
        lineage.settle();
        let old = lineage.birth(5);
        lineage.restart([ROOT, 5]);
        assert_eq!(lineage.birth(6), None);
        assert_ne!(
            lineage.birth(5),
            old,
            "a pending open of before the loss is not trusted"
        );
        assert_eq!(pids(lineage.observe(fork(5, 9)).as_slice()), [9]);
    }

    /// A machine with few pids: who lives under which, and who is of the tree.
    #[derive(Debug, Default)]
    struct Machine {
        /// By pid: its parent, and whether it belongs to the tree.
        alive: HashMap<u32, (u32, bool)>,
    }

    const OUTSIDER: u32 = 100;

    #[derive(Clone, Debug)]
    enum Act {
        Fork(usize, u32),
        Exit(usize),
        Scan(usize),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            4 => (any::<usize>(), 2..12_u32).prop_map(|(who, pid)| Act::Fork(who, pid)),
            2 => any::<usize>().prop_map(Act::Exit),
            2 => any::<usize>().prop_map(Act::Scan),
        ];
        proptest::collection::vec(act, 0..60)
    }

    impl Machine {
        fn pick(&self, who: usize) -> Option<u32> {
            let mut pids: Vec<u32> = self.alive.keys().copied().collect();
            pids.sort_unstable();
            (!pids.is_empty()).then(|| pids[who % pids.len()])
        }

        fn fork(&mut self, who: usize, child: u32) -> Option<Event> {
            let parent = self.pick(who)?;
            if self.alive.contains_key(&child) {
                return None;
            }
            self.alive.insert(child, (parent, self.alive[&parent].1));
            Some(fork(parent, child))
        }

        fn exit(&mut self, who: usize) -> Option<Event> {
            let process = self
                .pick(who)
                .filter(|pid| *pid != ROOT && *pid != OUTSIDER)?;
            let (parent, _) = self.alive.remove(&process)?;
            for (above, _) in self
                .alive
                .values_mut()
                .filter(|(above, _)| *above == process)
            {
                *above = OUTSIDER;
            }
            Some(exit(process, parent))
        }
    }

    proptest! {
        /// Whatever lived when the stream began, and however pids are reused: nobody outside the
        /// tree is ever taken in, and a scan of all who live leaves nobody out.
        #[test]
        fn agrees_with_the_truth(before in acts(), during in acts(), later in acts()) {
            let mut machine = Machine::default();
            machine.alive.insert(ROOT, (OUTSIDER, true));
            machine.alive.insert(OUTSIDER, (OUTSIDER, false));
            for act in before {
                match act {
                    Act::Fork(who, child) => drop(machine.fork(who, child)),
                    Act::Exit(who) => drop(machine.exit(who)),
                    Act::Scan(_) => {}
                }
            }
            // An orphan of before is no part of the tree that is asked for.
            let reaches_root = |machine: &Machine, mut pid: u32| loop {
                match pid {
                    ROOT => break true,
                    OUTSIDER => break false,
                    _ => pid = machine.alive[&pid].0,
                }
            };
            let inside: Vec<(u32, bool)> =
                machine.alive.keys().map(|&pid| (pid, reaches_root(&machine, pid))).collect();
            for (pid, inside) in inside {
                machine.alive.get_mut(&pid).unwrap().1 = inside;
            }

            let mut lineage = Lineage::new([ROOT]);
            let sound = |machine: &Machine, lineage: &Lineage| {
                machine.alive.iter().all(|(pid, it)| it.1 || lineage.birth(*pid).is_none())
            };
            let scan = |machine: &Machine, lineage: &mut Lineage, pid: u32| {
                let parent = machine.alive[&pid].0;
                if pid != ROOT && lineage.birth(parent).is_some() {
                    lineage.find(pid);
                }
            };
            // An orphan from before the events, unseen while it had its parent, cannot be found.
            let mut old: HashSet<u32> = machine.alive.keys().copied().collect();
            let mut unseen_orphans = false;
            for act in during {
                match act {
                    Act::Fork(who, child) => {
                        if let Some(event) = machine.fork(who, child) {
                            old.remove(&child);
                            lineage.observe(event);
                        }
                    }
                    Act::Exit(who) => {
                        machine.exit(who).map(|event| lineage.observe(event));
                    }
                    Act::Scan(who) => {
                        if let Some(pid) = machine.pick(who) {
                            scan(&machine, &mut lineage, pid);
                        }
                    }
                }
                lineage.replay();
                prop_assert!(sound(&machine, &lineage));
                unseen_orphans |= machine.alive.iter().any(|(pid, it)| {
                    it.0 == OUTSIDER && it.1 && old.contains(pid) && lineage.birth(*pid).is_none()
                });
            }
            // A whole scan, again until it finds nothing.
            for _ in 0..machine.alive.len() {
                let alive: Vec<u32> = machine.alive.keys().copied().collect();
                for pid in alive {
                    scan(&machine, &mut lineage, pid);
                }
                lineage.replay();
            }
            lineage.settle();
            for act in later {
                let event = match act {
                    Act::Fork(who, child) => machine.fork(who, child),
                    Act::Exit(who) => machine.exit(who),
                    Act::Scan(_) => None,
                };
                event.map(|event| lineage.observe(event));
                prop_assert!(sound(&machine, &lineage));
                if !unseen_orphans {
                    let complete =
                        machine.alive.iter().all(|(pid, it)| !it.1 || lineage.birth(*pid).is_some());
                    prop_assert!(complete, "{machine:?} {lineage:?}");
                }
            }
        }
    }
}
