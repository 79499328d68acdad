//! The async waits on async-io.
#![expect(clippy::unwrap_used, reason = "a test can do nothing better")]

mod async_waits;

use std::future::ready;
use std::thread;

use async_waits::Runtime;
use exithand::async_io::{AsyncExitHandle, AsyncWaitSet};

async_types!(async_io);

struct AsyncIo;

impl Runtime for AsyncIo {
    type Handle = AsyncExitHandle;
    type Set = AsyncWaitSet;

    fn block_on<F: Future>(future: F) -> F::Output {
        async_io::block_on(future)
    }

    /// Here tasks are whatever polls a future: threads, in this test.
    fn both<F>(one: F, other: F) -> impl Future<Output = (F::Output, F::Output)>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let outputs = thread::scope(|scope| {
            let one = scope.spawn(|| async_io::block_on(one));
            let other = async_io::block_on(other);
            (one.join().unwrap(), other)
        });
        ready(outputs)
    }
}

all_scenarios_on!(smol, AsyncIo);
