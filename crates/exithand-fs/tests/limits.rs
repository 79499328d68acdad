//! A server that runs out, and one with many readers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod mounted;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use exithand_fs::{Options, serve};
use exithand_testkit::{Actor, with_descriptor_limit};
use exithand_testkit::{Apart, Need, actor, listen, need, play_apart, say, test_name};
use mounted::{
    Mounted, Place, block_on, is_readable, need_mounts, read, read_apart, read_together,
};
use rustix::io::Errno;

/// Names the directory that the server of a test mounts.
const DIRECTORY: &str = "EXITHAND_TEST_DIRECTORY";
/// Lists the processes whose files the second client of a test opens.
const PIDS: &str = "EXITHAND_TEST_PIDS";

/// Has the tests run one after the other. Between fork and exec the child of one would hold the files
/// of another, which then are not closed when that closes them.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves in a process of its own, until the test says go.
fn serve_apart() {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let listener = std::thread::spawn(move || {
        listen();
        stop.send(()).unwrap();
    });
    let stop = async { stopped.await.unwrap() };
    let ready = || say("serving");
    block_on(serve(&directory, Options::default(), ready, stop)).unwrap();
    listener.join().unwrap();
}

#[test]
fn a_server_out_of_descriptors_refuses_and_harms_nobody() {
    need_mounts!();
    let _alone = alone();
    if play_apart(test_name!(), serve_apart) {
        return;
    }
    let directory = Place::new();
    let mut server = Apart::start(test_name!(), |mut command| {
        command.env(DIRECTORY, directory.path());
        with_descriptor_limit(100, command)
    });
    server.hear("serving");
    let mut actors: Vec<Actor> = (0..50).map(|_| actor(&["wait-then-exit", "3"])).collect();
    let path = |actor: &Actor| {
        let pid = actor.pid().as_raw_nonzero().to_string();
        directory.path().join(pid).join("exithand")
    };
    // What was only looked at makes room for what is opened.
    for actor in &actors {
        fs::metadata(path(actor)).unwrap();
    }
    let mut files = Vec::new();
    let refused = loop {
        match File::open(path(&actors[files.len()])) {
            Ok(file) => files.push(file),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.raw_os_error(), Some(Errno::MFILE.raw_os_error()));
    assert!(files.len() >= 30, "{}", files.len());
    let reader = read_apart(files[0].try_clone().unwrap());
    actors[0].release();
    assert_eq!(actors[0].wait(), 0x0300);
    assert_eq!(reader.recv().unwrap().unwrap(), b"");
    assert!(!is_readable(&files[1]));
    // More of a process that is held costs nothing.
    File::open(path(&actors[1])).unwrap();
    let last = path(&actors[files.len()]);
    files.swap_remove(0);
    File::open(last).unwrap();
    drop(files);
    server.go();
    server.finish();
}

/// Plays the second client of [`twenty_thousand_files_and_five_thousand_readers`].
fn hold_apart(pids: &str) {
    mounted::raise_descriptor_limit();
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).unwrap());
    let mut files = open_many(&directory, &pids.split(' ').collect::<Vec<_>>());
    say("open");
    listen();
    for file in &mut files {
        assert_eq!(read(file).unwrap(), b"");
    }
}

/// Opens as many files as one client has, of all processes in turn.
fn open_many(directory: &Path, pids: &[&str]) -> Vec<File> {
    let pids = pids.iter().cycle().take(FILES_OF_ONE);
    pids.map(|pid| File::open(directory.join(pid).join("exithand")).unwrap())
        .collect()
}

/// Two clients have as many open: one alone may be allowed fewer.
const FILES_OF_ONE: usize = 10_000;

#[test]
fn twenty_thousand_files_and_five_thousand_readers() {
    const READERS: usize = 5_000;
    const PROCESSES: usize = 40;
    need_mounts!();
    let _alone = alone();
    need!(Need::Descriptors(11_000));
    let role = || match std::env::var(PIDS) {
        Ok(pids) => hold_apart(&pids),
        Err(_) => serve_apart(),
    };
    if play_apart(test_name!(), role) {
        return;
    }
    mounted::raise_descriptor_limit();
    let directory = Place::new();
    let mut server = Apart::start(test_name!(), |mut command| {
        command.env(DIRECTORY, directory.path());
        command
    });
    server.hear("serving");
    let mut actors: Vec<Actor> = (0..PROCESSES)
        .map(|_| actor(&["wait-then-exit", "3"]))
        .collect();
    let pids: Vec<String> = actors.iter().map(|actor| actor.pid().to_string()).collect();
    let pids: Vec<&str> = pids.iter().map(String::as_str).collect();
    let mut other = Apart::start(test_name!(), |mut command| {
        command.env(DIRECTORY, directory.path());
        command.env(PIDS, pids.join(" "));
        command
    });
    other.hear("open");
    let mut files = open_many(directory.path(), &pids);
    let held = fs::read_dir(format!("/proc/{}/fd", server.pid()))
        .unwrap()
        .count();
    assert!(held < PROCESSES + 60, "one for each process: {held}");
    let readers = read_together(files.drain(..READERS).collect());
    for actor in &mut actors {
        actor.release();
    }
    for reader in readers {
        assert_eq!(reader.recv().unwrap().unwrap(), b"");
    }
    for mut file in files {
        assert_eq!(read(&mut file).unwrap(), b"");
    }
    other.go();
    other.finish();
    for actor in &mut actors {
        assert_eq!(actor.wait(), 0x0300);
    }
    server.go();
    server.finish();
}

#[test]
fn a_closed_file_is_let_go() {
    need_mounts!();
    let _alone = alone();
    if play_apart(test_name!(), || {
        let mounted = Mounted::new();
        let held = || fs::read_dir("/proc/self/fd").unwrap().count();
        let actors: Vec<Actor> = (0..20).map(|_| actor(&["hang"])).collect();
        let before = held();
        let files: Vec<File> = actors
            .iter()
            .map(|actor| mounted.open(actor.pid(), "exithand"))
            .collect();
        assert_eq!(held(), before + 40, "files and handles");
        drop(files);
        drop(actors);
        // The last directory goes with the last process; its handle then goes, too.
        while held() > before {
            std::thread::yield_now();
        }
    }) {
        return;
    }
    Apart::start(test_name!(), |command| command).finish();
}
