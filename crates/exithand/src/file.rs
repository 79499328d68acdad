//! Opening and waiting through exithand files, for whoever has no other way.
//!
//! A sandbox that forbids `pidfd_open(2)` can still have a directory of exithand files bound into
//! it, as `exithand mount` makes it. An [`ExitFile`] is what an
//! [`ExitHandle`](crate::ExitHandle) is elsewhere:
//!
//! ```no_run
//! use exithand::file::ExitFile;
//! use exithand::{Deadline, Pid};
//! use std::path::Path;
//!
//! let pid = Pid::from_raw(4242).expect("a pid");
//! let file = ExitFile::open(Path::new("/run/exithand"), pid)?;
//! let exit = file.wait(Deadline::NEVER)?.expect("no deadline was set");
//! println!("{}: {exit}", file.token());
//! # Ok::<(), exithand::Error>(())
//! ```

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::event::PollFlags;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::{Errno, read, retry_on_intr};
use rustix::process::Pid;

use crate::outcome::Why;
use crate::poll::poll_until;
use crate::proc::{self, Stat};
use crate::{
    Deadline, Error, Exit, Outcome, SigInfo, Source, State, StatusSource, Token, Until, WaitOptions,
};

/// What calls on exithand files are called in errors.
const OPEN: &str = "opening an exithand file";
const READ: &str = "reading an exithand file";
/// Longer than any of the files, so that one read gives all.
const ROOM: usize = 4096;

/// One process, held by its exithand file.
///
/// Like an [`ExitHandle`](crate::ExitHandle) it never speaks of another process, needs no
/// privilege, disturbs nobody, may be used by many threads, and gives the same answer when asked
/// again. All its files are opened through one directory, so that they speak of one process.
///
/// It holds three descriptors. That of the exithand file, which any poll loop can watch through
/// [`AsFd`], is readable once the process has ended; a read may be what tells for certain.
pub struct ExitFile {
    directory: OwnedFd,
    file: OwnedFd,
    teller: Teller,
    pid: Pid,
    token: Token,
    /// The outcome as the files tell it. Locked while it is read, for a file gives it once.
    told: Mutex<Option<Outcome>>,
    /// Whether the process is the caller.
    own: bool,
    known: OnceLock<(Outcome, Option<Source>)>,
}

/// The file that tells the outcome.
enum Teller {
    /// `PID/outcome`: a line of text.
    Words(OwnedFd),
    /// `PID/siginfo`: the structure that `waitid(2)` fills.
    SigInfo(OwnedFd),
    /// None that we may read.
    Nobody(Why),
}

