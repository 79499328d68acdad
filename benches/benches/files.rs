//! What the exithand files cost, set against the same with bare pidfds: to open one, to be woken by
//! one, to be woken as one of thousands, and to keep thousands open.
//!
//! The server runs in a process of its own, as it does for its users.

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use exithand::{Deadline, ExitHandle, Pid, Until};
use exithand_benches::{
    Crowd, Goal, Strangers, Table, bare_end, bare_open, in_turns, now, one_wake,
    raise_descriptor_limit,
};
use exithand_fs::{Options, serve};
use tempfile::TempDir;

/// Names the directory to the process that serves.
const SERVE: &str = "EXITHAND_BENCH_SERVE";

const WAKES: usize = 2000;
const OPENED: usize = 500;
const OPENING_ROUNDS: usize = 20;
const READERS: usize = 5000;
const RELEASES: usize = 5;
/// A thread that reads or polls needs little.
const STACK_BYTES: usize = 64 * 1024;
const OPEN_FILES: usize = 20_000;
/// Left for the pipes, and the standard streams.
const OTHER_DESCRIPTORS: usize = 100;
/// Processes that share the open files.
const IDLE_PROCESSES: usize = 1000;
const IDLE: Duration = Duration::from_secs(5);
const IDLE_CPU: Duration = Duration::from_millis(1);

fn main() {
    let most = raise_descriptor_limit();
    if let Some(directory) = env::var_os(SERVE) {
        serve_until_stdin_ends(Path::new(&directory));
        return;
    }
    let table = Table::new();
    if File::open("/dev/fuse").is_err() {
        table.note("# /dev/fuse cannot be opened: nothing is measured");
        return;
    }
    let server = Server::start();
    wake(&table, &server);
    open(&table, &server);
    release(&table, &server);
    idle(
        &table,
        &server,
        OPEN_FILES.min(most.saturating_sub(OTHER_DESCRIPTORS)),
    );
}

/// From just before the `exit` of somebody else's child to the return of a read, or of a poll.
fn wake(table: &Table, server: &Server) {
    let [ours, bare] = in_turns(
        WAKES,
        &mut Strangers::new(),
        |strangers| one_wake(strangers, |pid| server.open(pid), read_end),
        |strangers| one_wake(strangers, bare_open, bare_end),
    );
    table.times("file, wake of a reader", ours, bare, Goal::AtMost(1.60));
}

/// One open of a process of which nobody has had a file open.
fn open(table: &Table, server: &Server) {
    let [ours, bare] = in_turns(
        OPENING_ROUNDS,
        &mut Crowd::new(),
        |crowd| opening(crowd, server, |pid| server.open(pid)),
        |crowd| opening(crowd, server, bare_open),
    );
    table.times("file, open", ours, bare, Goal::AtMost(25.0));
}

fn opening<F>(crowd: &mut Crowd, server: &Server, open: impl Fn(Pid) -> F) -> Duration {
    let pids = crowd.start(OPENED);
    server.come_to_rest();
    let start = now();
    let opened: Vec<F> = pids.into_iter().map(open).collect();
    let took = now().saturating_sub(start);
    drop(opened);
    crowd.end(OPENED);
    crowd.settle();
    took / u32::try_from(OPENED).expect("not many")
}

/// As many threads that read as processes that end.
fn release(table: &Table, server: &Server) {
    let [ours, bare] = in_turns(
        RELEASES,
        &mut Crowd::new(),
        |crowd| releasing(crowd, |pid| server.open(pid), read_end),
        |crowd| releasing(crowd, bare_open, |pidfd: &OwnedFd| bare_end(pidfd)),
    );
    let what = format!("file, release of {READERS} readers by {READERS} ends");
    table.times(&what, ours, bare, Goal::AtMost(3.0));
}

fn releasing<F: Send + 'static>(
    crowd: &mut Crowd,
    open: impl Fn(Pid) -> F,
    wait: fn(&F),
) -> Duration {
    let (tell, told) = channel();
    let readers: Vec<JoinHandle<Duration>> = crowd
        .start(READERS)
        .into_iter()
        .map(|pid| {
            let (file, tell) = (open(pid), tell.clone());
            let read = move || {
                tell.send(rustix::thread::gettid()).expect("it listens");
                wait(&file);
                now()
            };
            let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(read);
            thread.expect("start a thread")
        })
        .collect();
    for tid in told.iter().take(READERS) {
        let thread = PathBuf::from(format!("/proc/self/task/{}", tid.as_raw_nonzero()));
        while !sleeps(&thread) {
            thread::yield_now();
        }
    }
    let start = now();
    crowd.end(READERS);
    let last = readers
        .into_iter()
        .map(|it| it.join().expect("it has read"))
        .max();
    crowd.settle();
    last.expect("some").saturating_sub(start)
}

