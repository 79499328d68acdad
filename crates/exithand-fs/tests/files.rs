//! Every file of the contract's table, with real processes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod mounted;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use exithand::ExitHandle;
use exithand_testkit::{Actor, Need, actor, need, sys};
use mounted::{
    Mounted, errno, is_readable, need_mounts, nonblocking, read, read_apart, wait_readable,
};
use rustix::event::epoll;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::Pid;

#[test]
fn a_read_returns_when_the_process_has_ended_and_ever_after() {
    need_mounts!();
    let mounted = Mounted::new();
    let mut actor = actor(&["wait-then-exit", "3"]);
    let mut file = mounted.open(actor.pid(), "exithand");
    let reader = read_apart(mounted.open(actor.pid(), "exithand"));
    assert!(reader.try_recv().is_err(), "it runs");
    actor.release();
    assert_eq!(reader.recv().unwrap().unwrap(), b"");
    for _ in 0..2 {
        assert_eq!(read(&mut file).unwrap(), b"");
    }
    assert_eq!(actor.wait(), 0x0300);
    assert_eq!(read(&mut file).unwrap(), b"", "reaped");
    let gone = File::open(mounted.path(actor.pid(), "exithand"));
    assert_eq!(errno(gone), Errno::NOENT.raw_os_error());
}

#[test]
fn outcome_and_siginfo_say_what_wait_says() {
    need_mounts!();
    let mounted = Mounted::new();
    let check = |mut actor: Actor, line: &str| {
        let pid = actor.pid();
        let outcome = read_apart(mounted.open(pid, "outcome"));
        let siginfo = read_apart(mounted.open(pid, "siginfo"));
        actor.release();
        actor.wait_zombie();
        // The test is the parent, and told before it reaps.
        assert_eq!(outcome.recv().unwrap().unwrap(), line.as_bytes());
        let bytes = siginfo.recv().unwrap().unwrap();
        assert_eq!(bytes, sys::waitid_bytes(pid).unwrap(), "{line}");
        assert_eq!(mounted.text(pid, "outcome"), line, "of a zombie");
        actor.wait();
    };
    check(actor(&["wait-then-exit", "0"]), "exited 0\n");
    check(actor(&["wait-then-exit", "3"]), "exited 3\n");
    check(actor(&["leader-exits-first"]), "exited 9\n");
    check(actor(&["worker-exit-group"]), "exited 7\n");
    let mut hanging = actor(&["hang"]);
    hanging.kill();
    check(hanging, "killed 9 KILL\n");
    if Need::CoreDumps.met() {
        check(actor(&["segv-core"]), "killed 11 SEGV core\n");
    }
}

#[test]
fn an_outcome_is_told_after_the_reap_to_who_opened_before() {
    need_mounts!();
    need!(Need::PidfdInfoExit);
    let mounted = Mounted::new();
    let mut actor = actor(&["wait-then-exit", "5"]);
    let mut file = mounted.open(actor.pid(), "outcome");
    let mut siginfo = mounted.open(actor.pid(), "siginfo");
    actor.release();
    actor.wait();
    let mut first = [0; 4];
    file.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"exit");
    assert_eq!(read(&mut file).unwrap(), b"ed 5\n", "short reads go on");
    assert_eq!(read(&mut file).unwrap(), b"");
    assert_eq!(read(&mut siginfo).unwrap().len(), 128);
}

#[test]
fn nonblocking_reads_never_block() {
    need_mounts!();
    let mounted = Mounted::new();
    let mut actor = actor(&["wait-then-exit", "3"]);
    let mut files = Vec::new();
    for name in ["exithand", "outcome", "siginfo"] {
        files.push(nonblocking(&mounted.path(actor.pid(), name)));
        // Set later, as a shell's descriptor may be.
        let later = mounted.open(actor.pid(), name);
        fcntl_setfl(&later, OFlags::NONBLOCK).unwrap();
        files.push(later);
    }
    for file in &mut files {
        assert_eq!(errno(read(file)), Errno::AGAIN.raw_os_error());
        assert!(!is_readable(file));
    }
    actor.release();
    actor.wait();
    for file in &mut files {
        wait_readable(file);
        read(file).unwrap();
    }
    let again = nonblocking(&mounted.root().join("pid_generation"));
    assert!(is_readable(&again), "always");
}

#[test]
fn poll_and_epoll_wake_up() {
    need_mounts!();
    let mounted = Mounted::new();
    for flags in [
        epoll::EventFlags::IN,
        epoll::EventFlags::IN | epoll::EventFlags::ET,
    ] {
        let mut actor = actor(&["wait-then-exit", "3"]);
        let file = mounted.open(actor.pid(), "exithand");
        let queue = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        epoll::add(&queue, &file, epoll::EventData::new_u64(7), flags).unwrap();
        let twin = file.try_clone().unwrap();
        let poller = std::thread::spawn(move || wait_readable(&twin));
        actor.release();
        let mut events = Vec::with_capacity(4);
        let room = rustix::buffer::spare_capacity(&mut events);
        epoll::wait(&queue, room, None).unwrap();
        assert_eq!(events.len(), 1);
        let seen = events[0].flags;
        assert_eq!(seen, epoll::EventFlags::IN);
        poller.join().unwrap();
        assert!(is_readable(&file));
    }
}

