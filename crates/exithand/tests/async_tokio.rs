//! The async waits on tokio, with one thread and with several, and without tokio's timers.
#![expect(clippy::unwrap_used, reason = "a test can do nothing better")]

mod async_waits;

use async_waits::process::Held;
use async_waits::{AsyncHandle, Runtime};
use exithand::Error;
use exithand::tokio::{AsyncExitHandle, AsyncWaitSet};
use tokio::runtime::{Builder, Handle, Runtime as TokioRuntime};

async_types!(tokio);

struct CurrentThread;
struct MultiThread;

impl Runtime for CurrentThread {
    type Handle = AsyncExitHandle;
    type Set = AsyncWaitSet;

    fn block_on<F: Future>(future: F) -> F::Output {
        current_thread().block_on(future)
    }

    async fn both<F>(one: F, other: F) -> (F::Output, F::Output)
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (one, other) = (tokio::spawn(one), tokio::spawn(other));
        (one.await.unwrap(), other.await.unwrap())
    }
}

impl Runtime for MultiThread {
    type Handle = AsyncExitHandle;
    type Set = AsyncWaitSet;

    fn block_on<F: Future>(future: F) -> F::Output {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_io()
            .build();
        runtime.unwrap().block_on(future)
    }

    async fn both<F>(one: F, other: F) -> (F::Output, F::Output)
    where
        F: Future<Output: Send> + Send + 'static,
    {
        CurrentThread::both(one, other).await
    }
}

fn current_thread() -> TokioRuntime {
    Builder::new_current_thread().enable_io().build().unwrap()
}

all_scenarios_on!(current_thread, CurrentThread);
all_scenarios_on!(multi_thread, MultiThread);

#[test]
fn a_runtime_that_is_gone_is_an_error() {
    let child = Held::new(0);
    let first = current_thread();
    let handle = first.block_on(async { AsyncExitHandle::watch(child.handle()) });
    drop(first);
    let end = current_thread().block_on(handle.ended());
    assert!(matches!(end, Err(Error::RuntimeGone)), "{end:?}");
    assert!(Handle::try_current().is_err(), "nothing is left behind");
}
