//! Readers that give up, and servers that go.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod mounted;

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use exithand_fs::{Options, serve};
use exithand_testkit::{Apart, Need, actor, need, play_apart, say, sys, test_name};
use mounted::{Mounted, Place, block_on, errno, need_mounts, read, read_apart, read_together};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

const READS: u32 = 10_000;

/// Names the directory that the server of [`a_killed_server_lets_everybody_go`] mounts.
const DIRECTORY: &str = "EXITHAND_TEST_DIRECTORY";

fn cat(mounted: &Mounted, pid: Pid) -> Child {
    let mut command = Command::new("cat");
    command.arg(mounted.path(pid, "exithand"));
    command.stdout(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_blocked_cat_ends_by_any_signal() {
    need_mounts!();
    let mounted = Mounted::new();
    let actor = actor(&["hang"]);
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        for _ in 0..20 {
            let mut child = cat(&mounted, actor.pid());
            let pidfd = rustix::process::pidfd_open(
                Pid::from_child(&child),
                rustix::process::PidfdFlags::empty(),
            );
            rustix::process::pidfd_send_signal(pidfd.unwrap(), signal).unwrap();
            let status = child.wait().unwrap();
            assert_eq!(status.signal(), Some(signal.as_raw()));
        }
    }
}

#[test]
fn ten_thousand_aborted_reads_leave_nothing_behind() {
    need_mounts!();
    // Alone in its process, so that what is left behind is its own.
    if play_apart(test_name!(), abort_reads) {
        return;
    }
    Apart::start(test_name!(), |command| command).finish();
}

/// Descriptors and resident pages of this process, server included.
fn held() -> (usize, u64) {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().count();
    let memory = fs::read_to_string("/proc/self/statm").unwrap();
    let pages = memory.split(' ').nth(1).unwrap().parse().unwrap();
    (descriptors, pages)
}

#[test]
fn a_stopped_server_lets_its_readers_go_and_frees_the_path() {
    need_mounts!();
    let mut mounted = Mounted::new();
    let actor = actor(&["hang"]);
    let readers: Vec<_> = (0..50)
        .map(|_| read_apart(mounted.open(actor.pid(), "exithand")))
        .collect();
    let mut file = mounted.open(actor.pid(), "exithand");
    mounted.stop().unwrap();
    for reader in readers {
        let error = errno(reader.recv().unwrap());
        assert!(is_cut_off(error), "{error}");
    }
    assert!(is_cut_off(errno(read(&mut file))));
    assert_eq!(fs::read_dir(mounted.root()).unwrap().count(), 0);
}

#[test]
fn an_unmounted_server_ends() {
    need_mounts!();
    let mut mounted = Mounted::new();
    exithand_fs::unmount(mounted.root()).unwrap();
    mounted.stop().unwrap();
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    need_mounts!();
    let mounted = Mounted::new();
    let stop = std::future::pending();
    let second = block_on(serve(mounted.root(), Options::default(), || (), stop));
    let error = second.unwrap_err().to_string();
    assert!(error.contains("mounted already"), "{error}");
}

#[test]
fn a_killed_server_lets_everybody_go() {
    need_mounts!();
    need!(Need::Descriptors(5_000));
    if play_apart(test_name!(), serve_until_killed) {
        return;
    }
    let directory = Place::new();
    let mut server = Apart::start(test_name!(), |mut command| {
        command.env(DIRECTORY, directory.path());
        command
    });
    server.hear("serving");
    let actor = actor(&["hang"]);
    let pid = actor.pid().as_raw_nonzero().to_string();
    let path = directory.path().join(pid).join("exithand");
    mounted::raise_descriptor_limit();
    let readers = read_together((0..4_000).map(|_| File::open(&path).unwrap()).collect());
    // Dropping kills with SIGKILL, and waits.
    drop(server);
    for reader in readers {
        let error = errno(reader.recv().unwrap());
        assert!(is_cut_off(error), "{error}");
    }
    let listed = Command::new("ls").arg(directory.path()).output().unwrap();
    assert!(!listed.status.success(), "nobody answers: {listed:?}");
    let listed = errno(fs::read_dir(directory.path()));
    assert!(is_cut_off(listed), "{listed}");
    // Another server takes the place of the dead one.
    let mut again = Mounted::on(directory.path(), Options::default());
    assert!(path.exists());
    again.stop().unwrap();
}

fn is_cut_off(errno: i32) -> bool {
    [Errno::CONNABORTED, Errno::NOTCONN]
        .map(Errno::raw_os_error)
        .contains(&errno)
}

fn abort_reads() {
    static DONE: AtomicU32 = AtomicU32::new(0);
    let mounted = Mounted::new();
    let actor = actor(&["hang"]);
    let path = mounted.path(actor.pid(), "exithand");
    sys::interrupt_on(Signal::USR1).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let reader = thread::spawn(move || {
        tell.send(rustix::thread::gettid()).unwrap();
        for _ in 0..READS {
            let file = File::open(&path).unwrap();
            let mut byte = [0; 1];
            let interrupted = rustix::io::read(&file, &mut byte);
            assert_eq!(interrupted, Err(Errno::INTR));
            DONE.fetch_add(1, Ordering::Release);
        }
    });
    let tid = told.recv().unwrap();
    let before = held();
    while !reader.is_finished() && DONE.load(Ordering::Acquire) < READS {
        // It may be between two reads, or gone.
        drop(sys::signal_thread(tid, Signal::USR1));
        thread::yield_now();
    }
    reader.join().unwrap();
    let after = held();
    assert!(after.0 <= before.0 + 2, "descriptors: {before:?} {after:?}");
    assert!(after.1 <= before.1 + 512, "pages: {before:?} {after:?}");
}

fn serve_until_killed() {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).unwrap());
    let stop = std::future::pending();
    let ready = || say("serving");
    block_on(serve(&directory, Options::default(), ready, stop)).unwrap();
}
