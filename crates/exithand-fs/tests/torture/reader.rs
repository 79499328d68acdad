//! Somebody who opens the files of whichever process has a pid, and reads them to their end.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use exithand::{ExitHandle, Outcome, Pid, SigInfo, State, Token};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, retry_on_intr};

use crate::ledger::{Ledger, View};
use crate::{FIRST_PID, Opens, PID_MAX};

/// Directories that a reader keeps open until their process is surely gone.
const KEPT: usize = 4;
/// The numbers of the inodes of one process differ in these bits.
const PART_BITS: u32 = 4;

/// What a file said.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said {
    /// `exithand`, by its end.
    End,
    /// `token`: the pid in it. The inode in it is that of [`Heard`].
    Token(Pid),
    /// `outcome`.
    Outcome(Outcome),
    /// `siginfo`, with the pid and the user in it.
    Siginfo(Option<(Outcome, Pid, u32)>),
}

impl Said {
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::End => "exithand",
            Self::Token(_) => "token",
            Self::Outcome(_) => "outcome",
            Self::Siginfo(_) => "siginfo",
        }
    }
}

/// One file, read to its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    /// The number in the path it was opened by.
    pub(crate) opened: Pid,
    /// Whose file it was: the process's pidfs inode, by the file's own inode or its token.
    pub(crate) inode: u64,
    pub(crate) said: Said,
}

/// All that a reader met with.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) heard: Vec<Heard>,
    /// Ends that the server's own end came before.
    pub(crate) missed: usize,
    /// Numbers that nobody had, or no more once the directory was open.
    pub(crate) absent: usize,
    /// Directories of the dead in which there was nothing, as there must be.
    pub(crate) left: usize,
    /// What must never be.
    pub(crate) wrong: Vec<String>,
}

/// A directory kept open.
struct Kept {
    directory: OwnedFd,
    inode: u64,
}

/// A thread that reads.
pub(crate) struct Reader<'a> {
    ledger: &'a Ledger,
    opens: &'a Opens,
    root: PathBuf,
    dice: u64,
    kept: Vec<Kept>,
    tally: Tally,
}

