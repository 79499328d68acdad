//! A directory that behaves like one of exithand files, made of named pipes.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::process::Pid;
use tempfile::TempDir;

/// A directory of exithand files about processes that do not exist, anywhere and for any user.
#[derive(Debug)]
pub struct FakeFiles(TempDir);

/// A process that lives in a [`FakeFiles`], until it is said to have ended.
///
/// A pipe that somebody has open for writing does what the file of a living process does: a read
/// blocks, and gives nothing once the writer has gone.
#[derive(Debug)]
pub struct FakeProcess {
    directory: PathBuf,
    watch: OwnedFd,
    life: Option<OwnedFd>,
    teller: Option<OwnedFd>,
}

impl FakeFiles {
    /// Makes an empty directory.
    ///
    /// # Panics
    /// If there is no room for it.
    #[track_caller]
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("make a temporary directory"))
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        self.0.path()
    }

    /// Puts a living process there, of which `teller` (`outcome`, `siginfo`) will tell the outcome.
    ///
    /// # Panics
    /// If the files cannot be made.
    #[track_caller]
    pub fn start(&self, pid: Pid, token: &str, teller: Option<&str>) -> FakeProcess {
        let directory = self.root().join(pid.as_raw_nonzero().to_string());
        fs::create_dir(&directory).expect("make the directory of a process");
        fs::write(directory.join("token"), format!("{token}\n")).expect("write the token");
        let watch = inotify::init(CreateFlags::CLOEXEC).expect("make a watch");
        inotify::add_watch(&watch, &directory, WatchFlags::CLOSE_NOWRITE)
            .expect("watch a directory");
        let pipe = |name: &str| pipe(&directory.join(name)).expect("make a named pipe");
        FakeProcess {
            life: Some(pipe("exithand")),
            teller: teller.map(pipe),
            watch,
            directory,
        }
    }
}

impl Default for FakeFiles {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeProcess {
    /// The directory of the process.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Waits until somebody has read the token, and so has opened the other files.
    ///
    /// # Panics
    /// If the directory cannot be watched.
    #[track_caller]
    pub fn until_held(&self) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.watch, &mut buffer);
        loop {
            let event = events.next().expect("read what happens in a directory");
            if event.file_name() == Some(c"token") {
                break;
            }
        }
    }

    /// Lets it end, for those who hold it; a named pipe opened later would seem to live.
    pub fn end(&mut self) {
        self.life = None;
    }

    /// Lets the outcome be known.
    ///
    /// # Panics
    /// If nobody is there to tell it, or it has been told.
    #[track_caller]
    pub fn tell(&mut self, outcome: &[u8]) {
        let teller = self.teller.take().expect("an outcome to be told once");
        rustix::io::write(&teller, outcome).expect("write the outcome");
    }

    /// Takes all that can be found by name away, as after the reap.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn reap(&mut self) {
        fs::remove_dir_all(&self.directory).expect("remove the directory of a process");
    }
}

/// Makes a named pipe, and keeps it open for writing.
fn pipe(path: &Path) -> io::Result<OwnedFd> {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    // For both directions, or the call would wait for a reader.
    Ok(open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)
}
