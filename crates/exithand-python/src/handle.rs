//! The exit handle, as Python holds it.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exithand::{Deadline, Errno, ExitHandle, Pid, Signal, State, Token, Until, WaitOptions};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arguments;
use crate::error::{OrRaise, os_error};
use crate::exit::Exit;
use crate::interrupt::interruptible;

/// One process, held so that nothing can take its place: made by ``exithand.open``.
///
/// A handle never speaks of another process, whatever happens to the pid. Waiting needs no
/// privilege and disturbs nobody: no signal, no reaping of somebody else's child, no polling.
/// All methods may be called from many threads at once, and give the same answer when asked again.
///
/// It holds one descriptor (a pidfd) until ``close()``, the end of a ``with`` block, or until it
/// is collected. ``fileno()`` lets ``select``, ``selectors`` and event loops watch it: readable
/// means that the process has ended. After ``os.fork()`` both processes may use it.
///
/// Cannot be pickled; its ``token`` can.
#[pyclass(frozen, weakref, module = "exithand", name = "Handle")]
pub(crate) struct Handle {
    /// Who waits shares it, so that closing never takes a descriptor from under a wait.
    held: Mutex<Option<Arc<ExitHandle>>>,
    pid: Option<Pid>,
    token: Token,
}

impl Handle {
    pub(crate) fn new(handle: ExitHandle) -> Self {
        Self::sharing(Arc::new(handle))
    }

    fn sharing(held: Arc<ExitHandle>) -> Self {
        Self {
            pid: held.pid(),
            token: held.token(),
            held: Mutex::new(Some(held)),
        }
    }

    pub(crate) fn held(&self) -> PyResult<Arc<ExitHandle>> {
        let held = self.lock().as_ref().map(Arc::clone);
        held.ok_or_else(|| PyValueError::new_err("the handle is closed"))
    }

    /// Says whether both hold the same process.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        self.token.is_same_process(&other.token)
    }

    /// Names the process, for messages.
    pub(crate) fn describe(&self) -> String {
        let closed = if self.closed() { ", closed" } else { "" };
        format!("<exithand.Handle of process {}{closed}>", self.token)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<ExitHandle>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, signal: Signal) -> PyResult<()> {
        self.held()?.send_signal(signal).or_raise()
    }
}

#[pymethods]
impl Handle {
    /// The number the process has, or had; ``None`` where it has none in our pid namespace.
    #[getter]
    fn pid(&self) -> Option<i32> {
        self.pid.map(|pid| pid.as_raw_nonzero().get())
    }

    /// A name that no later process can have before the next boot, such as ``4242:918273``.
    ///
    /// ``exithand.open(token)`` opens this process again, or nothing.
    #[getter]
    fn token(&self) -> String {
        self.token.to_string()
    }

    /// The same with the id of this boot: to be stored, because it outlasts a reboot.
    #[getter]
    fn stored_token(&self) -> PyResult<String> {
        let stored = self.token.with_boot_id().or_raise()?;
        Ok(stored.to_string())
    }