impl<'a> Reader<'a> {
    /// Makes one; each `seed`, not 0, gives another course.
    pub(crate) fn new(ledger: &'a Ledger, opens: &'a Opens, root: PathBuf, seed: u64) -> Self {
        Self {
            ledger,
            opens,
            root,
            dice: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            kept: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Reads of one process after another until the ledger is closed.
    pub(crate) fn run(mut self) -> Tally {
        let mut turn = 0;
        while let Some(view) = self.ledger.next(&mut turn, 0) {
            let pid = match self.roll() % 2 {
                0 => view.newest.pid,
                _ => self.random_pid(),
            };
            let course = self.roll() % 8;
            let done = match course {
                0 => self.token(pid),
                1..=4 => self.by_path(pid, ["exithand", "outcome", "siginfo"]),
                _ => self.by_directory(pid),
            };
            match done {
                Ok(()) => {}
                Err(Errno::NOENT) => self.tally.absent += 1,
                Err(Errno::CONNABORTED | Errno::NOTCONN) => {
                    self.tally.missed += 1;
                    break;
                }
                Err(errno) => panic!("course {course} for {pid}: {errno}"),
            }
            self.look_into_the_past(&view);
        }
        self.tally
    }

    /// One file, whose own inode says whose it is.
    fn by_path(&mut self, pid: Pid, names: [&str; 3]) -> Result<(), Errno> {
        let name = names[usize::try_from(self.roll() % 3).unwrap()];
        let opened = open(CWD, self.root.join(pid.to_string()).join(name));
        self.opens.add();
        let mut file = opened?;
        let inode = file.metadata().unwrap().ino() >> PART_BITS;
        self.read(pid, inode, name, &mut file)
    }

    fn token(&mut self, pid: Pid) -> Result<(), Errno> {
        let opened = open(CWD, self.root.join(pid.to_string()).join("token"));
        self.opens.add();
        let mut file = opened?;
        let inode = file.metadata().unwrap().ino() >> PART_BITS;
        let token = read_token(&mut file)?;
        self.compare(&token, inode);
        self.hear(pid, inode, Said::Token(token.pid().unwrap()));
        Ok(())
    }

    /// All files of a directory, which holds one process fast.
    fn by_directory(&mut self, pid: Pid) -> Result<(), Errno> {
        let opened = open_all(&self.root.join(pid.to_string()));
        self.opens.add();
        let (directory, mut token, files) = opened?;
        let token = read_token(&mut token)?;
        let inode = token.inode().expect("pidfs is older than private pid_max");
        self.hear(pid, inode, Said::Token(token.pid().unwrap()));
        for (name, mut file) in files {
            self.compare(&token, file.metadata().unwrap().ino() >> PART_BITS);
            self.read(pid, inode, name, &mut file)?;
            // By the word of the kernel, the process has ended by now.
            if let Ok(handle) = ExitHandle::open_token(&token)
                && handle.state().unwrap() == State::Alive
            {
                let early = format!("{name} of {token} ended too early");
                self.tally.wrong.push(early);
            }
        }
        if self.kept.len() < KEPT {
            self.kept.push(Kept { directory, inode });
        }
        Ok(())
    }

    /// In the directories of processes that are reaped there is nothing, and nobody else.
    fn look_into_the_past(&mut self, view: &View) {
        for kept in std::mem::take(&mut self.kept) {
            let record = self.ledger.who(kept.inode);
            if record.is_none_or(|record| record.number >= view.reaped) {
                self.kept.push(kept);
                continue;
            }
            for name in ["exithand", "outcome", "siginfo", "token"] {
                match open(&kept.directory, name) {
                    Err(Errno::NOENT) => {}
                    other => self
                        .tally
                        .wrong
                        .push(format!("{name} of the dead: {other:?}")),
                }
            }
            self.tally.left += 1;
        }
    }

    /// Reads a file to its end, after waiting by a poll or not, and reads its end once more.
    fn read(&mut self, pid: Pid, inode: u64, name: &str, file: &mut File) -> Result<(), Errno> {
        if self.roll().is_multiple_of(2) {
            let mut fds = [PollFd::new(file, PollFlags::IN)];
            retry_on_intr(|| poll(&mut fds, None))?;
        }
        let bytes = read(file)?;
        if !read(file)?.is_empty() {
            self.tally.wrong.push(format!("{name} of {pid} goes on"));
        }
        let said = match name {
            "exithand" if bytes.is_empty() => Some(Said::End),
            "outcome" => std::str::from_utf8(&bytes)
                .ok()
                .and_then(|text| text.trim_end().parse().ok())
                .map(Said::Outcome),
            "siginfo" if bytes.is_empty() => Some(Said::Siginfo(None)),
            "siginfo" => SigInfo::from_bytes(&bytes).and_then(|info| {
                let pid = Pid::from_raw(info.pid)?;
                Some(Said::Siginfo(Some((info.outcome().ok()?, pid, info.uid))))
            }),
            _ => None,
        };
        match said {
            Some(said) => self.hear(pid, inode, said),
            None => self.tally.wrong.push(format!("{name} said {bytes:?}")),
        }
        Ok(())
    }

    fn compare(&mut self, token: &Token, inode: u64) {
        if token.inode() != Some(inode) {
            let two = format!("{token} in one directory with inode {inode}");
            self.tally.wrong.push(two);
        }
    }

    fn hear(&mut self, opened: Pid, inode: u64, said: Said) {
        self.tally.heard.push(Heard {
            opened,
            inode,
            said,
        });
    }

    fn random_pid(&mut self) -> Pid {
        let span = u64::from(FIRST_PID.abs_diff(PID_MAX));
        let pid = FIRST_PID + i32::try_from(self.roll() % span).unwrap();
        Pid::from_raw(pid).unwrap()
    }

    fn roll(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice
    }
}

/// Opens a directory, its token, and the files that wait, with their names.
#[expect(clippy::type_complexity, reason = "it is taken apart at once")]
fn open_all(path: &Path) -> Result<(OwnedFd, File, Vec<(&'static str, File)>), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, path, flags, Mode::empty())?;
    let mut files = Vec::new();
    for name in ["exithand", "outcome", "siginfo"] {
        files.push((name, open(&directory, name)?));
    }
    let token = open(&directory, "token")?;
    Ok((directory, token, files))
}

fn read(file: &mut File) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    match file.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Errno::from_io_error(&error).unwrap()),
    }
}

fn read_token(file: &mut File) -> Result<Token, Errno> {
    let text = String::from_utf8(read(file)?).unwrap();
    Ok(text.trim_end().parse().unwrap())
}

fn open(at: impl AsFd, path: impl rustix::path::Arg) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    openat(at, path, flags, Mode::empty()).map(File::from)
}
