//! A mount that is gone when the test is.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::fs::{File, Permissions, set_permissions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

use exithand_fs::{Access, Error, Options, serve};
use exithand_testkit::Pid;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::time::Timespec;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Skips the test unless this user can mount.
macro_rules! need_mounts {
    () => {
        exithand_testkit::need!(exithand_testkit::Need::Fuse);
        if !rustix::process::geteuid().is_root() {
            exithand_testkit::need!(exithand_testkit::Need::Program("fusermount3"));
        }
    };
}
pub(crate) use need_mounts;

/// Exithand files served by a thread of this process.
pub(crate) struct Mounted {
    directory: PathBuf,
    /// Removed last.
    temporary: Option<TempDir>,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<Result<(), Error>>>,
}

impl Mounted {
    /// Mounts for the user of the test.
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    /// Mounts for all users.
    pub(crate) fn for_all(options: Options) -> Self {
        Self::with(Options {
            access: Access::Everybody,
            ..options
        })
    }

    pub(crate) fn with(options: Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let mut mounted = Self::on(directory.path(), options);
        mounted.temporary = Some(directory);
        mounted
    }

    /// Mounts on a directory.
    pub(crate) fn on(directory: &Path, options: Options) -> Self {
        let path = directory.to_owned();
        let (stop, stopped) = oneshot::channel();
        let (tell, ready) = channel();
        let server = thread::spawn(move || {
            let stop = async {
                // A guard that is gone has said stop as well.
                drop(stopped.await);
            };
            block_on(serve(&path, options, || tell.send(()).unwrap(), stop))
        });
        let mut mounted = Self {
            directory: directory.to_owned(),
            temporary: None,
            stop: Some(stop),
            server: Some(server),
        };
        if ready.recv().is_err() {
            let result = mounted.server.take().map(JoinHandle::join);
            panic!("not served: {result:?}");
        }
        mounted
    }

    pub(crate) fn root(&self) -> &Path {
        &self.directory
    }

    /// The path of a file of a process.
    pub(crate) fn path(&self, pid: Pid, file: &str) -> PathBuf {
        let pid = pid.as_raw_nonzero().to_string();
        self.root().join(pid).join(file)
    }

    pub(crate) fn open(&self, pid: Pid, file: &str) -> File {
        let path = self.path(pid, file);
        File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn read(&self, pid: Pid, file: &str) -> Vec<u8> {
        read(&mut self.open(pid, file)).unwrap()
    }

    pub(crate) fn text(&self, pid: Pid, file: &str) -> String {
        String::from_utf8(self.read(pid, file)).unwrap()
    }

    /// Says stop and returns how the server ended.
    pub(crate) fn stop(&mut self) -> Result<(), Error> {
        self.stop = None;
        self.server.take().unwrap().join().unwrap()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.stop = None;
        let served = self.server.take().map(JoinHandle::join);
        if !matches!(served, None | Some(Ok(Ok(())))) {
            // The server went without cleaning up.
            drop(exithand_fs::unmount(self.root()));
        }
    }
}

/// A directory for a server in another process; what a failed test leaves there is unmounted.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nothing is mounted there unless the test failed.
        drop(exithand_fs::unmount(self.path()));
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

pub(crate) fn read(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(crate) fn nonblocking(path: &Path) -> File {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let opened = File::options().read(true).custom_flags(flags).open(path);
    opened.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads in a thread of its own.
pub(crate) fn read_apart(mut file: File) -> Receiver<io::Result<Vec<u8>>> {
    let (tell, told) = channel();
    thread::spawn(move || {
        let result = read(&mut file);
        // Whoever hears of the end may count on it.
        drop(file);
        // The test may have failed meanwhile.
        drop(tell.send(result));
    });
    told
}

/// Reads all of them, each in a thread of its own, and returns once all threads sleep in the kernel.
pub(crate) fn read_together(files: Vec<File>) -> Vec<Receiver<io::Result<Vec<u8>>>> {
    let (tell, told) = channel();
    let start = |mut file: File| {
        let (tell_result, result) = channel();
        let tell = tell.clone();
        thread::spawn(move || {
            tell.send(rustix::thread::gettid()).unwrap();
            let result = read(&mut file);
            drop(file);
            // The test may have failed meanwhile.
            drop(tell_result.send(result));
        });
        result
    };
    let results: Vec<_> = files.into_iter().map(start).collect();
    for tid in told.iter().take(results.len()) {
        while !sleeps(tid) {
            thread::yield_now();
        }
    }
    results
}

fn sleeps(tid: Pid) -> bool {
    let stat = format!("/proc/self/task/{}/stat", tid.as_raw_nonzero());
    let stat = std::fs::read_to_string(stat).unwrap();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('S'))
}

/// Raises the soft limit of descriptors to the hard one.
pub(crate) fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

/// Says whether the file polls readable now.
pub(crate) fn is_readable(file: &File) -> bool {
    let mut fds = [PollFd::new(file, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now)).unwrap() == 1
}

/// Waits until the file polls readable.
pub(crate) fn wait_readable(file: &File) {
    let mut fds = [PollFd::new(file, PollFlags::IN)];
    poll(&mut fds, None).unwrap();
    assert_eq!(fds[0].revents(), PollFlags::IN);
}

pub(crate) fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> i32 {
    result.unwrap_err().raw_os_error().unwrap()
}