    /// ``alive``, ``ended`` (a zombie, which waits for its parent) or ``reaped``. Never blocks.
    #[getter]
    fn state(&self) -> PyResult<&'static str> {
        Ok(match self.held()?.state().or_raise()? {
            State::Alive => "alive",
            State::Ended => "ended",
            State::Reaped => "reaped",
        })
    }

    /// Whether ``close()`` was called.
    #[getter]
    fn closed(&self) -> bool {
        self.lock().is_none()
    }

    /// Return how the process ended; ``None`` while it runs. Never blocks.
    fn poll(&self) -> PyResult<Option<Exit>> {
        let exit = self.held()?.try_wait().or_raise()?;
        Ok(exit.map(Exit::from))
    }

    /// Block until the process has ended, and return how.
    ///
    /// ``timeout`` is in seconds; ``None`` is for ever, and 0 only looks. The time in which the
    /// machine is suspended counts. With ``until="reaped"`` the wait lasts until the parent has
    /// collected the process (since Linux 6.9). ``grace`` is how long to wait, after the end, for
    /// the parent, where only that makes the outcome known.
    ///
    /// Other threads run meanwhile, and handlers of signals, ``KeyboardInterrupt`` among them, at
    /// once. Closing the handle meanwhile does not end the wait.
    ///
    /// Raises ``TimeoutError`` after ``timeout``, and ``OSError`` with ``EDEADLK`` for a process
    /// that waits for itself.
    #[pyo3(signature = (timeout=None, *, until="ended", grace=0.1))]
    fn wait(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        until: &str,
        grace: f64,
    ) -> PyResult<Exit> {
        let options = WaitOptions {
            until: arguments::parse(until)?,
            deadline: arguments::deadline(timeout)?,
            grace: arguments::grace(grace)?,
            source: None,
        };
        let handle = self.held()?;
        let exit = if options.deadline == Deadline::NOW {
            handle.wait_with(&options).or_raise()?
        } else {
            interruptible(py, |cancel| match cancel {
                None => handle.wait_with(&options),
                Some(cancel) => handle.wait_unless(&options, cancel),
            })?
        };
        exit.map(Exit::from).ok_or_else(|| self.timed_out(until))
    }

    /// Wait like ``wait``, on the event loop that runs: ``exit = await handle.wait_async()``.
    ///
    /// Uses the loop's own reader, and no thread. The loop's clock measures ``timeout`` and
    /// ``grace``. Any number of tasks may wait for one handle.
    #[pyo3(signature = (timeout=None, *, until="ended", grace=0.1))]
    fn wait_async<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
        until: &str,
        grace: f64,
    ) -> PyResult<Bound<'py, PyAny>> {
        arguments::deadline(timeout)?;
        arguments::grace(grace)?;
        arguments::parse::<Until>(until)?;
        let share = Self::sharing(self.held()?);
        py.import("exithand._aio")?
            .call_method1("wait", (share, timeout, until, grace))
    }

    /// Looks without waiting, and refuses what a wait would refuse.
    fn _look(&self, until: &str) -> PyResult<Option<Exit>> {
        let options = WaitOptions {
            until: arguments::parse(until)?,
            deadline: Deadline::NOW,
            ..WaitOptions::default()
        };
        let exit = self.held()?.wait_with(&options).or_raise()?;
        Ok(exit.map(Exit::from))
    }

    /// The error of a wait whose time is up.
    #[pyo3(name = "_timed_out")]
    fn timed_out(&self, until: &str) -> PyErr {
        let token = self.token;
        let message = format!("process {token} is not {until} yet");
        os_error(Errno::TIMEDOUT, message)
    }

    /// Send a signal to this process and no other. Never blocks.
    ///
    /// Raises ``ProcessLookupError`` if the process was reaped, ``PermissionError`` if it belongs
    /// to another user, and ``ValueError`` for a number that is no signal. A zombie takes every
    /// signal, and does nothing.
    fn send_signal(&self, signal: &Bound<'_, PyAny>) -> PyResult<()> {
        self.send(arguments::signal(signal)?)
    }

    /// Send ``SIGTERM``, the polite request to end.
    fn terminate(&self) -> PyResult<()> {
        self.send(Signal::TERM)
    }

    /// Send ``SIGKILL``, which no process can handle.
    fn kill(&self) -> PyResult<()> {
        self.send(Signal::KILL)
    }

    /// Return the descriptor, for ``select`` and its like. It stays the handle's own.
    fn fileno(&self) -> PyResult<i32> {
        Ok(self.held()?.as_fd().as_raw_fd())
    }

    /// Let go of the process. The second time does nothing.
    fn close(&self) {
        let held = self.lock().take();
        drop(held);
    }

    fn __enter__(slf: Py<Self>) -> PyResult<Py<Self>> {
        slf.get().held()?;
        Ok(slf)
    }

    fn __exit__(
        &self,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) {
        self.close();
    }

    fn __repr__(&self) -> String {
        self.describe()
    }
}
