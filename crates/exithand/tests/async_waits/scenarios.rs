//! Children, and what the waits promise about waiting.

use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use exithand::{
    Deadline, Error, ExitHandle, Outcome, Pid, Source, State, Until, WaitOptions, WaitSet,
};
use exithand_testkit::{Need, at_most};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::process::{Held, crowd};
use super::{AsyncHandle, AsyncSet, Counted, Runtime, all};
use crate::needs;

pub(crate) fn a_child<R: Runtime>(test: &str) {
    needs!(test, Need::Pidfs);
    let mut child = Held::new(3);
    R::block_on(async {
        let handle = R::Handle::watch(child.handle());
        let mut end = Counted::new(handle.ended());
        assert!(end.poll_once().await.is_pending(), "it runs");
        child.release();
        let exit = end.into_future().await.unwrap();
        assert_eq!(exit.outcome, Outcome::Exited(3));
        assert_eq!(exit.source, Some(Source::Child));
        assert!(!exit.reaped);

        let mut reap = Counted::new(handle.reaped());
        assert!(reap.poll_once().await.is_pending(), "a zombie");
        assert_eq!(child.reap(), Some(3), "the status is still there");
        let exit = reap.into_future().await.unwrap();
        assert_eq!(exit.outcome, Outcome::Exited(3));
        assert!(exit.reaped);
        assert_eq!(handle.ended().await.unwrap(), exit, "the same again");
    });
}

pub(crate) fn the_bare_event<R: Runtime>(test: &str) {
    needs!(test, Need::Pidfs);
    let mut child = Held::new(3);
    R::block_on(async {
        let handle = R::Handle::watch(child.handle());
        let mut end = Counted::new(handle.reached(Until::Ended));
        assert!(end.poll_once().await.is_pending(), "it runs");
        child.release();
        assert_eq!(end.into_future().await.unwrap(), State::Ended);

        let mut reap = Counted::new(handle.reached(Until::Reaped));
        assert!(reap.poll_once().await.is_pending(), "a zombie");
        child.reap();
        assert_eq!(reap.into_future().await.unwrap(), State::Reaped);
        let late = handle.reached(Until::Ended).await;
        assert_eq!(late.unwrap(), State::Reaped, "past the end");
    });
}

pub(crate) fn already_ended<R: Runtime>(test: &str) {
    needs!(test, Need::Pidfs);
    let mut child = Held::new(4);
    child.end();
    R::block_on(async {
        let handle = R::Handle::watch(child.handle());
        let Poll::Ready(exit) = Counted::new(handle.ended()).poll_once().await else {
            panic!("the answer is known without waiting");
        };
        assert_eq!(exit.unwrap().outcome, Outcome::Exited(4));
        child.reap();
        let Poll::Ready(exit) = Counted::new(handle.reaped()).poll_once().await else {
            panic!("the answer is known without waiting");
        };
        assert_eq!(exit.unwrap().outcome, Outcome::Exited(4));
    });
}

pub(crate) fn dropped_and_awaited_again<R: Runtime>(test: &str) {
    needs!(test, Need::Pidfs);
    let mut child = Held::new(5);
    R::block_on(async {
        let handle = R::Handle::watch(child.handle());
        for _ in 0..3 {
            let mut end = Counted::new(handle.ended());
            assert!(end.poll_once().await.is_pending());
        }
        child.release();
        let exit = handle.ended().await.unwrap();
        assert_eq!(exit.outcome, Outcome::Exited(5));
        for _ in 0..3 {
            let mut reap = Counted::new(handle.reaped());
            assert!(reap.poll_once().await.is_pending());
        }
        child.reap();
        assert!(handle.reaped().await.unwrap().reaped);
    });
}

pub(crate) fn given_back_while_pending<R: Runtime>(_test: &str) {
    let mut child = Held::new(6);
    R::block_on(async {
        let handle = R::Handle::watch(child.handle());
        assert!(Counted::new(handle.ended()).poll_once().await.is_pending());
        let handle = R::Handle::watch(handle.release());
        assert!(Counted::new(handle.ended()).poll_once().await.is_pending());
        child.release();
        let exit = handle.release().wait(Until::Ended, Deadline::NEVER);
        assert_eq!(exit.unwrap().unwrap().outcome, Outcome::Exited(6));
    });
}

pub(crate) fn a_deadline<R: Runtime>(test: &str) {
    needs!(test, Need::Pidfs);
    let mut child = Held::new(0);
    let until = |until, deadline| WaitOptions {
        until,
        deadline,
        ..WaitOptions::default()
    };
    R::block_on(async {
        let handle = R::Handle::watch(child.handle());
        let now = until(Until::Ended, Deadline::NOW);
        let Poll::Ready(exit) = Counted::new(handle.wait_with(&now)).poll_once().await else {
            panic!("zero means: look, and answer without waiting");
        };
        assert_eq!(exit.unwrap(), None);
        for event in [Until::Ended, Until::Reaped] {
            let soon = until(event, Deadline::after(Duration::from_millis(5)));
            assert_eq!(handle.wait_with(&soon).await.unwrap(), None);
            assert_eq!(soon.deadline.remaining(), Some(Duration::ZERO));
        }
        child.end();
        let soon = until(Until::Reaped, Deadline::after(Duration::from_millis(5)));
        assert_eq!(handle.wait_with(&soon).await.unwrap(), None, "a zombie");
        child.reap();
        let far = until(Until::Reaped, Deadline::after(Duration::from_hours(1)));
        assert!(handle.wait_with(&far).await.unwrap().unwrap().reaped);
    });
}

