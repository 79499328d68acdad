//! Processes that are no children of ours, and zombies that keep their outcome to themselves.

use std::env;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::task::Poll;
use std::time::Duration;

use exithand::{ExitHandle, Outcome, Pid, Source, StatusSource, Token, WaitOptions, Why};
use exithand_testkit::Need;

use super::process::{Held, Stranger};
use super::{AsyncHandle, Counted, Runtime};
use crate::needs;

/// Names the zombie to the test's second process, which runs as another user.
const ZOMBIE: &str = "EXITHAND_TEST_ZOMBIE";
const NOBODY: u32 = 65534;

struct Recorder;

impl StatusSource for Recorder {
    fn outcome(&self, _token: &Token) -> Option<Outcome> {
        Some(Outcome::Exited(9))
    }
}

pub(crate) fn a_stranger<R: Runtime>(test: &str) {
    needs!(test, Need::PidfdInfoExit);
    let mut stranger = Stranger::reaped_at_once();
    R::block_on(async {
        let handle = R::Handle::watch(ExitHandle::open(stranger.pid).unwrap());
        let mut reap = Counted::new(handle.reaped());
        assert!(reap.poll_once().await.is_pending(), "it runs");
        stranger.release();
        let exit = handle.ended().await.unwrap();
        assert_eq!(exit.outcome, Outcome::Exited(7));
        let exit = reap.into_future().await.unwrap();
        assert_eq!(exit.outcome, Outcome::Exited(7));
        assert!(exit.reaped);
        assert!(matches!(exit.source, Some(Source::Pidfd | Source::Zombie)));
    });
}

pub(crate) fn an_unreaped_zombie_tells<R: Runtime>(_test: &str) {
    let mut stranger = Stranger::never_reaped();
    R::block_on(async {
        let handle = R::Handle::watch(ExitHandle::open(stranger.pid).unwrap());
        stranger.release();
        let exit = handle.ended().await.unwrap();
        assert_eq!(exit.outcome, Outcome::Exited(7));
        assert_eq!(exit.source, Some(Source::Zombie));
        assert!(!exit.reaped);
    });
}

/// Only its owner may read what the zombie tells, so the test becomes another user.
pub(crate) fn a_zombie_of_another_user<R: Runtime>(test: &str) {
    if let Ok(zombie) = env::var(ZOMBIE) {
        let zombie = Pid::from_raw(zombie.parse().unwrap()).unwrap();
        return R::block_on(watch_as_nobody::<R>(zombie));
    }
    needs!(test, Need::PidfdInfoExit);
    needs!(test, Need::OtherUsers);
    let mut zombie = Held::new(9);
    zombie.end();
    let mut nobody = Command::new(env::current_exe().unwrap());
    nobody
        .args([test, "--exact", "--nocapture"])
        .env(ZOMBIE, zombie.pid().as_raw_nonzero().to_string())
        .uid(NOBODY)
        .gid(NOBODY)
        .stdout(Stdio::piped());
    let mut nobody = nobody
        .spawn()
        .expect("a test program that other users can reach");
    let mut said = BufReader::new(nobody.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("waits in grace") {
        line.clear();
        let length = said.read_line(&mut line).unwrap();
        assert_ne!(length, 0, "the other user's part failed");
    }
    zombie.reap();
    // What it still says must not stop it.
    std::io::copy(&mut said, &mut std::io::sink()).unwrap();
    assert!(nobody.wait().unwrap().success());
}

#[expect(clippy::print_stdout, reason = "the first process reads it")]
async fn watch_as_nobody<R: Runtime>(zombie: Pid) {
    let unknown = Outcome::Unknown {
        why: Why::ForeignZombie,
    };
    let handle = R::Handle::watch(ExitHandle::open(zombie).unwrap());
    let hasty = WaitOptions {
        grace: Duration::ZERO,
        ..WaitOptions::default()
    };
    let Poll::Ready(exit) = Counted::new(handle.wait_with(&hasty)).poll_once().await else {
        panic!("without a grace there is nothing to wait for");
    };
    assert_eq!(exit.unwrap().unwrap().outcome, unknown);

    let exit = handle.ended().await.unwrap();
    assert_eq!(exit.outcome, unknown, "the grace passed in vain");
    assert!(!exit.reaped);

    let asking = WaitOptions {
        source: Some(&Recorder),
        ..WaitOptions::default()
    };
    let other = R::Handle::watch(ExitHandle::open(zombie).unwrap());
    let exit = other.wait_with(&asking).await.unwrap().unwrap();
    assert_eq!(exit.outcome, Outcome::Exited(9));
    assert_eq!(exit.source, Some(Source::Recorder));

    let patient = WaitOptions {
        grace: Duration::from_hours(1),
        ..WaitOptions::default()
    };
    let mut end = Counted::new(handle.wait_with(&patient));
    assert!(end.poll_once().await.is_pending());
    println!("\nwaits in grace");
    let exit = end.into_future().await.unwrap().unwrap();
    assert_eq!(exit.outcome, Outcome::Exited(9), "the reap made it known");
    assert_eq!(exit.source, Some(Source::Pidfd));
    assert!(exit.reaped);
}
