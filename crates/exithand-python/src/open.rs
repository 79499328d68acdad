//! The ways to name a process.

use std::os::fd::AsFd;

use exithand::{Errno, ExitHandle, Pid, State};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::arguments;
use crate::error::{OrRaise, os_error};
use crate::handle::Handle;

/// Open a process, and return a ``Handle`` that holds it. Never blocks; needs no privilege.
///
/// ``target`` is one of:
///
/// - a pid. A number alone cannot tell whether the process behind it is still the one that was
///   meant; where that matters, use one of the others;
/// - a token, as ``Handle.token`` gives it: opens exactly that process or none;
/// - a ``subprocess.Popen`` or ``asyncio.subprocess.Process`` that was not waited for yet;
/// - a ``psutil.Process``: refused if its pid is another process's by now.
///
/// Raises ``ProcessLookupError`` if there is no such process (it may have ended a moment ago),
/// ``OSError`` with ``EINVAL`` for the id of a thread and with ``EMFILE`` when descriptors have
/// run out, ``ValueError`` for a text that is no token or a number below 1, ``OverflowError`` for
/// a number that no pid can be, and ``TypeError`` for anything else.
///
/// Since Linux 5.3.
#[pyfunction]
pub(crate) fn open(target: &Bound<'_, PyAny>) -> PyResult<Handle> {
    let handle = if let Ok(text) = target.cast::<PyString>() {
        by_token(&text.to_cow()?)?
    } else if target.hasattr("create_time")? && target.hasattr("is_running")? {
        by_psutil(target)?
    } else if target.hasattr("pid")? && target.hasattr("returncode")? {
        by_child(target)?
    } else if target.hasattr("__index__")? {
        ExitHandle::open(arguments::pid(target)?).or_raise()?
    } else {
        let kind = target.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "cannot open {kind}: give a pid, a token, a subprocess.Popen or a psutil.Process"
        )));
    };
    Ok(Handle::new(handle))
}

fn by_token(text: &str) -> PyResult<ExitHandle> {
    ExitHandle::open_token(&arguments::parse(text)?).or_raise()
}

/// Opens the pid first: what psutil then reads under that number, while the handle shows that
/// nobody has reaped the process, is about the process that is held.
fn by_psutil(process: &Bound<'_, PyAny>) -> PyResult<ExitHandle> {
    let pid = arguments::pid(&process.getattr("pid")?)?;
    let handle = ExitHandle::open(pid).or_raise()?;
    let is_same = process.call_method0("is_running")?.is_truthy()?;
    if is_same && handle.state().or_raise()? != State::Reaped {
        Ok(handle)
    } else {
        Err(gone(pid, "whose place another may have taken"))
    }
}

fn by_child(process: &Bound<'_, PyAny>) -> PyResult<ExitHandle> {
    let pid = arguments::pid(&process.getattr("pid")?)?;
    let waited = "or was waited for: open a handle before waiting";
    if !process.getattr("returncode")?.is_none() {
        return Err(gone(pid, waited));
    }
    let handle = ExitHandle::open(pid).or_raise()?;
    // Once the child is reaped its number may be another process's: that one is not ours.
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    match waitid(WaitId::PidFd(handle.as_fd()), look) {
        Err(Errno::CHILD) => Err(gone(pid, waited)),
        _ => Ok(handle),
    }
}

fn gone(pid: Pid, why: &str) -> PyErr {
    let pid = pid.as_raw_nonzero();
    os_error(Errno::SRCH, format!("process {pid} has ended, {why}"))
}