pub(crate) fn two_tasks_on_one_handle<R: Runtime>(_test: &str) {
    let mut child = Held::new(8);
    R::block_on(async {
        let handle = R::Handle::watch(child.handle());
        let (mut one, mut two) = (Counted::new(handle.ended()), Counted::new(handle.ended()));
        assert!(one.poll_once().await.is_pending());
        assert!(two.poll_once().await.is_pending());
        child.release();
        let exits = all([one.into_future(), two.into_future()]).await;
        assert!(
            exits
                .iter()
                .all(|exit| exit.as_ref().unwrap().outcome == Outcome::Exited(8))
        );
    });

    let mut child = Held::new(9);
    let (one, other) = R::block_on(async {
        let handle = Arc::new(R::Handle::watch(child.handle()));
        child.release();
        let task = |handle: Arc<R::Handle>| async move { handle.ended().await.unwrap() };
        R::both(task(Arc::clone(&handle)), task(handle)).await
    });
    assert_eq!(one, other);
    assert_eq!(one.outcome, Outcome::Exited(9));
}

pub(crate) fn a_thousand_at_once<R: Runtime>(test: &str) {
    let count = usize::try_from(at_most(1000)).unwrap();
    needs!(test, Need::Descriptors(4096));
    allow_descriptors(4096);
    let (mut children, release) = crowd(count);
    let exits = R::block_on(async {
        let watch = |child: &Held| R::Handle::watch(child.handle());
        let handles: Vec<R::Handle> = children.iter().map(watch).collect();
        let mut ends: Vec<_> = handles.iter().map(|it| Counted::new(it.ended())).collect();
        for end in &mut ends {
            assert!(end.poll_once().await.is_pending());
        }
        drop(release);
        all(ends.into_iter().map(Counted::into_future)).await
    });
    assert_eq!(exits.len(), count);
    let mut told: Vec<_> = exits.into_iter().map(|exit| exit.unwrap()).collect();
    told.sort_by_key(|exit| exit.token.pid().unwrap().as_raw_nonzero());
    children.sort_by_key(|child| child.pid().as_raw_nonzero());
    for (child, exit) in children.iter_mut().zip(told) {
        assert_eq!(exit.token.pid(), Some(child.pid()));
        let status = u8::try_from(child.reap().unwrap()).unwrap();
        assert_eq!(exit.outcome, Outcome::Exited(status));
    }
}

/// A level-triggered wait for the end would see the zombie again and again.
pub(crate) fn an_unreaped_zombie_wakes_nobody<R: Runtime>(test: &str) {
    needs!(test, Need::Pidfs);
    let mut zombie = Held::new(1);
    R::block_on(async {
        let handle = R::Handle::watch(zombie.handle());
        zombie.release();
        assert_eq!(handle.ended().await.unwrap().outcome, Outcome::Exited(1));
        let mut reap = Counted::new(handle.reaped());
        assert!(reap.poll_once().await.is_pending());
        // The event loop turns at least once for each of these.
        for status in 0..50 {
            let mut other = Held::new(status);
            let other_handle = R::Handle::watch(other.handle());
            other.release();
            let exit = other_handle.ended().await.unwrap();
            assert_eq!(exit.outcome, Outcome::Exited(status));
        }
        assert_eq!(reap.wakes(), 0, "an unreaped zombie woke its waiter");
        zombie.reap();
        assert!(reap.into_future().await.unwrap().reaped);
    });
}

pub(crate) fn refuses_itself<R: Runtime>(_test: &str) {
    R::block_on(async {
        let ourselves = Pid::from_raw(i32::try_from(std::process::id()).unwrap()).unwrap();
        let handle = R::Handle::watch(ExitHandle::open(ourselves).unwrap());
        assert!(matches!(handle.ended().await, Err(Error::Itself(pid)) if pid == ourselves));
        assert!(matches!(handle.reaped().await, Err(Error::Itself(_))));
    });
}

/// The descriptor may be shared with other processes, and its flags with it.
pub(crate) fn flags_stay<R: Runtime>(_test: &str) {
    let mut child = Held::new(0);
    let handle = child.handle();
    let before = rustix::fs::fcntl_getfl(&handle).unwrap();
    R::block_on(async {
        let handle = R::Handle::watch(handle);
        child.release();
        handle.ended().await.unwrap();
        let after = rustix::fs::fcntl_getfl(handle.release()).unwrap();
        assert_eq!(before, after);
    });
}

pub(crate) fn a_set<R: Runtime>(_test: &str) {
    let mut children: Vec<Held> = (0..3).map(Held::new).collect();
    R::block_on(async {
        let set = R::Set::watch(WaitSet::new(Until::Ended).unwrap());
        for child in &children {
            set.set().add(child.handle()).unwrap();
        }
        assert!(
            Counted::new(set.finished()).poll_once().await.is_pending(),
            "all run, and to drop the wait loses nobody"
        );
        for child in children.iter_mut().rev() {
            child.release();
            let finished = set.finished().await.unwrap();
            assert_eq!(finished.len(), 1);
            assert_eq!(finished[0].1.pid(), Some(child.pid()));
        }
        assert!(set.set().is_empty());
        let mut finished = Counted::new(set.finished());
        assert!(finished.poll_once().await.is_pending(), "nobody is left");
        let mut late = Held::new(0);
        set.set().add(late.handle()).unwrap();
        late.release();
        assert_eq!(finished.into_future().await.unwrap().len(), 1);
    });
}

/// Raises the soft limit as far as needed; the tests of one program share it.
fn allow_descriptors(needed: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        let raised = Rlimit {
            current: Some(needed),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised)
            .map_err(io::Error::from)
            .unwrap();
    }
}
