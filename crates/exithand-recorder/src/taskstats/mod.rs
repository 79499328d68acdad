//! The source for kernels without BPF: the kernel's statistics of each thread that ends, with the
//! process connector for who lives.
//!
//! Tells statuses, users, CPU time, peak memory and storage; not who killed whom, and command lines
//! only of what lived long enough to be looked at. A thread's statistics are there before the pidfd
//! of its process becomes readable.

mod socket;
mod wire;

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll;
use rustix::io::Errno;

use self::socket::Socket;
use self::wire::ThreadEnd;
use crate::clock::{Clock, boot_ns, suspended_ns};
use crate::connector::Drained;
use crate::lives::{Ended, Kind};
use crate::proc_connector::{ConnectorError, LifeWatch, record};
use crate::record::status_outcome;
use crate::{Event, Parent, Source, SourceName, Usage};

/// Says what a message holds, for whichever family it is.
pub(crate) fn describe(datagram: &[u8]) -> String {
    let kind = datagram.get(4..6).and_then(|it| it.try_into().ok());
    let family = kind.map_or(0, u16::from_ne_bytes);
    format!("{:?}", wire::parse(datagram, family))
}

/// Why task statistics cannot be used here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskstatsError {
    /// The kernel has none.
    #[error("this kernel was built without task statistics (CONFIG_TASKSTATS)")]
    NotBuilt,
    /// `EPERM`.
    #[error("task statistics need CAP_NET_ADMIN in the initial user namespace: run as root")]
    NotPermitted,
    /// The kernel answers in the initial namespaces only.
    #[error("task statistics are told in the initial pid and user namespace only")]
    OtherNamespace,
    /// They come from a network namespace where nobody hears them.
    #[error("task statistics do not arrive: they are told in the initial network namespace only")]
    Silent,
    /// They do not say which thread of a process is the last.
    #[error("task statistics of version {0} do not tell processes from threads: Linux 5.19 does")]
    TooOld(u16),
    /// It is not known which CPUs to ask about.
    #[error("cannot read which CPUs there are in /sys/devices/system/cpu/possible")]
    NoCpus(#[source] io::Error),
    /// A call failed for another reason.
    #[error("{call} failed")]
    Syscall {
        /// The call.
        call: &'static str,
        /// Its error.
        #[source]
        errno: Errno,
    },
    /// The process connector, without which nobody knows who lives.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
}

/// Task statistics, and the processes that live as far as the process connector told.
#[derive(Debug)]
pub struct TaskstatsSource {
    socket: Socket,
    watch: LifeWatch,
    /// What threads used that ended before their process.
    partial: HashMap<u32, Sum>,
    /// Whom the connector saw end after the statistics were read: theirs come with the next drain.
    late: VecDeque<Ended>,
    both: OwnedFd,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    utime_us: u64,
    stime_us: u64,
    peak_kib: u64,
    read_bytes: u64,
    write_bytes: u64,
    nvcsw: u64,
    nivcsw: u64,
}

impl Sum {
    fn add(&mut self, end: &ThreadEnd) {
        self.utime_us += end.utime_us;
        self.stime_us += end.stime_us;
        self.peak_kib = self.peak_kib.max(end.peak_kib);
        self.read_bytes += end.read_bytes;
        self.write_bytes += end.write_bytes;
        self.nvcsw += end.nvcsw;
        self.nivcsw += end.nivcsw;
    }

    fn usage(self) -> Usage {
        Usage {
            cpu_user_ns: self.utime_us.checked_mul(1_000),
            cpu_system_ns: self.stime_us.checked_mul(1_000),
            max_rss_bytes: self.peak_kib.checked_mul(1024),
            read_bytes: Some(self.read_bytes),
            write_bytes: Some(self.write_bytes),
            voluntary_switches: Some(self.nvcsw),
            involuntary_switches: Some(self.nivcsw),
        }
    }
}

impl TaskstatsSource {
    /// Subscribes to both.
    ///
    /// # Errors
    ///
    /// What is missing: the statistics, their version, permission, the initial namespaces.
    pub fn open() -> Result<Self, TaskstatsError> {
        let mut socket = Socket::subscribe()?;
        socket.check_version()?;
        let watch = LifeWatch::start()?;
        // Whoever ended before is not ours to tell.
        let drained = socket.drain(drop);
        let _whole_or_not: Drained = drained.map_err(|errno| failed("recvfrom", errno))?;
        let both = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|errno| failed("epoll_create1", errno))?;
        for fd in [socket.as_fd(), watch.wake()] {
            let data = epoll::EventData::new_u64(0);
            epoll::add(&both, fd, data, epoll::EventFlags::IN)
                .map_err(|errno| failed("epoll_ctl", errno))?;
        }
        Ok(Self {
            socket,
            watch,
            partial: HashMap::new(),
            late: VecDeque::new(),
            both,
        })
    }
}

