//! The exit handle.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::process::Pid;

use crate::open::on_pidfs;
use crate::poll::poll_until;
use crate::status::{KernelSays, Source, StatusSource, ask_kernel, learn};
use crate::wait::{Next, PROMPT_REAP};
use crate::{Deadline, Error, Exit, Outcome, Signal, State, Token, Until, WaitOptions, sys};

/// Whether a handle speaks of a whole process or of one of its threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Process,
    Thread,
}

/// One process, held so that nothing can take its place.
///
/// Once open, a handle never speaks of another process, whatever happens to the pid. Waiting
/// needs no privilege and disturbs nobody: no signal, no `ptrace`, no reaping of somebody else's
/// child, no timer. All methods take `&self`, may be called from many threads at once, and give
/// the same answer when asked again.
///
/// It holds one descriptor (a pidfd), which any poll loop can watch through [`AsFd`]: readable
/// means ended, `POLLHUP` (Linux 6.9) means reaped.
///
/// ```
/// use exithand::{Deadline, ExitHandle, Outcome, Until};
/// use std::process::Command;
///
/// let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn()?;
/// let handle = ExitHandle::from_child(&child)?;
/// let exit = handle.wait(Until::Ended, Deadline::NEVER)?.expect("no deadline");
/// assert_eq!(exit.outcome, Outcome::Exited(3));
/// assert_eq!(child.wait()?.code(), Some(3), "the status is still there for the parent");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ExitHandle {
    pub(crate) fd: OwnedFd,
    pub(crate) pid: Option<Pid>,
    pub(crate) kind: Kind,
    pub(crate) token: Token,
    /// The outcome, once known; an unknown one is asked for again.
    pub(crate) known: OnceLock<(Outcome, Option<Source>)>,
}

impl ExitHandle {
    /// Returns the number the process has, or had, in our pid namespace; `None` where it has none
    /// there, or was reaped before the handle was made ([`from_pidfd`](Self::from_pidfd)) or in
    /// that very moment ([`open_token`](Self::open_token)).
    pub fn pid(&self) -> Option<Pid> {
        self.pid
    }

    /// Returns the name that no later process can have. Works after the end too.
    pub fn token(&self) -> Token {
        self.token
    }

    /// Says where the process is on its way out. Never blocks.
    ///
    /// # Errors
    ///
    /// [`Error::Syscall`]: `poll` failed, which needs a kernel out of memory.
    pub fn state(&self) -> Result<State, Error> {
        self.poll(PollFlags::IN, Deadline::NOW)
    }

    /// Says how the process ended; `None` while it runs. Never blocks.
    ///
    /// # Errors
    ///
    /// As [`ExitHandle::state`].
    pub fn try_wait(&self) -> Result<Option<Exit>, Error> {
        match self.state()? {
            State::Alive => Ok(None),
            state => Ok(Some(self.exit(state, None))),
        }
    }

    /// Says how the process ended, without the details of [`Exit`]; `None` while it runs. Never
    /// blocks.
    ///
    /// # Errors
    ///
    /// As [`ExitHandle::state`].
    pub fn outcome(&self) -> Result<Option<Outcome>, Error> {
        Ok(self.try_wait()?.map(|exit| exit.outcome))
    }

    /// Blocks until the process has ended, or was reaped; `None` once `deadline` has passed.
    ///
    /// After the end, allows [`DEFAULT_GRACE`](crate::DEFAULT_GRACE) for the reap where only that
    /// makes the outcome known. Costs no CPU while it waits.
    ///
    /// # Errors
    ///
    /// - [`Error::Itself`] (`EDEADLK`): the handle is the caller's own.
    /// - [`Error::Unsupported`]: [`Until::Reaped`] on a kernel older than 6.9.
    pub fn wait(&self, until: Until, deadline: Deadline) -> Result<Option<Exit>, Error> {
        self.wait_with(&WaitOptions {
            until,
            deadline,
            ..WaitOptions::default()
        })
    }

    /// Blocks like [`ExitHandle::wait`], with a grace and a status source of the caller's choice.
    ///
    /// # Errors
    ///
    /// As [`ExitHandle::wait`].
    pub fn wait_with(&self, options: &WaitOptions<'_>) -> Result<Option<Exit>, Error> {
        self.block(options, None)
    }

    /// Blocks like [`ExitHandle::wait_with`], and also gives up, with `None`, once `cancel` is
    /// readable. Reads nothing from it.
    ///
    /// For whoever has to answer somebody else while waiting: a signal handler that writes to a
    /// pipe, a thread that writes to an eventfd.
    ///
    /// # Errors
    ///
    /// As [`ExitHandle::wait`].
    pub fn wait_unless(
        &self,
        options: &WaitOptions<'_>,
        cancel: BorrowedFd<'_>,
    ) -> Result<Option<Exit>, Error> {
        self.block(options, Some(cancel))
    }

