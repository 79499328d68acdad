//! A server that runs out, and one with many readers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod mounted;

use std::fs::{self, File};
use std::path::PathBuf;

use exithand_fs::{Options, serve};
use exithand_testkit::{Actor, with_descriptor_limit};
use exithand_testkit::{Apart, Need, actor, listen, need, play_apart, say, test_name};
use mounted::{Mounted, Place, block_on, is_readable, need_mounts, read, read_apart};
use rustix::io::Errno;

/// Names the directory that the server of a test mounts.
const DIRECTORY: &str = "EXITHAND_TEST_DIRECTORY";

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

#[test]
fn many_files_and_many_readers() {
    const FILES: u64 = 5_000;
    const READERS: usize = 1_000;
    need_mounts!();
    need!(Need::Descriptors(6_000));
    if play_apart(test_name!(), serve_apart) {
        return;
    }
    rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit {
            current: Some(6_000),
            ..rustix::process::getrlimit(rustix::process::Resource::Nofile)
        },
    )
    .unwrap();
    let directory = Place::new();
    let mut server = Apart::start(test_name!(), |mut command| {
        command.env(DIRECTORY, directory.path());
        command
    });
    server.hear("serving");
    let mut actor = actor(&["wait-then-exit", "3"]);
    let pid = actor.pid().as_raw_nonzero().to_string();
    let path = directory.path().join(pid).join("exithand");
    let mut files: Vec<File> = (0..FILES).map(|_| File::open(&path).unwrap()).collect();
    let server_pid = server.pid().as_raw_nonzero();
    let held = fs::read_dir(format!("/proc/{server_pid}/fd"))
        .unwrap()
        .count();
    assert!(held < 100, "one descriptor holds the process: {held}");
    let readers: Vec<_> = files.drain(..READERS).map(read_apart).collect();
    actor.release();
    for reader in readers {
        assert_eq!(reader.recv().unwrap().unwrap(), b"");
    }
    for mut file in files {
        assert_eq!(read(&mut file).unwrap(), b"");
    }
    actor.wait();
    server.go();
    server.finish();
}

#[test]
fn a_closed_file_is_let_go() {
    need_mounts!();
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
