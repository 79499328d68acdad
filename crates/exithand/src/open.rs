//! The ways to get hold of a process.

use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::sync::OnceLock;

use rustix::fs::{OFlags, fcntl_getfl, fstat};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};

use crate::boot::BootId;
use crate::handle::{ExitHandle, Kind};
use crate::proc::{self, Entry, Stat};
use crate::token::Identity;
use crate::{Error, Token, sys};

/// `PIDFD_THREAD` of `include/uapi/linux/pidfd.h`, since Linux 6.9.
pub(crate) const PIDFD_THREAD: u32 = OFlags::EXCL.bits();

impl ExitHandle {
    /// Opens the process that has `pid` now. Never blocks; needs no privilege.
    ///
    /// A number alone cannot tell whether the process behind it is still the one that was meant:
    /// where that matters, open a [`Token`].
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchProcess`] (`ESRCH`): there is none; it may have ended a moment ago.
    /// - [`Error::IsThread`] (`EINVAL`): the number is that of a thread.
    /// - [`Error::TooManyFiles`] (`EMFILE`, `ENFILE`), [`Error::Blocked`] (`EPERM`).
    ///
    /// Since Linux 5.3. Source: `pidfd_open(2)`.
    pub fn open(pid: Pid) -> Result<Self, Error> {
        Self::new(open_process(pid)?, Some(pid), Kind::Process)
    }

    /// Opens one thread; the handle speaks of that thread's end alone. Never blocks.
    ///
    /// For a thread-group leader, that is the end of the process.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchProcess`] (`ESRCH`): there is no such thread.
    /// - [`Error::Unsupported`] (`EINVAL`): the kernel is older than 6.9.
    /// - [`Error::TooManyFiles`], [`Error::Blocked`] as for [`ExitHandle::open`].
    ///
    /// Since Linux 6.9. Source: `PIDFD_THREAD` in `pidfd_open(2)`.
    pub fn open_thread(tid: Pid) -> Result<Self, Error> {
        let fd = pidfd_open(tid, PidfdFlags::from_bits_retain(PIDFD_THREAD));
        let fd = fd.map_err(|errno| match errno {
            Errno::INVAL => Error::Unsupported {
                feature: "PIDFD_THREAD",
                since: "6.9",
            },
            errno => open_error(tid, errno),
        })?;
        Self::new(fd, Some(tid), Kind::Thread)
    }

    /// Opens exactly the process that `token` names, or none. Never blocks.
    ///
    /// Both halves of the token must be right: a process with its inode and another pid is another
    /// process. From Linux 6.14, which opens inodes directly, the pid may be that of a pid
    /// namespace below ours, and pid 0, in tokens of processes without a pid where they were made,
    /// fits any process.
    /// The token of a thread opens that thread, from Linux 6.14.
    ///
    /// # Errors
    ///
    /// - [`Error::Ended`] (`ESRCH`): the process is gone, or hidden in another pid namespace.
    /// - [`Error::OtherBoot`] (`ESRCH`): the token is from another boot.
    /// - [`Error::Unsupported`]: a `PID:INODE` token on a kernel older than 6.9.
    /// - [`Error::TooManyFiles`], [`Error::Blocked`] as for [`ExitHandle::open`].
    ///
    /// Source: `open_by_handle_at(2)`, `fs/pidfs.c`.
    pub fn open_token(token: &Token) -> Result<Self, Error> {
        if let Some(boot) = token.boot_id()
            && boot != BootId::current()?
        {
            return Err(Error::OtherBoot(*token));
        }
        if let Identity::Inode(inode) = token.identity()
            && let Some(handle) = open_by_inode(token, inode)?
        {
            return Ok(handle);
        }
        open_and_compare(token)
    }

    /// Takes a pidfd that somebody made or passed. Never blocks.
    ///
    /// A descriptor opened with `PIDFD_THREAD` gives a handle for that thread.
    ///
    /// # Errors
    ///
    /// [`Error::NotPidfd`] (`EBADF`): the descriptor is something else; it is closed.
    /// [`Error::TooManyFiles`], [`Error::Syscall`]: it is, or it is a pidfd of a kernel before 6.9,
    /// and `/proc`, which knows, cannot be read.
    /// Before Linux 6.9 also [`Error::Ended`], where the process was reaped already.
    pub fn from_pidfd(fd: OwnedFd) -> Result<Self, Error> {
        Self::from_pidfd_or_back(fd).map_err(|(error, _closed)| error)
    }

    /// Takes a pidfd, or gives the descriptor back with what is wrong about it.
    pub(crate) fn from_pidfd_or_back(fd: OwnedFd) -> Result<Self, (Error, OwnedFd)> {
        let described = describe(&fd).and_then(|(pid, kind)| Ok((pid, kind, name(&fd, pid)?)));
        match described {
            Ok((pid, kind, token)) => Ok(Self {
                fd,
                pid,
                kind,
                token,
                known: OnceLock::new(),
            }),
            Err(error) => Err((error, fd)),
        }
    }

    /// Opens a child of ours. Never blocks; takes nothing from `child`, which is still to be
    /// waited for.
    ///
    /// A child that was waited for is told from everybody but another child of ours that has got
    /// its number since: open a handle before waiting.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchProcess`] (`ESRCH`): the child was waited for already; others as for
    /// [`ExitHandle::open`].
    pub fn from_child(child: &Child) -> Result<Self, Error> {
        let pid = Pid::from_child(child);
        let handle = Self::open(pid)?;
        // Once the child is reaped its number may be another process's: that one is not ours.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        match waitid(WaitId::PidFd(handle.as_fd()), look) {
            Err(Errno::CHILD) => Err(Error::NoSuchProcess(pid)),
            _ => Ok(handle),
        }
    }

    fn new(fd: OwnedFd, pid: Option<Pid>, kind: Kind) -> Result<Self, Error> {
        let token = name(&fd, pid)?;
        Ok(Self {
            fd,
            pid,
            kind,
            token,
            known: OnceLock::new(),
        })
    }
}