    fn block(
        &self,
        options: &WaitOptions<'_>,
        cancel: Option<BorrowedFd<'_>>,
    ) -> Result<Option<Exit>, Error> {
        self.refuse_own()?;
        let mut state = self.state()?;
        if state == State::Alive {
            state = self.poll_unless(PollFlags::IN, options.deadline, cancel)?;
            if state == State::Alive {
                return Ok(None);
            }
            if let Some(deadline) = self.at_end(state, options)
                && self.poll_unless(PollFlags::empty(), deadline, cancel)? == State::Reaped
            {
                state = State::Reaped;
            }
        }
        match self.after_end(state, options)? {
            Next::Answer(exit) => Ok(Some(exit)),
            Next::AwaitReap(deadline) => {
                // The empty mask sleeps on a zombie; `POLLIN` would spin.
                let state = self.poll_unless(PollFlags::empty(), deadline, cancel)?;
                let reaped = state == State::Reaped;
                // Nothing else ends the wait before its time.
                let is_cancelled = !reaped && deadline.remaining() != Some(Duration::ZERO);
                if is_cancelled {
                    return Ok(None);
                }
                Ok(self.after_reap(reaped, options))
            }
        }
    }

    /// Sends `signal` to this process and no other. Never blocks.
    ///
    /// A zombie takes every signal and does nothing. A thread's handle signals that thread.
    ///
    /// # Errors
    ///
    /// - [`Error::Ended`] (`ESRCH`): it was reaped.
    /// - [`Error::NotPermitted`] (`EPERM`): it exists, and belongs to another user.
    ///
    /// Since Linux 5.1. Source: `pidfd_send_signal(2)`.
    pub fn send_signal(&self, signal: Signal) -> Result<(), Error> {
        sys::send_signal(&self.fd, signal.number()).map_err(|errno| match errno {
            Errno::PERM => Error::NotPermitted {
                action: "signal",
                token: self.token,
            },
            errno => self.call_error("pidfd_send_signal", errno),
        })
    }

    /// Frees the memory of a process that was sent `SIGKILL`, in the caller's context, so that it
    /// comes back even if the process itself is stuck. Blocks for the time the freeing takes.
    ///
    /// # Errors
    ///
    /// - [`Error::Ended`] (`ESRCH`): it has no memory any more.
    /// - [`Error::NotPermitted`] (`EPERM`).
    /// - [`Error::Syscall`] with `EAGAIN`: a part is still held; try again. With `EINVAL`: it is
    ///   not dying, or shares its memory with a process that is not.
    /// - [`Error::Unsupported`] (`ENOSYS`).
    ///
    /// Since Linux 5.15. Source: `process_mrelease(2)`.
    pub fn release_memory(&self) -> Result<(), Error> {
        sys::release_memory(&self.fd).map_err(|errno| match errno {
            Errno::PERM => Error::NotPermitted {
                action: "release the memory of",
                token: self.token,
            },
            Errno::NOSYS => Error::Unsupported {
                feature: "process_mrelease",
                since: "5.15",
            },
            errno => self.call_error("process_mrelease", errno),
        })
    }

    /// Makes a second handle for the same process, with a descriptor of its own.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyFiles`] (`EMFILE`).
    pub fn try_clone(&self) -> Result<Self, Error> {
        let fd = rustix::io::fcntl_dupfd_cloexec(&self.fd, 0)
            .map_err(|errno| Error::from_call("dup", errno))?;
        Ok(Self {
            fd,
            pid: self.pid,
            kind: self.kind,
            token: self.token,
            known: self.known.clone(),
        })
    }

    /// Describes the end of a process that has ended.
    pub(crate) fn exit(&self, state: State, source: Option<&dyn StatusSource>) -> Exit {
        let (outcome, source) = self.known.get().copied().unwrap_or_else(|| {
            let learned = learn(self.fd.as_fd(), state, &self.token, source);
            if learned.0.is_known() {
                *self.known.get_or_init(|| learned)
            } else {
                learned
            }
        });
        Exit {
            token: self.token,
            outcome,
            // The kernel keeps only what was reaped; that may have been since `state` was read.
            reaped: state == State::Reaped || source == Some(Source::Pidfd),
            source,
        }
    }

    /// Refuses to wait for ourselves, unless the number is that of an ended namesake.
    pub(crate) fn refuse_own(&self) -> Result<(), Error> {
        let ourselves = match self.kind {
            Kind::Process => rustix::process::getpid(),
            Kind::Thread => rustix::thread::gettid(),
        };
        if self.pid == Some(ourselves) && self.state()? == State::Alive {
            return Err(Error::Itself(ourselves));
        }
        Ok(())
    }

