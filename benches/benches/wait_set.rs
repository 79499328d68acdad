//! What a set of many processes costs: CPU while nothing happens, memory, and the time to report
//! them all, set against a bare epoll loop that counts processes.

use std::os::fd::OwnedFd;
use std::time::Duration;

use exithand::{Count, Deadline, ExitHandle, Pid, Until, WaitSet};
use exithand_benches::{
    CountingAllocator, Crowd, Goal, Table, allocated_bytes, bare_open, cpu_time, in_turns, now,
    raise_descriptor_limit,
};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::retry_on_intr;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const MEMBERS: usize = 20_000;
/// Left for the set itself, the pipes, and the standard streams.
const OTHER_DESCRIPTORS: usize = 100;
const ROUNDS: usize = 5;
const IDLE: Duration = Duration::from_secs(5);
/// What is allowed in that time: to go to sleep and to wake up.
const IDLE_CPU: Duration = Duration::from_millis(1);
const BYTES_ALLOWED: f64 = 300.0;

fn main() {
    let mut crowd = Crowd::new();
    let count = MEMBERS.min(raise_descriptor_limit() - OTHER_DESCRIPTORS);
    let table = Table::new();
    table.note(&format!("# {count} processes"));
    at_rest(&table, &mut crowd, count);
    let ours = |crowd: &mut _| report(crowd, count, From::Release, Library::watch);
    let bare = |crowd: &mut _| report(crowd, count, From::Release, Bare::watch);
    let [ours, bare] = in_turns(ROUNDS, &mut crowd, ours, bare);
    table.times(
        "set, from release to all reported",
        ours,
        bare,
        Goal::AtMost(1.20),
    );
    let ours = |crowd: &mut _| report(crowd, count, From::LastEnd, Library::watch);
    let bare = |crowd: &mut _| report(crowd, count, From::LastEnd, Bare::watch);
    let [ours, bare] = in_turns(ROUNDS, &mut crowd, ours, bare);
    table.times("set, all ended before", ours, bare, Goal::None);
}

/// Memory, and CPU while nothing happens.
fn at_rest(table: &Table, crowd: &mut Crowd, count: usize) {
    let pids = crowd.start(count);
    let before = allocated_bytes();
    let Library(set) = Library::watch(&pids);
    let bytes = u32::try_from(allocated_bytes() - before).expect("less than 4 GiB");
    let members = u32::try_from(set.len()).expect("fewer than descriptors");
    table.numbers(
        "set, memory a member (allowed)",
        f64::from(bytes) / f64::from(members),
        BYTES_ALLOWED,
        "B",
        Goal::AtMost(1.0),
    );
    let before = cpu_time();
    let finished = set.wait(Count::Any, Deadline::after(IDLE)).expect("wait");
    let cpu = cpu_time().saturating_sub(before);
    assert!(finished.is_empty(), "nobody was told to end");
    let what = format!("set, CPU in {IDLE:?} (allowed)");
    table.times(&what, cpu, IDLE_CPU, Goal::AtMost(1.0));
    crowd.end(count);
    crowd.settle();
}

/// When the clock starts.
#[derive(Clone, Copy, PartialEq)]
enum From {
    Release,
    LastEnd,
}

/// Watches a crowd, and returns how long it takes until all have ended and are reported.
fn report<S: Watch>(
    crowd: &mut Crowd,
    count: usize,
    from: From,
    watch: impl FnOnce(&[Pid]) -> S,
) -> Duration {
    let set = watch(&crowd.start(count));
    let mut start = now();
    crowd.end(count);
    if from == From::LastEnd {
        crowd.settle();
        start = now();
    }
    assert_eq!(set.count_all(), count);
    let took = now().saturating_sub(start);
    if from == From::Release {
        crowd.settle();
    }
    took
}

trait Watch {
    fn watch(pids: &[Pid]) -> Self;
    /// Blocks until all have ended, and closes their descriptors.
    fn count_all(self) -> usize;
}

struct Library(WaitSet);

impl Watch for Library {
    fn watch(pids: &[Pid]) -> Self {
        let set = WaitSet::new(Until::Ended).expect("make a set");
        for pid in pids {
            let handle = ExitHandle::open(*pid).expect("open");
            set.add(handle).expect("add");
        }
        Self(set)
    }

    fn count_all(self) -> usize {
        let finished = self.0.wait(Count::All, Deadline::NEVER).expect("wait");
        finished.len()
    }
}

/// The least: the events' data say which descriptor to close, and closing ends the watch.
struct Bare {
    epoll: OwnedFd,
    pidfds: Vec<Option<OwnedFd>>,
}

impl Watch for Bare {
    fn watch(pids: &[Pid]) -> Self {
        let epoll = epoll::create(CreateFlags::CLOEXEC).expect("make an epoll");
        let add = |(at, pid): (u64, &Pid)| {
            let pidfd = bare_open(*pid);
            epoll::add(&epoll, &pidfd, EventData::new_u64(at), EventFlags::IN).expect("add");
            Some(pidfd)
        };
        let pidfds = (0..).zip(pids).map(add).collect();
        Self { epoll, pidfds }
    }

    fn count_all(mut self) -> usize {
        let mut events = Vec::with_capacity(1024);
        let mut counted = 0;
        while counted < self.pidfds.len() {
            events.clear();
            retry_on_intr(|| epoll::wait(&self.epoll, spare_capacity(&mut events), None))
                .expect("wait");
            for event in &events {
                let at = usize::try_from(event.data.u64()).expect("an index");
                counted += usize::from(self.pidfds[at].take().is_some());
            }
        }
        counted
    }
}