/// Says of what a pidfd speaks.
fn describe(fd: &OwnedFd) -> Result<(Option<Pid>, Kind), Error> {
    if !lies_on_pidfs(fd)? {
        // Before Linux 6.9 only `/proc` tells a pidfd from other descriptors.
        proc::entry(fd).map_err(|errno| match errno {
            Errno::BADF => Error::NotPidfd,
            errno => Error::from_call("read /proc/thread-self/fdinfo", errno),
        })?;
    }
    let flags = fcntl_getfl(fd).map_err(|errno| Error::from_call("fcntl", errno))?;
    let kind = if flags.contains(OFlags::EXCL) {
        Kind::Thread
    } else {
        Kind::Process
    };
    let pid = match sys::pid_in_our_namespace(fd) {
        Ok(pid) => pid,
        // Kernels before 6.13: `/proc` knows, if it is that of our own namespace.
        Err(Errno::NOTTY | Errno::INVAL) => match proc::entry(fd) {
            Ok(Entry::Pid(pid)) => proc::numbers_as_we_do().then_some(pid),
            _ => None,
        },
        Err(_) => None,
    };
    Ok((pid, kind))
}

/// Opens `pid` as a process, and tells a thread id from a process that has just gone.
fn open_process(pid: Pid) -> Result<OwnedFd, Error> {
    // A process may be reaped, and its number given out again, between the two looks.
    const TRIES: usize = 3;
    let mut last = Errno::SRCH;
    for _ in 0..TRIES {
        last = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => return Ok(fd),
            Err(errno @ (Errno::INVAL | Errno::NOENT)) => errno,
            Err(errno) => return Err(open_error(pid, errno)),
        };
        match proc::thread_group_of(pid) {
            Some(process) if process != pid => return Err(Error::IsThread { tid: pid, process }),
            Some(_) => {}
            None => return Err(Error::NoSuchProcess(pid)),
        }
    }
    Err(open_error(pid, last))
}

fn open_error(pid: Pid, errno: Errno) -> Error {
    match errno {
        Errno::SRCH => Error::NoSuchProcess(pid),
        Errno::PERM | Errno::NOSYS => Error::Blocked {
            call: "pidfd_open",
            errno,
        },
        errno => Error::from_call("pidfd_open", errno),
    }
}

/// Opens an inode directly; `None` where the kernel cannot.
fn open_by_inode(token: &Token, inode: u64) -> Result<Option<ExitHandle>, Error> {
    let ourselves = open_process(rustix::process::getpid())?;
    if !on_pidfs(&ourselves)? {
        return Err(Error::Unsupported {
            feature: "a PID:INODE token",
            since: "6.9",
        });
    }
    if !opens_inodes(&ourselves)? {
        return Ok(None);
    }
    let fd = match sys::open_inode(&ourselves, inode) {
        Err(Errno::STALE | Errno::SRCH | Errno::NOENT) => return Err(Error::Ended(*token)),
        opened => opened.map_err(|errno| Error::from_call("open_by_handle_at", errno))?,
    };
    let numbers = sys::numbers(&fd).ok();
    let pid = numbers.and_then(|numbers| numbers.pid);
    let process = numbers.and_then(|numbers| numbers.process);
    let mut handle = match pid {
        Some(tid) if process != pid => open_thread_of(token, tid)?,
        _ => ExitHandle::new(fd, pid, Kind::Process)?,
    };
    match (pid, token.pid()) {
        // The inode is somebody's, but not of the process the token speaks of.
        (Some(found), Some(meant)) if found != meant && !is_numbered(&handle, meant) => {
            return Err(Error::Ended(*token));
        }
        (Some(_), _) => {}
        // Reaped meanwhile, and the kernel has forgotten the number.
        (None, meant) => handle.token = Token::of_inode(meant, inode),
    }
    Ok(Some(handle))
}

