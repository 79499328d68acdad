//! What the async waits promise on every event loop; run once for each.
#![expect(clippy::unwrap_used, reason = "a test can do nothing better")]

pub(crate) mod process;
mod scenarios;
mod strangers;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use exithand::{Error, Exit, ExitHandle, Key, State, Until, WaitOptions, WaitSet};

pub(crate) use scenarios::*;
pub(crate) use strangers::*;

/// An event loop, with the types that wait on it.
pub(crate) trait Runtime {
    type Handle: AsyncHandle;
    type Set: AsyncSet;

    fn block_on<F: Future>(future: F) -> F::Output;

    /// Runs both as tasks of their own.
    fn both<F>(one: F, other: F) -> impl Future<Output = (F::Output, F::Output)>
    where
        F: Future<Output: Send> + Send + 'static;
}

pub(crate) trait AsyncHandle: Sized + Send + Sync + 'static {
    fn watch(handle: ExitHandle) -> Self;
    fn release(self) -> ExitHandle;
    fn ended(&self) -> impl Future<Output = Result<Exit, Error>> + Send;
    fn reaped(&self) -> impl Future<Output = Result<Exit, Error>> + Send;
    fn reached(&self, until: Until) -> impl Future<Output = Result<State, Error>> + Send;
    fn wait_with(
        &self,
        options: &WaitOptions<'_>,
    ) -> impl Future<Output = Result<Option<Exit>, Error>> + Send;
}

pub(crate) trait AsyncSet {
    fn watch(set: WaitSet) -> Self;
    fn set(&self) -> &WaitSet;
    fn finished(&self) -> impl Future<Output = Result<Vec<(Key, ExitHandle)>, Error>> + Send;
}

/// Returns from the scenario, as skipped, unless `$need` is met.
#[macro_export]
macro_rules! needs {
    ($test:expr, $need:expr) => {
        if !$need.met() {
            return exithand_testkit::skip($test, $need);
        }
    };
}

/// Implements both traits for the types of `exithand::$module`.
#[macro_export]
macro_rules! async_types {
    ($module:ident) => {
        impl $crate::async_waits::AsyncHandle for exithand::$module::AsyncExitHandle {
            fn watch(handle: exithand::ExitHandle) -> Self {
                Self::new(handle).unwrap()
            }
            fn release(self) -> exithand::ExitHandle {
                self.into_inner().unwrap()
            }
            async fn ended(&self) -> Result<exithand::Exit, exithand::Error> {
                Self::ended(self).await
            }
            async fn reaped(&self) -> Result<exithand::Exit, exithand::Error> {
                Self::reaped(self).await
            }
            async fn reached(
                &self,
                until: exithand::Until,
            ) -> Result<exithand::State, exithand::Error> {
                Self::reached(self, until).await
            }
            async fn wait_with(
                &self,
                options: &exithand::WaitOptions<'_>,
            ) -> Result<Option<exithand::Exit>, exithand::Error> {
                Self::wait_with(self, options).await
            }
        }

        impl $crate::async_waits::AsyncSet for exithand::$module::AsyncWaitSet {
            fn watch(set: exithand::WaitSet) -> Self {
                Self::new(set).unwrap()
            }
            fn set(&self) -> &exithand::WaitSet {
                self.get_ref()
            }
            async fn finished(
                &self,
            ) -> Result<Vec<(exithand::Key, exithand::ExitHandle)>, exithand::Error> {
                Self::finished(self).await
            }
        }
    };
}

/// Makes a module of tests: every scenario on one runtime.
#[macro_export]
macro_rules! all_scenarios_on {
    ($module:ident, $runtime:ident) => {
        $crate::scenarios_on!(
            $module,
            $runtime,
            a_child,
            a_stranger,
            the_bare_event,
            already_ended,
            dropped_and_awaited_again,
            given_back_while_pending,
            a_deadline,
            two_tasks_on_one_handle,
            a_thousand_at_once,
            an_unreaped_zombie_wakes_nobody,
            an_unreaped_zombie_tells,
            a_zombie_of_another_user,
            refuses_itself,
            flags_stay,
            a_set,
        );
    };
}

/// Makes a module of tests from a list of scenarios.
#[macro_export]
macro_rules! scenarios_on {
    ($module:ident, $runtime:ident, $($scenario:ident),+ $(,)?) => {
        mod $module {
            use super::$runtime;

            $(
                #[test]
                fn $scenario() {
                    let name = concat!(stringify!($module), "::", stringify!($scenario));
                    $crate::async_waits::$scenario::<$runtime>(name);
                }
            )+
        }
    };
}

/// A future and how often its task was woken.
pub(crate) struct Counted<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl<F: Future> Counted<F> {
    pub(crate) fn new(future: F) -> Self {
        Self {
            future: Box::pin(future),
            wakes: Arc::default(),
        }
    }

    /// Polls once; the wakes it asks for are only counted.
    pub(crate) async fn poll_once(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        let mut context = Context::from_waker(&waker);
        poll_fn(|_| Poll::Ready(self.future.as_mut().poll(&mut context))).await
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::Relaxed)
    }

    pub(crate) fn into_future(self) -> Pin<Box<F>> {
        self.future
    }
}

/// Awaits all of them, in one task.
pub(crate) async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut seen = Vec::new();
    poll_fn(|context| {
        pending.retain_mut(|future| match future.as_mut().poll(context) {
            Poll::Ready(output) => {
                seen.push(output);
                false
            }
            Poll::Pending => true,
        });
        if pending.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    seen
}