    /// Refuses to wait for a reap that this kernel does not announce.
    pub(crate) fn refuse_unseen_reap(&self) -> Result<(), Error> {
        if on_pidfs(&self.fd)? {
            return Ok(());
        }
        Err(Error::Unsupported {
            feature: "waiting for the reap (POLLHUP on a pidfd)",
            since: "6.9",
        })
    }

    /// Decides what to do about a process that has ended just now: until when to wait for the reap
    /// before anything else, if at all.
    pub(crate) fn at_end(&self, state: State, options: &WaitOptions<'_>) -> Option<Deadline> {
        if state != State::Ended || options.until == Until::Reaped {
            return None;
        }
        match ask_kernel(self.fd.as_fd(), state) {
            KernelSays::Outcome(outcome, source) => {
                self.known.get_or_init(|| (outcome, Some(source)));
                None
            }
            KernelSays::NotYet => {
                let patience = Deadline::after(PROMPT_REAP.min(options.grace));
                Some(patience.min(options.deadline))
            }
            KernelSays::Never(_) => None,
        }
    }

    /// Decides what to do about a process that has ended.
    pub(crate) fn after_end(&self, state: State, options: &WaitOptions<'_>) -> Result<Next, Error> {
        // Before Linux 6.15 the zombie is the only one who tells, so it is asked in any case.
        let exit = self.exit(state, options.source);
        let ended = options.until == Until::Ended;
        if state == State::Reaped || (ended && exit.outcome.is_known()) {
            return Ok(Next::Answer(exit));
        }
        match self.refuse_unseen_reap() {
            Err(_) if ended => Ok(Next::Answer(exit)),
            Err(unsupported) => Err(unsupported),
            Ok(()) if ended => Ok(Next::AwaitReap(
                options.deadline.min(Deadline::after(options.grace)),
            )),
            Ok(()) => Ok(Next::AwaitReap(options.deadline)),
        }
    }

    /// Answers once [`Next::AwaitReap`] is over; `None` where what was waited for has not happened.
    pub(crate) fn after_reap(&self, reaped: bool, options: &WaitOptions<'_>) -> Option<Exit> {
        match (reaped, options.until) {
            (true, _) => Some(self.exit(State::Reaped, options.source)),
            (false, Until::Ended) => Some(self.exit(State::Ended, options.source)),
            (false, Until::Reaped) => None,
        }
    }

    /// Says whether the process was reaped, in a way that this kernel announces. Never blocks.
    #[cfg(any(feature = "tokio", feature = "async-io"))]
    pub(crate) fn is_reaped(&self) -> Result<bool, Error> {
        Ok(self.poll(PollFlags::empty(), Deadline::NOW)? == State::Reaped)
    }

    /// Blocks until one of `events`, or the reap, is seen or `deadline` passes.
    fn poll(&self, events: PollFlags, deadline: Deadline) -> Result<State, Error> {
        self.poll_unless(events, deadline, None)
    }

    /// Blocks like [`poll`](Self::poll), and no longer than until `cancel` is readable.
    fn poll_unless(
        &self,
        events: PollFlags,
        deadline: Deadline,
        cancel: Option<BorrowedFd<'_>>,
    ) -> Result<State, Error> {
        let own = (self.fd.as_fd(), events);
        let seen = match cancel {
            None => poll_until([own], deadline)?[0],
            Some(cancel) => poll_until([own, (cancel, PollFlags::IN)], deadline)?[0],
        };
        Ok(match seen {
            _ if seen.contains(PollFlags::HUP) => State::Reaped,
            _ if !seen.contains(PollFlags::IN) => State::Alive,
            // Before Linux 6.9 the reap shows in no event, only to whoever asks.
            _ if !on_pidfs(&self.fd)? && self.is_gone() => State::Reaped,
            _ => State::Ended,
        })
    }

    fn is_gone(&self) -> bool {
        sys::send_signal(&self.fd, 0) == Err(Errno::SRCH)
    }

    fn call_error(&self, call: &'static str, errno: Errno) -> Error {
        match errno {
            Errno::SRCH => Error::Ended(self.token),
            Errno::NOSYS => Error::Blocked { call, errno },
            errno => Error::from_call(call, errno),
        }
    }
}

impl AsFd for ExitHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<ExitHandle> for OwnedFd {
    /// Gives the pidfd away.
    fn from(handle: ExitHandle) -> Self {
        handle.fd
    }
}

impl fmt::Debug for ExitHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExitHandle({:?}, {})", self.kind, self.token)
    }
}
