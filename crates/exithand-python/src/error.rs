//! Errors as Python raises them.

use exithand::{Errno, Error};
use pyo3::exceptions::PyOSError;
use pyo3::{PyErr, PyResult};

/// Turns the library's results into Python's.
pub(crate) trait OrRaise<T> {
    /// Raises an error as `OSError`.
    fn or_raise(self) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, Error> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(|error| os_error(error.errno(), error.to_string()))
    }
}

/// Makes the `OSError` of `errno`: Python picks the subclass, `ProcessLookupError` and its like.
pub(crate) fn os_error(errno: Errno, message: String) -> PyErr {
    PyOSError::new_err((errno.raw_os_error(), message))
}
