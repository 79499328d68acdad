//! Processes with known ends, each made to end in its own way.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use exithand::{ExitHandle, Signal, Token};
use exithand_testkit::{Actor, Cgroup, Hierarchy, Need, actor, actor_command};
use rustix::process::{Signal as Sent, kill_process_group};

/// One way to end.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    part: &'static [&'static str],
    how: How,
}

/// What makes it end.
#[derive(Clone, Copy)]
enum How {
    /// It goes on, and that is its end.
    Release,
    Kill,
    KillGroup,
    PidfdSignal,
    CgroupKill,
    OutOfMemory,
    /// A tells B, and B kills it.
    Watchdog,
}

/// How it went, as `wait(2)` tells.
pub(crate) struct Course {
    pub(crate) pid: u32,
    pub(crate) token: Token,
    pub(crate) status: i32,
}

const fn case(name: &'static str, part: &'static [&'static str], how: How) -> Case {
    Case { name, part, how }
}

/// All cases.
pub(crate) fn all() -> [Case; 14] {
    [
        case(
            "the first thread exits 5, another 9 later",
            &["leader-exits-first"],
            How::Release,
        ),
        case(
            "the first thread exits 5, another calls `exit_group` 7",
            &["leader-then-exit-group"],
            How::Release,
        ),
        case(
            "a thread calls `exit_group` 7",
            &["worker-exit-group"],
            How::Release,
        ),
        case("two threads, killed", &["killed-two-threads"], How::Kill),
        case("`abort`", &["abort"], How::Release),
        case(
            "the first of two threads executes a program that exits 4",
            &["leader-execs", "wait-then-exit", "4"],
            How::Release,
        ),
        case(
            "the second of two threads executes a program that exits 4",
            &["worker-execs", "wait-then-exit", "4"],
            How::Release,
        ),
        case("`kill`", &["hang"], How::Kill),
        case("`killpg`", &["dies-of", "12"], How::KillGroup),
        case("`pidfd_send_signal`", &["dies-of", "15"], How::PidfdSignal),
        case("`cgroup.kill`", &["hang"], How::CgroupKill),
        case(
            "a cgroup's memory limit",
            &["takes-memory"],
            How::OutOfMemory,
        ),
        case("a segmentation fault", &["segv-core"], How::Release),
        case(
            "a shell tells a shell, which kills",
            &["dies-of", "15"],
            How::Watchdog,
        ),
    ]
}

impl Case {
    /// Runs it; `None` where this machine does not allow it.
    pub(crate) fn run(&self) -> io::Result<Option<Course>> {
        let needs = match self.how {
            How::CgroupKill => Need::Cgroup2.met(),
            How::OutOfMemory => Need::CgroupV1Memory.met() || Need::Cgroup2Memory.met(),
            _ => true,
        };
        if !needs {
            return Ok(None);
        }
        let mut target = self.start();
        let pid = target.pid();
        let handle = ExitHandle::open(pid).map_err(io::Error::other)?;
        // The cgroup is there until its member is reaped.
        let _cgroup = self.end(&mut target, &handle)?;
        target.wait_zombie();
        Ok(Some(Course {
            pid: pid.as_raw_nonzero().get().unsigned_abs(),
            token: handle.token(),
            status: target.wait(),
        }))
    }

    fn start(&self) -> Actor {
        let mut command = actor_command(self.part);
        match self.how {
            How::KillGroup => {
                command.process_group(0);
                Actor::start(command)
            }
            _ => actor(self.part),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an unreaped leader keeps its group"
    )]
    fn end(&self, target: &mut Actor, handle: &ExitHandle) -> io::Result<Option<Cgroup>> {
        match self.how {
            How::Release => target.release(),
            How::Kill => target.kill(),
            How::KillGroup => kill_process_group(target.pid(), Sent::USR2)?,
            How::PidfdSignal => handle.send_signal(Signal::TERM).map_err(io::Error::other)?,
            How::CgroupKill => {
                let cgroup = Cgroup::new(Hierarchy::V2)?;
                cgroup.add(target.pid())?;
                cgroup.set("cgroup.kill", "1")?;
                return Ok(Some(cgroup));
            }
            How::OutOfMemory => return Ok(Some(fill(target)?)),
            How::Watchdog => watchdog(target)?,
        }
        Ok(None)
    }
}

/// Has it take more memory than its cgroup may have.
fn fill(target: &mut Actor) -> io::Result<Cgroup> {
    let (hierarchy, limit) = if Need::CgroupV1Memory.met() {
        (Hierarchy::V1("memory"), "memory.limit_in_bytes")
    } else {
        (Hierarchy::V2, "memory.max")
    };
    let cgroup = Cgroup::new(hierarchy)?;
    cgroup.set(limit, &(64 << 20).to_string())?;
    cgroup.add(target.pid())?;
    target.release();
    Ok(cgroup)
}

fn watchdog(target: &Actor) -> io::Result<()> {
    let script = "read -r pid; sh -c 'kill -TERM $0; :' \"$pid\"; :";
    let mut told = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .spawn()?;
    let mut stdin = told.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    writeln!(stdin, "{}", target.pid().as_raw_nonzero())?;
    drop(stdin);
    told.wait().map(drop)
}