/// Opens the thread that `token` names by its number: a pidfd opened by inode speaks of processes.
fn open_thread_of(token: &Token, tid: Pid) -> Result<ExitHandle, Error> {
    let handle = match ExitHandle::open_thread(tid) {
        Err(Error::NoSuchProcess(_)) => return Err(Error::Ended(*token)),
        opened => opened?,
    };
    if handle.token.identity() == token.identity() {
        Ok(handle)
    } else {
        Err(Error::Ended(*token))
    }
}

/// Says whether a process has this number in a pid namespace below ours, where the token may have
/// been taken.
fn is_numbered(handle: &ExitHandle, number: Pid) -> bool {
    let Ok(Entry::Pid(pid)) = proc::entry(&handle.fd) else {
        return false;
    };
    // Only if it still has its entry was that the one that was read.
    proc::is_numbered(pid, number) && sys::send_signal(&handle.fd, 0) != Err(Errno::SRCH)
}

/// Says whether inodes can be opened directly here. Kernels that cannot (6.9 to 6.13) answer as if
/// the process had ended, so only an inode that surely lives tells: our own.
fn opens_inodes(ourselves: &OwnedFd) -> Result<bool, Error> {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    if let Some(answer) = ANSWER.get() {
        return Ok(*answer);
    }
    let own = fstat(ourselves).map(|stat| stat.st_ino);
    match own.and_then(|inode| sys::open_inode(ourselves, inode)) {
        // That says nothing of the kernel.
        Err(errno @ (Errno::MFILE | Errno::NFILE)) => {
            Err(Error::from_call("open_by_handle_at", errno))
        }
        opened => Ok(*ANSWER.get_or_init(|| opened.is_ok())),
    }
}

/// Opens the token's pid and compares what was found with what was meant.
fn open_and_compare(token: &Token) -> Result<ExitHandle, Error> {
    let ended = || Error::Ended(*token);
    let pid = token.pid().ok_or_else(ended)?;
    let handle = match ExitHandle::open(pid) {
        Err(Error::NoSuchProcess(_) | Error::IsThread { .. }) => return Err(ended()),
        other => other?,
    };
    let found = match token.identity() {
        Identity::Inode(_) => handle.token,
        Identity::Start(..) => start_token(&handle.fd, Some(pid))?.ok_or_else(ended)?,
    };
    if found.identity() == token.identity() {
        Ok(handle)
    } else {
        Err(ended())
    }
}

/// Gives the process behind `fd` its name.
fn name(fd: &OwnedFd, pid: Option<Pid>) -> Result<Token, Error> {
    if on_pidfs(fd)? {
        let inode = fstat(fd)
            .map_err(|errno| Error::from_call("fstat", errno))?
            .st_ino;
        return Ok(Token::of_inode(pid, inode));
    }
    match start_token(fd, pid)? {
        Some(token) => Ok(token),
        None => match pid {
            Some(pid) if sys::send_signal(fd, 0) == Err(Errno::SRCH) => {
                Err(Error::NoSuchProcess(pid))
            }
            _ => Err(Error::from_call("read /proc/PID/stat", Errno::NOENT)),
        },
    }
}

/// Names a process by its start time, read while it is certain to be the same process.
fn start_token(fd: &OwnedFd, pid: Option<Pid>) -> Result<Option<Token>, Error> {
    let stat = proc::entry(fd).and_then(|entry| match entry {
        Entry::Pid(entry) => Stat::read(entry).map(Some),
        Entry::Elsewhere | Entry::Gone => Ok(None),
    });
    let ticks = match stat {
        Ok(Some(stat)) => stat.start_ticks,
        // That says nothing of the process.
        Err(errno @ (Errno::MFILE | Errno::NFILE)) => {
            return Err(Error::from_call("read /proc/PID/stat", errno));
        }
        Ok(None) | Err(_) => return Ok(None),
    };
    let still_there = sys::send_signal(fd, 0) != Err(Errno::SRCH);
    Ok(still_there.then(|| Token::of_start(pid, ticks)))
}

/// Says whether pidfds lie on pidfs here, as they do since Linux 6.9. `pidfd` must be one.
pub(crate) fn on_pidfs(pidfd: &OwnedFd) -> Result<bool, Error> {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    match ANSWER.get() {
        Some(answer) => Ok(*answer),
        None => lies_on_pidfs(pidfd).map(|answer| *ANSWER.get_or_init(|| answer)),
    }
}

/// Says whether this descriptor, whatever it is, lies on pidfs.
fn lies_on_pidfs(fd: &OwnedFd) -> Result<bool, Error> {
    sys::is_pidfs(fd).map_err(|errno| Error::from_call("fstatfs", errno))
}
