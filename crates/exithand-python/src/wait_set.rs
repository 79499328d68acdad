//! Many processes in one wait, as Python holds them.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use exithand::{Count, Deadline, ExitHandle, Key, Pid};
use pyo3::exceptions::{PyKeyError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

use crate::arguments;
use crate::error::OrRaise;
use crate::handle::Handle;
use crate::interrupt::interruptible;

/// A set of processes, watched together: wait for any, some or all of them.
///
/// The cost of an end does not grow with the size of the set. A member costs one descriptor beside
/// the handle's own. A handle that has finished (``ended``, or ``reaped`` if the set was made so)
/// leaves the set when it is returned; its ``poll()`` tells the outcome.
///
/// Other threads may add and remove members while one waits. ``fileno()`` is readable while a
/// finished member waits to be fetched. After ``os.fork()`` the set stays with its maker.
#[pyclass(frozen, weakref, module = "exithand", name = "WaitSet")]
pub(crate) struct WaitSet {
    held: Mutex<Option<Arc<Held>>>,
    maker: Pid,
}

struct Held {
    set: exithand::WaitSet,
    handles: Mutex<HashMap<Key, Py<Handle>>>,
}

impl Held {
    fn handles(&self) -> MutexGuard<'_, HashMap<Key, Py<Handle>>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until `wanted` members have finished, or time is up; a handler of a signal that
    /// raises ends it, and then nobody has left the set.
    fn wait(&self, py: Python<'_>, wanted: usize, deadline: Deadline) -> PyResult<Finished> {
        let mut finished = Vec::new();
        while finished.len() < wanted {
            let some = interruptible(py, |cancel| {
                let some = match cancel {
                    None => self.set.wait(Count::Any, deadline),
                    Some(cancel) => self.set.wait_unless(Count::Any, deadline, cancel),
                };
                some.map(|some| (!some.is_empty()).then_some(some))
            });
            match some {
                Ok(Some(some)) => finished.extend(some),
                Ok(None) => break,
                Err(error) => {
                    self.put_back(finished)?;
                    return Err(error);
                }
            }
        }
        Ok(finished)
    }

    fn put_back(&self, finished: Finished) -> PyResult<()> {
        let mut handles = self.handles();
        for (key, handle) in finished {
            let again = self.set.add(handle).or_raise()?;
            if let Some(handle) = handles.remove(&key) {
                handles.insert(again, handle);
            }
        }
        Ok(())
    }
}

type Finished = Vec<(Key, ExitHandle)>;

impl WaitSet {
    fn held(&self) -> PyResult<Arc<Held>> {
        if rustix::process::getpid() != self.maker {
            let maker = self.maker.as_raw_nonzero();
            return Err(PyRuntimeError::new_err(format!(
                "the wait set belongs to process {maker}: make another after a fork"
            )));
        }
        let held = self.lock().as_ref().map(Arc::clone);
        held.ok_or_else(|| PyValueError::new_err("the wait set is closed"))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl WaitSet {
    /// Make an empty set whose members are finished when they have ``ended`` or were ``reaped``.
    #[new]
    #[pyo3(signature = (until="ended"))]
    fn new(until: &str) -> PyResult<Self> {
        let held = Held {
            set: exithand::WaitSet::new(arguments::parse(until)?).or_raise()?,
            handles: Mutex::default(),
        };
        Ok(Self {
            held: Mutex::new(Some(Arc::new(held))),
            maker: rustix::process::getpid(),
        })
    }

    /// Add a process, and return its member. Never blocks.
    ///
    /// That is ``handle``, or the handle by which the same process is a member already.
    ///
    /// Raises ``OSError`` with ``EDEADLK`` for the caller itself, and with ``EMFILE`` when
    /// descriptors have run out.
    fn add(&self, py: Python<'_>, handle: Py<Handle>) -> PyResult<Py<Handle>> {
        let held = self.held()?;
        let twin = handle.get().held()?.try_clone().or_raise()?;
        // Locked until the handle is there, because the process may finish at once.
        let mut handles = held.handles();
        let key = held.set.add(twin).or_raise()?;
        Ok(handles.entry(key).or_insert(handle).clone_ref(py))
    }

    /// Take a process out, finished or not. Raises ``KeyError`` if it is no member.
    fn remove(&self, handle: &Bound<'_, Handle>) -> PyResult<()> {
        let held = self.held()?;
        let mut handles = held.handles();
        let meant = handle.get();
        let found = handles.iter().find(|(_, it)| it.get().is_of(meant));
        let Some(key) = found.map(|(key, _)| *key) else {
            return Err(PyKeyError::new_err(meant.describe()));
        };
        // Dropped when the lock is free: that may run a callback of Python's.
        let _removed = handles.remove(&key);
        drop(handles);
        held.set.remove(key).or_raise()?;
        Ok(())
    }

    /// Block until ``count`` members have finished, ``None`` for all; return and remove them.
    ///
    /// Returns fewer, and none at the least, once ``timeout`` seconds have passed or the set is
    /// empty; more, when more have finished. Handlers of signals run at once, as in
    /// ``Handle.wait``; when one raises, nobody leaves the set.
    #[pyo3(signature = (count=Some(1), timeout=None), text_signature = "($self, count=1, timeout=None)")]
    fn wait(
        &self,
        py: Python<'_>,
        count: Option<usize>,
        timeout: Option<f64>,
    ) -> PyResult<Vec<Py<Handle>>> {
        let deadline = arguments::deadline(timeout)?;
        let held = self.held()?;
        let finished = held.wait(py, count.unwrap_or(usize::MAX), deadline)?;
        let mut handles = held.handles();
        let keys = finished.iter().map(|(key, _)| key);
        Ok(keys.filter_map(|key| handles.remove(key)).collect())
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(self.held()?.set.len())
    }

    /// Return the descriptor, for ``select`` and its like. It stays the set's own.
    fn fileno(&self) -> PyResult<i32> {
        Ok(self.held()?.set.as_fd().as_raw_fd())
    }

    /// Let go of all members; their handles stay open. The second time does nothing.
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
        match self.held() {
            Ok(held) => format!("<exithand.WaitSet of {}>", held.set.len()),
            Err(_) => "<exithand.WaitSet, closed>".to_owned(),
        }
    }
}