#[test]
fn nothing_can_be_changed() {
    need_mounts!();
    let mounted = Mounted::new();
    let actor = actor(&["hang"]);
    let path = mounted.path(actor.pid(), "exithand");
    let denied = [Errno::ACCESS, Errno::PERM].map(Errno::raw_os_error);
    let root = mounted.root();
    for (what, result) in [
        ("write", errno(File::options().write(true).open(&path))),
        ("truncate", errno(truncate(&path))),
        ("make a file", errno(File::create(root.join("new")))),
        ("make a directory", errno(fs::create_dir(root.join("new")))),
        ("remove", errno(fs::remove_file(&path))),
        ("rename", errno(fs::rename(&path, root.join("new")))),
        ("link", errno(fs::hard_link(&path, root.join("new")))),
    ] {
        assert!(denied.contains(&result), "{what}: {result}");
    }
    let file = mounted.open(actor.pid(), "exithand");
    let seek = rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0));
    assert_eq!(seek, Err(Errno::SPIPE));
}

fn truncate(path: &Path) -> std::io::Result<()> {
    File::options().write(true).truncate(true).open(path)?;
    Ok(())
}

#[test]
fn names_that_are_no_process_are_absent() {
    need_mounts!();
    let mounted = Mounted::new();
    let actor = actor(&["thread-ends"]);
    let thread = actor.told_pid().as_raw_nonzero().to_string();
    let padded = format!("0{}", actor.pid().as_raw_nonzero());
    for name in ["4194305", "0", "-1", "x", "exithand", &padded, &thread] {
        let path = mounted.root().join(name);
        let found = fs::metadata(&path);
        assert_eq!(errno(found), Errno::NOENT.raw_os_error(), "{name}");
    }
    let path = mounted.path(actor.pid(), "no such file");
    assert_eq!(errno(fs::metadata(path)), Errno::NOENT.raw_os_error());
}

#[test]
fn a_thread_has_its_own_end() {
    need_mounts!();
    need!(Need::PidfdThread);
    let mounted = Mounted::new();
    let mut actor = actor(&["thread-ends"]);
    let tid = actor.told_pid().as_raw_nonzero();
    let task = format!("task/{tid}/exithand");
    let listed: Vec<_> = names(&mounted.path(actor.pid(), "task"));
    assert!(listed.contains(&tid.to_string()), "{listed:?}");
    let thread = read_apart(mounted.open(actor.pid(), &task));
    let process = nonblocking(&mounted.path(actor.pid(), "exithand"));
    actor.go();
    assert_eq!(thread.recv().unwrap().unwrap(), b"");
    assert!(!is_readable(&process), "the process goes on");
    let stranger = format!("task/{}/exithand", std::process::id());
    let path = mounted.path(actor.pid(), &stranger);
    assert_eq!(errno(File::open(path)), Errno::NOENT.raw_os_error());
}

#[test]
fn self_is_whoever_asks() {
    need_mounts!();
    let mounted = Mounted::new();
    let link = |name: &str| fs::read_link(mounted.root().join(name)).unwrap();
    let (pid, tid) = (std::process::id(), rustix::thread::gettid());
    assert_eq!(link("self"), Path::new(&pid.to_string()));
    let thread = format!("{pid}/task/{}", tid.as_raw_nonzero());
    assert_eq!(link("thread-self"), Path::new(&thread));
    let token = fs::read_to_string(mounted.root().join("self/token")).unwrap();
    let own = ExitHandle::open(rustix::process::getpid()).unwrap();
    assert_eq!(token, format!("{}\n", own.token()));
    let wait_for_oneself = fs::read(mounted.root().join("self/exithand"));
    assert_eq!(errno(wait_for_oneself), Errno::DEADLK.raw_os_error());
}

#[test]
fn the_root_lists_what_proc_lists() {
    need_mounts!();
    let mounted = Mounted::new();
    let actors = [actor(&["hang"]), actor(&["hang"])];
    let listed = names(mounted.root());
    for name in ["self", "thread-self", "pid_generation"] {
        assert!(listed.contains(&name.to_owned()), "{name}");
    }
    for actor in &actors {
        let pid = actor.pid().as_raw_nonzero().to_string();
        assert!(listed.contains(&pid));
        let found = fs::read_dir(mounted.root()).unwrap().flatten();
        let entry = found.into_iter().find(|it| it.file_name() == pid.as_str());
        let inode = fs::metadata(mounted.root().join(&pid)).unwrap().ino();
        assert_eq!(std::os::unix::fs::DirEntryExt::ino(&entry.unwrap()), inode);
    }
    let mut files = names(&mounted.path(actors[0].pid(), ""));
    files.sort_unstable();
    assert_eq!(files, ["exithand", "outcome", "siginfo", "task", "token"]);
}

#[test]
fn the_generation_names_the_pid_given_out_last() {
    need_mounts!();
    let mounted = Mounted::new();
    let path = mounted.root().join("pid_generation");
    let actor = actor(&["hang"]);
    let text = fs::read_to_string(path).unwrap();
    let numbers: Vec<u64> = text
        .split_whitespace()
        .map(|it| it.parse().unwrap())
        .collect();
    assert_eq!(numbers.len(), 2, "{text:?}");
    assert!(numbers[1] > 0 && actor.pid() != Pid::INIT);
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