fn failed(call: &'static str, errno: Errno) -> TaskstatsError {
    TaskstatsError::Syscall { call, errno }
}

impl Source for TaskstatsSource {
    fn name(&self) -> &'static str {
        SourceName::Taskstats.as_str()
    }

    fn wake(&self) -> BorrowedFd<'_> {
        self.both.as_fd()
    }

    /// The connector is read first: it told of each fork before the child could end. Yet one may
    /// be forked and end between the two readings, so it is read once more where one is missing.
    fn drain(&mut self, take: &mut dyn FnMut(Event)) -> io::Result<()> {
        let mut seen = std::mem::take(&mut self.late);
        let clock = Clock::read();
        self.follow(&clock, &mut seen, take)?;
        let mut last = Vec::new();
        let partial = &mut self.partial;
        let drained = self.socket.drain(|end| {
            let mut sum = partial.remove(&end.tgid).unwrap_or_default();
            sum.add(&end);
            if end.is_last {
                last.push((end, sum));
            } else {
                partial.insert(end.tgid, sum);
            }
        })?;
        if drained == Drained::Lost {
            // The ends themselves are told by the connector.
            self.partial.clear();
        }
        let ended: HashSet<u32> = seen.iter().map(|it| it.pid).collect();
        let is_known = |tgid: &u32| ended.contains(tgid) || self.watch.lives.get(*tgid).is_some();
        if !last.iter().all(|(end, _)| is_known(&end.tgid)) {
            let mut late = VecDeque::new();
            self.follow(&clock, &mut late, take)?;
            self.late = late;
        }
        let mut untold = 0;
        for (end, sum) in last {
            let is_told = self
                .life_of(&end, &mut seen)
                .is_some_and(|ended| self.tell(&ended, Some((end, sum)), &clock, take));
            untold += u64::from(!is_told);
        }
        for ended in seen {
            untold += u64::from(!self.tell(&ended, None, &clock, take));
        }
        self.watch.tell_unseen(untold, &clock, take);
        Ok(())
    }
}

impl TaskstatsSource {
    fn follow(
        &mut self,
        clock: &Clock,
        seen: &mut VecDeque<Ended>,
        take: &mut dyn FnMut(Event),
    ) -> io::Result<()> {
        self.watch.follow(clock, take, |ended, _| {
            if !ended.life.is_told {
                seen.push_back(ended);
            }
        })
    }

    /// The life that an end belongs to: one the connector saw end, or one that it will.
    fn life_of(&mut self, end: &ThreadEnd, seen: &mut VecDeque<Ended>) -> Option<Ended> {
        for ended in [seen, &mut self.late] {
            if let Some(at) = ended.iter().position(|it| it.pid == end.tgid) {
                return ended.remove(at);
            }
        }
        let life = self.watch.lives.get_mut(end.tgid)?;
        life.is_told = true;
        Some(Ended {
            pid: end.tgid,
            parent: end.ppid,
            status: end.status,
            at_ns: boot_ns().saturating_sub(suspended_ns()),
            life: life.clone(),
        })
    }

    /// Says whether there was enough to tell, if there was anything.
    fn tell(
        &self,
        ended: &Ended,
        stats: Option<(ThreadEnd, Sum)>,
        clock: &Clock,
        take: &mut dyn FnMut(Event),
    ) -> bool {
        if ended.life.kind == Kind::KernelThread {
            return true;
        }
        let Some(mut record) = record(ended, self.watch.boot, clock) else {
            return false;
        };
        if let Some((end, sum)) = stats {
            record.outcome = status_outcome(end.status);
            record.comm = end.comm;
            record.uid = Some(end.uid);
            record.gid = Some(end.gid);
            record.runtime_ns = end.process_us.checked_mul(1_000);
            record.usage = sum.usage();
            if record.parent.is_none() && end.ppid != 0 {
                record.parent = Some(Parent {
                    pid: end.ppid,
                    comm: None,
                });
            }
        }
        take(Event::Exit(Box::new(record)));
        true
    }
}