/// Says whether a thread sleeps, which it does in the kernel.
fn sleeps(thread: &Path) -> bool {
    let stat = fs::read_to_string(thread.join("stat")).expect("it is there");
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('S'))
}

/// What the server does while nobody ends.
fn idle(table: &Table, server: &Server, count: usize) {
    let mut crowd = Crowd::new();
    let pids = crowd.start(IDLE_PROCESSES);
    let pids = pids.iter().cycle().take(count);
    let files: Vec<File> = pids.map(|pid| server.open(*pid)).collect();
    // Nobody ends, and least of all the server.
    let nobody = ExitHandle::from_child(&server.child).expect("open the server");
    server.come_to_rest();
    let before = server.used();
    let waited = nobody.wait(Until::Ended, Deadline::after(IDLE));
    let after = server.used();
    assert!(waited.expect("wait").is_none(), "the server goes on");
    let what = format!("file, CPU of the server in {IDLE:?}, {count} open (allowed)");
    let cpu = after.0.saturating_sub(before.0);
    table.times(&what, cpu, IDLE_CPU, Goal::AtMost(1.0));
    let wakes = f64::from(u32::try_from(after.1 - before.1).expect("not many"));
    let what = "file, wake-ups of the server meanwhile (allowed)";
    table.numbers(what, wakes, 1.0, "", Goal::AtMost(0.0));
    drop(files);
    crowd.end(IDLE_PROCESSES);
    crowd.settle();
}

fn read_end(mut file: &File) {
    let count = file.read(&mut [0; 1]).expect("read");
    assert_eq!(count, 0, "nothing but an end");
}

/// Another process, which serves until this is dropped.
struct Server {
    child: Child,
    directory: TempDir,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("make a directory");
        let mut command = Command::new(env::current_exe().expect("find this program"));
        command
            .env(SERVE, directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("start the server");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("listen");
        assert_eq!(line, "serving\n");
        Self { child, directory }
    }

    fn open(&self, pid: Pid) -> File {
        let pid = pid.as_raw_nonzero();
        let path = self.directory.path().join(format!("{pid}/exithand"));
        File::open(path).expect("open")
    }

    /// Returns once it has dealt with all that has happened.
    fn come_to_rest(&self) {
        loop {
            let before = self.used();
            if self.threads().all(|thread| sleeps(&thread)) && self.used() == before {
                break;
            }
            thread::yield_now();
        }
    }

    fn threads(&self) -> impl Iterator<Item = PathBuf> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it is there");
        threads.map(|thread| thread.expect("read").path())
    }

    /// The time that its threads have run, and how often they were given the processor.
    fn used(&self) -> (Duration, u64) {
        let used = self.threads().map(|thread| {
            let text =
                fs::read_to_string(thread.join("schedstat")).expect("a kernel with schedstat");
            let fields: Vec<u64> = text
                .split_whitespace()
                .map(|field| field.parse().expect("a number"))
                .collect();
            (Duration::from_nanos(fields[0]), fields[2])
        });
        used.fold((Duration::ZERO, 0), |sum, one| {
            (sum.0 + one.0, sum.1 + one.1)
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its stdin is the word to stop.
        drop(self.child.stdin.take());
        let status = self.child.wait().expect("wait for the server");
        assert!(status.success() || thread::panicking(), "{status}");
    }
}

fn serve_until_stdin_ends(directory: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("start the event loop");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    thread::spawn(move || {
        // However it ends.
        io::stdin().read_to_end(&mut Vec::new()).unwrap_or_default();
        drop(stop);
    });
    let stop = async {
        stopped.await.unwrap_or_default();
    };
    let ready = || {
        let mut stdout = io::stdout();
        writeln!(stdout, "serving").expect("say so");
    };
    let served = runtime.block_on(serve(directory, Options::default(), ready, stop));
    served.expect("serve");
}