impl ExitFile {
    /// Opens the process that has `pid` now, below `root`, a directory of exithand files.
    ///
    /// A number alone cannot tell whether the process behind it is still the one that was meant:
    /// compare [`ExitFile::token`] where that matters.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchProcess`] (`ESRCH`): there is none; it may have ended a moment ago.
    /// - [`Error::IsThread`] (`EINVAL`): the number is that of a thread, and `/proc` says of what.
    /// - [`Error::NoExitFiles`] (`ENOENT`): `root` holds no exithand files.
    /// - [`Error::FilesDied`] (`ENOTCONN`): what was mounted there has lost its server.
    /// - [`Error::TooManyFiles`] (`EMFILE`); [`Error::Syscall`] (`EACCES`) where `root` is closed to us.
    pub fn open(root: &Path, pid: Pid) -> Result<Self, Error> {
        let no_files = || Error::NoExitFiles(root.to_owned());
        let top = open_in(CWD, root, OFlags::PATH | OFlags::DIRECTORY).map_err(|it| match it {
            Errno::NOENT | Errno::NOTDIR => no_files(),
            errno => failed(OPEN, errno),
        })?;
        let number = pid.as_raw_nonzero().to_string();
        let path = Path::new(&number);
        let gone = |errno: Errno| match errno {
            errno if errno == Errno::INVAL || is_absent(errno) => not_a_process(pid),
            errno => failed(OPEN, errno),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let directory = open_in(top.as_fd(), path, flags).map_err(gone)?;
        let missing = |errno: Errno| {
            let now = statat(&top, path, AtFlags::empty());
            let is_there = now.is_ok_and(|now| is_same(&directory, &now));
            if is_absent(errno) && is_there {
                no_files()
            } else {
                gone(errno)
            }
        };
        let file = open_in(directory.as_fd(), "exithand".as_ref(), OFlags::NONBLOCK);
        let file = file.map_err(missing)?;
        let teller = Teller::open(&directory).map_err(missing)?;
        let token = read_token(&directory, pid).map_err(missing)?;
        let token = token.ok_or_else(no_files)?;
        Ok(Self {
            directory,
            file,
            teller,
            pid,
            token,
            told: Mutex::new(None),
            own: is_own(&top, &number),
            known: OnceLock::new(),
        })
    }

    /// Returns the number the process has, or had, among the exithand files: in the pid namespace
    /// they are of, which need not be the caller's.
    pub fn pid(&self) -> Pid {
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
    /// [`Error::FilesDied`] (`ENOTCONN`); [`Error::Syscall`] for what no exithand file does.
    pub fn state(&self) -> Result<State, Error> {
        match read_some(&self.file, &mut [0]) {
            Ok(0) => {}
            Err(Errno::AGAIN) => return Ok(State::Alive),
            Ok(_) => return Err(failed(READ, Errno::IO)),
            Err(errno) => return Err(failed(READ, errno)),
        }
        // In the directory of a process that is gone there is nothing.
        match statat(&self.directory, "exithand", AtFlags::empty()) {
            Ok(_) => Ok(State::Ended),
            Err(errno) if is_absent(errno) => Ok(State::Reaped),
            Err(errno) => Err(failed(READ, errno)),
        }
    }

    /// Says how the process ended; `None` while it runs. Never blocks.
    ///
    /// # Errors
    ///
    /// As [`ExitFile::state`].
    pub fn try_wait(&self) -> Result<Option<Exit>, Error> {
        match self.state()? {
            State::Alive => Ok(None),
            _ => self.exit(Deadline::NOW, None).map(Some),
        }
    }

    /// Blocks until the process has ended; `None` once `deadline` has passed.
    ///
    /// After the end, allows [`DEFAULT_GRACE`](crate::DEFAULT_GRACE) for the files to know the
    /// outcome. Costs no CPU while it waits.
    ///
    /// # Errors
    ///
    /// As [`ExitFile::state`], and [`Error::Itself`] (`EDEADLK`): the file is the caller's own.
    pub fn wait(&self, deadline: Deadline) -> Result<Option<Exit>, Error> {
        self.wait_with(&WaitOptions {
            deadline,
            ..WaitOptions::default()
        })
    }

    /// Blocks like [`ExitFile::wait`], with a grace and a status source of the caller's choice.
    ///
    /// # Errors
    ///
    /// As [`ExitFile::wait`], and [`Error::ReapUntold`]: `until` is [`Until::Reaped`].
    pub fn wait_with(&self, options: &WaitOptions<'_>) -> Result<Option<Exit>, Error> {
        self.refuse_endless(options.until)?;
        while self.state()? == State::Alive {
            let watched = [(self.file.as_fd(), PollFlags::IN)];
            let [seen] = poll_until(watched, options.deadline)?;
            if seen.is_empty() {
                return Ok(None);
            }
        }
        let grace = Deadline::after(options.grace).min(options.deadline);
        self.exit(grace, options.source).map(Some)
    }

    /// Refuses what would never finish.
    pub(crate) fn refuse_endless(&self, until: Until) -> Result<(), Error> {
        if until == Until::Reaped {
            return Err(Error::ReapUntold);
        }
        if self.own && self.state()? == State::Alive {
            return Err(Error::Itself(self.pid));
        }
        Ok(())
    }

    /// Describes the end of a process that has ended, which the files may tell until `grace`.
    fn exit(&self, grace: Deadline, source: Option<&dyn StatusSource>) -> Result<Exit, Error> {
        let (outcome, source) = match self.known.get() {
            Some(known) => *known,
            None => self.learn(grace, source)?,
        };
        Ok(Exit {
            token: self.token,
            outcome,
            reaped: self.state()? == State::Reaped,
            source,
        })
    }

    fn learn(
        &self,
        grace: Deadline,
        recorder: Option<&dyn StatusSource>,
    ) -> Result<(Outcome, Option<Source>), Error> {
        let told = self.told(grace)?;
        let learned = match recorder.filter(|_| !told.is_known()) {
            Some(recorder) => recorder
                .outcome(&self.token)
                .map_or((told, None), |it| (it, Some(Source::Recorder))),
            None => (told, told.is_known().then_some(Source::File)),
        };
        if learned.0.is_known() {
            return Ok(*self.known.get_or_init(|| learned));
        }
        Ok(learned)
    }

    /// What the files tell, which they may take until `grace` for.
    fn told(&self, grace: Deadline) -> Result<Outcome, Error> {
        let (Teller::Words(file) | Teller::SigInfo(file)) = &self.teller else {
            return Ok(self.teller.decode(&[]));
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = grace;
        loop {
            if let Some(outcome) = *told {
                return Ok(outcome);
            }
            let mut bytes = [0; ROOM];
            match read_some(file, &mut bytes) {
                Ok(length) => *told = Some(self.teller.decode(&bytes[..length])),
                Err(Errno::AGAIN) if left == Deadline::NOW => {
                    let why = Why::FilePending;
                    return Ok(Outcome::Unknown { why });
                }
                Err(Errno::AGAIN) => {
                    // Others may ask meanwhile; whoever is first to read tells all.
                    drop(told);
                    let [seen] = poll_until([(file.as_fd(), PollFlags::IN)], left)?;
                    if seen.is_empty() {
                        left = Deadline::NOW;
                    }
                    told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                }
                // A kernel with the files judges again when the process has ended.
                Err(Errno::ACCESS | Errno::PERM) => {
                    let why = Why::FileDenies;
                    *told = Some(Outcome::Unknown { why });
                }
                Err(errno) => return Err(failed(READ, errno)),
            }
        }
    }
}

impl Teller {
    /// Opens the file that tells most.
    fn open(directory: &OwnedFd) -> Result<Self, Errno> {
        let open = |name: &str| open_in(directory.as_fd(), name.as_ref(), OFlags::NONBLOCK);
        match open("outcome") {
            Ok(file) => return Ok(Self::Words(file)),
            Err(Errno::ACCESS | Errno::PERM) => return Ok(Self::Nobody(Why::FileDenies)),
            Err(errno) if is_absent(errno) => {}
            Err(errno) => return Err(errno),
        }
        match open("siginfo") {
            Ok(file) => Ok(Self::SigInfo(file)),
            Err(Errno::ACCESS | Errno::PERM) => Ok(Self::Nobody(Why::FileDenies)),
            // Whether the process has gone meanwhile, the token will tell.
            Err(errno) if is_absent(errno) => Ok(Self::Nobody(Why::FileAbsent)),
            Err(errno) => Err(errno),
        }
    }

    /// Understands what a file gave.
    fn decode(&self, bytes: &[u8]) -> Outcome {
        let understood = match self {
            Self::Nobody(why) => Some(Outcome::Unknown { why: *why }),
            Self::Words(_) => {
                let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
                std::str::from_utf8(line)
                    .ok()
                    .and_then(|it| it.parse().ok())
            }
            Self::SigInfo(_) => SigInfo::from_bytes(bytes).and_then(|it| it.outcome().ok()),
        };
        let why = Why::Unexplained;
        understood.unwrap_or(Outcome::Unknown { why })
    }
}

impl AsFd for ExitFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl fmt::Debug for ExitFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExitFile({})", self.token)
    }
}

/// Says whether the caller has this number among the files; it may have another elsewhere.
fn is_own(top: &OwnedFd, number: &str) -> bool {
    readlinkat(top, "self", Vec::new()).is_ok_and(|it| it.to_bytes() == number.as_bytes())
}

/// Reads the token, or makes one from what a `/proc` with exithand files has instead.
fn read_token(directory: &OwnedFd, pid: Pid) -> Result<Option<Token>, Errno> {
    let read_all = |name: &str| {
        let file = open_in(directory.as_fd(), name.as_ref(), OFlags::NONBLOCK)?;
        let mut bytes = vec![0; ROOM];
        let length = read_some(&file, &mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    };
    match read_all("token") {
        Ok(text) => Ok(std::str::from_utf8(&text)
            .ok()
            .and_then(|text| text.trim_end().parse().ok())),
        Err(errno) if is_absent(errno) => {
            let stat = Stat::parse(&read_all("stat")?);
            Ok(stat.map(|stat| Token::of_start(Some(pid), stat.start_ticks)))
        }
        Err(errno) => Err(errno),
    }
}

fn open_in(directory: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | flags;
    retry_on_intr(|| openat(directory, path, flags, Mode::empty()))
}

fn read_some(file: &OwnedFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    retry_on_intr(|| read(file, &mut *buffer))
}

/// Says whether `now`, found by name, is the directory that is held.
fn is_same(directory: &OwnedFd, now: &rustix::fs::Stat) -> bool {
    rustix::fs::fstat(directory).is_ok_and(|held| held.st_ino == now.st_ino)
}

/// What the files of a process that has gone answer.
fn is_absent(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::SRCH | Errno::STALE)
}

/// Why there is no exithand file for a number.
fn not_a_process(pid: Pid) -> Error {
    match proc::thread_group_of(pid) {
        Some(process) if process != pid => Error::IsThread { tid: pid, process },
        _ => Error::NoSuchProcess(pid),
    }
}

/// Turns the error of a call on the files into ours.
fn failed(call: &'static str, errno: Errno) -> Error {
    match errno {
        Errno::NOTCONN | Errno::CONNABORTED => Error::FilesDied(errno),
        errno => Error::from_call(call, errno),
    }
}
