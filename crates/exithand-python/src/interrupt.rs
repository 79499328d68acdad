//! Signals while a wait blocks: their handlers run at once, and none is lost.
//!
//! Python's handlers run on the main thread, once it asks for them; until then a flag stands for
//! the signal. A thread that asks and then sleeps would sleep through a signal that comes in
//! between, or that another thread was given. So for the time of a wait the interpreter, which
//! writes a byte for each signal to the descriptor of `signal.set_wakeup_fd`, writes to a pipe of
//! ours, and the wait ends when that is readable.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use exithand::{Error, Pid};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{IntoPyDict, PyBytes};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::error::{OrRaise, os_error};

/// Runs `block` detached from the interpreter until it answers, and handlers of signals whenever
/// one comes. `block` gives up, with `None`, when the descriptor it gets is readable.
pub(crate) fn interruptible<T: Send>(
    py: Python<'_>,
    block: impl Fn(Option<BorrowedFd<'_>>) -> Result<Option<T>, Error> + Sync,
) -> PyResult<Option<T>> {
    let Some(mut watch) = Watch::begin(py)? else {
        return py.detach(|| block(None)).or_raise();
    };
    loop {
        py.check_signals()?;
        let bell = Arc::clone(&watch.bell);
        let answer = py.detach(|| block(Some(bell.ear.as_fd()))).or_raise()?;
        if answer.is_some() || !watch.was_rung() {
            return Ok(answer);
        }
    }
}

/// A pipe that signals write to.
///
/// There is one, and it is never closed: another thread may be about to write to it. In a child
/// made by `fork` it is the parent's, so the child makes its own.
struct Bell {
    ear: OwnedFd,
    button: OwnedFd,
    maker: Pid,
}

impl Bell {
    fn of_this_process() -> PyResult<Arc<Self>> {
        static BELL: Mutex<Option<Arc<Bell>>> = Mutex::new(None);
        let mut kept = BELL.lock().unwrap_or_else(PoisonError::into_inner);
        let us = rustix::process::getpid();
        if let Some(bell) = kept.as_ref().filter(|bell| bell.maker == us) {
            return Ok(Arc::clone(bell));
        }
        let (ear, button) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
            .map_err(|errno| os_error(errno, "no pipe to be woken by signals".to_owned()))?;
        let bell = Arc::new(Self {
            ear,
            button,
            maker: us,
        });
        *kept = Some(Arc::clone(&bell));
        Ok(bell)
    }
}

/// The time in which signals write to the bell. Afterwards they write to where they did before,
/// and so do, belatedly, those that came.
struct Watch<'py> {
    py: Python<'py>,
    bell: Arc<Bell>,
    before: i32,
    came: Vec<u8>,
}

impl<'py> Watch<'py> {
    /// `None` on any thread but the main one, where handlers never run.
    fn begin(py: Python<'py>) -> PyResult<Option<Self>> {
        let bell = Bell::of_this_process()?;
        let before = match set_wakeup_fd(py, bell.button.as_raw_fd()) {
            Err(error) if error.is_instance_of::<PyValueError>(py) => return Ok(None),
            before => before?,
        };
        Ok(Some(Self {
            py,
            bell,
            before,
            came: Vec::new(),
        }))
    }

    /// Says whether signals came since the last look.
    fn was_rung(&mut self) -> bool {
        let mut buffer = [0; 64];
        let before = self.came.len();
        while let Ok(count @ 1..) = rustix::io::read(&self.bell.ear, &mut buffer) {
            self.came.extend_from_slice(&buffer[..count]);
        }
        self.came.len() > before
    }

    fn end(&mut self) -> PyResult<()> {
        let py = self.py;
        let now = set_wakeup_fd(py, self.before).or_else(|_closed| set_wakeup_fd(py, -1))?;
        if now != self.bell.button.as_raw_fd() {
            // A handler has chosen another one meanwhile, and that stands.
            set_wakeup_fd(py, now)?;
        }
        self.was_rung();
        if self.before == -1 || self.came.is_empty() {
            return Ok(());
        }
        let bytes = PyBytes::new(py, &self.came);
        let os = py.import("os")?;
        os.call_method1("write", (self.before, bytes)).map(drop)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            error.write_unraisable(self.py, None);
        }
    }
}

/// `signal.set_wakeup_fd`, fetched early: nothing can be imported while an interpreter ends.
static SET_WAKEUP_FD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Gets ready for waits.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    // What `signal` is made of, and there in every interpreter; `signal` takes longer to import.
    SET_WAKEUP_FD
        .import(py, "_signal", "set_wakeup_fd")
        .map(drop)
}

fn set_wakeup_fd(py: Python<'_>, fd: i32) -> PyResult<i32> {
    // A full pipe rings, too.
    let quietly = [("warn_on_full_buffer", false)].into_py_dict(py)?;
    let function = SET_WAKEUP_FD.import(py, "_signal", "set_wakeup_fd")?;
    function.call((fd,), Some(&quietly))?.extract()
}
