//! Numbers and words as callers give them.

use std::str::FromStr;
use std::time::Duration;

use exithand::{Deadline, Pid, Signal};
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt};

/// Reads a pid: an integer from 1 on, and no Boolean.
pub(crate) fn pid(number: &Bound<'_, PyAny>) -> PyResult<Pid> {
    let number = whole_number(number, "a pid")?;
    let pid: i32 = number.extract().map_err(|_overflow: PyErr| {
        PyOverflowError::new_err(format!("no pid is so large: they end at {}", i32::MAX))
    })?;
    let positive = Some(pid).filter(|pid| *pid > 0);
    positive
        .and_then(Pid::from_raw)
        .ok_or_else(|| PyValueError::new_err(format!("{pid} is no pid: pids begin at 1")))
}

/// Reads the number of a signal.
pub(crate) fn signal(number: &Bound<'_, PyAny>) -> PyResult<Signal> {
    let number = whole_number(number, "a signal")?;
    let signal = number.extract().ok().and_then(Signal::from_number);
    signal.ok_or_else(|| PyValueError::new_err("no such signal: they are numbered 1 to 64"))
}

/// Reads a timeout in seconds: none is for ever, and what is below zero has passed.
pub(crate) fn deadline(timeout: Option<f64>) -> PyResult<Deadline> {
    let Some(seconds) = timeout else {
        return Ok(Deadline::NEVER);
    };
    Ok(duration(seconds, "timeout")?.map_or(Deadline::NEVER, Deadline::after))
}

/// Reads the time to allow for the reap.
pub(crate) fn grace(seconds: f64) -> PyResult<Duration> {
    Ok(duration(seconds, "grace")?.unwrap_or(Duration::MAX))
}

/// Reads a word that has one meaning: an event, a token, an outcome.
pub(crate) fn parse<T: FromStr<Err: ToString>>(text: &str) -> PyResult<T> {
    text.parse()
        .map_err(|error: T::Err| PyValueError::new_err(error.to_string()))
}

/// `None` for more seconds than anybody can count.
fn duration(seconds: f64, name: &str) -> PyResult<Option<Duration>> {
    if seconds.is_nan() {
        return Err(PyValueError::new_err(format!("{name} is not a number")));
    }
    Ok(Duration::try_from_secs_f64(seconds.max(0.0)).ok())
}

/// Takes what Python itself takes for an integer, except `True` and `False`.
fn whole_number<'py>(number: &Bound<'py, PyAny>, what: &str) -> PyResult<Bound<'py, PyInt>> {
    if !number.is_instance_of::<PyBool>()
        && let Ok(index) = number.getattr("__index__")
    {
        return Ok(index.call0()?.cast_into()?);
    }
    let kind = number.get_type().name()?;
    Err(PyTypeError::new_err(format!(
        "{what} is an integer, not {kind}"
    )))
}
