//! What happens to names: directories that go, and numbers that come back.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod mounted;

use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use exithand_testkit::{Need, actor, need, private_pid_namespace, test_name};
use mounted::{Mounted, errno, is_readable, need_mounts, nonblocking, read};
use rustix::fs::inotify::{self, ReadFlags, WatchFlags};
use rustix::io::Errno;

/// Watches a path for its deletion.
fn watch(path: &Path) -> OwnedFd {
    let queue = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&queue, path, WatchFlags::DELETE_SELF).unwrap();
    queue
}

/// Waits for the next event.
fn next(queue: &OwnedFd) -> ReadFlags {
    let mut room = [MaybeUninit::uninit(); 512];
    let mut reader = inotify::Reader::new(queue, &mut room);
    reader.next().unwrap().events()
}

#[test]
fn watchers_of_a_directory_see_it_go() {
    need_mounts!();
    need!(Need::Pidfs);
    let mounted = Mounted::new();
    let mut actor = actor(&["wait-then-exit", "3"]);
    let directory = mounted.path(actor.pid(), "");
    let queue = watch(&directory);
    // What was looked at inside does not keep the directory.
    fs::read_dir(mounted.path(actor.pid(), "task")).unwrap();
    let main = format!("task/{}/exithand", actor.pid().as_raw_nonzero());
    fs::metadata(mounted.path(actor.pid(), &main)).unwrap();
    drop(mounted.open(actor.pid(), "token"));
    actor.release();
    actor.wait_zombie();
    assert!(
        directory.exists(),
        "a zombie has its directory, as in /proc"
    );
    actor.wait();
    assert_eq!(next(&queue), ReadFlags::DELETE_SELF);
    assert_eq!(errno(fs::metadata(&directory)), Errno::NOENT.raw_os_error());
}

#[test]
fn an_open_file_delays_the_event_and_nothing_else() {
    need_mounts!();
    need!(Need::Pidfs);
    let mounted = Mounted::new();
    let mut actor = actor(&["wait-then-exit", "3"]);
    let directory = mounted.path(actor.pid(), "");
    let file = mounted.open(actor.pid(), "exithand");
    let queue = watch(&directory);
    actor.release();
    actor.wait();
    assert_eq!(errno(fs::metadata(&directory)), Errno::NOENT.raw_os_error());
    assert!(is_readable(&file));
    drop(file);
    assert_eq!(next(&queue), ReadFlags::DELETE_SELF);
}

#[test]
fn a_pid_that_comes_back_is_another_process() {
    need!(Need::Root);
    private_pid_namespace(310).run(test_name!(), || {
        need_mounts!();
        let mounted = Mounted::new();
        // The first numbers are given out only once.
        let many = std::iter::repeat_with(|| actor(&["wait-then-exit", "3"]));
        let mut first = { many }
            .find(|actor| actor.pid().as_raw_nonzero().get() >= 300)
            .unwrap();
        let pid = first.pid();
        let number = pid.as_raw_nonzero().to_string();
        let inode = fs::metadata(mounted.root().join(&number)).unwrap().ino();
        let mut old = mounted.open(pid, "exithand");
        let mut outcome = mounted.open(pid, "outcome");
        first.release();
        assert_eq!(first.wait(), 0x0300);
        for round in 0..1000 {
            let again = actor(&["hang"]);
            if again.pid() != pid {
                continue;
            }
            let found = fs::metadata(mounted.root().join(&number)).unwrap();
            assert_ne!(found.ino(), inode, "round {round}");
            assert!(is_readable(&old), "speaks of the first");
            assert_eq!(read(&mut old).unwrap(), b"");
            assert_eq!(read(&mut outcome).unwrap(), b"exited 3\n");
            let mut new = nonblocking(&mounted.path(pid, "exithand"));
            assert_eq!(errno(read(&mut new)), Errno::AGAIN.raw_os_error());
            let generation = fs::read_to_string(mounted.root().join("pid_generation"));
            assert_ne!(generation.unwrap().split(' ').next(), Some("0"));
            return;
        }
        panic!("pid {number} did not come back");
    });
}

#[test]
fn the_kernel_is_not_left_with_names_of_the_dead() {
    need_mounts!();
    let mounted = Mounted::new();
    for status in 0..50 {
        let mut actor = actor(&["wait-then-exit", &status.to_string()]);
        let path = mounted.path(actor.pid(), "exithand");
        fs::metadata(&path).unwrap();
        actor.release();
        actor.wait();
        assert_eq!(errno(File::open(&path)), Errno::NOENT.raw_os_error());
        assert_eq!(errno(fs::metadata(&path)), Errno::NOENT.raw_os_error());
    }
}
