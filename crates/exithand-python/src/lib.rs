//! The compiled half of the Python package `exithand`.
//!
//! Everything here is one thin layer over the library of the same name; what Python itself can do
//! well (asyncio, `wait_procs`) is in `python/exithand`.

mod arguments;
mod error;
mod exit;
mod handle;
mod interrupt;
mod open;
mod wait_set;

/// The compiled half of exithand; import `exithand` instead.
#[pyo3::pymodule(gil_used = false)]
mod _exithand {
    #[pymodule_export]
    use crate::exit::Exit;
    #[pymodule_export]
    use crate::handle::Handle;
    #[pymodule_export]
    use crate::open::open;
    #[pymodule_export]
    use crate::wait_set::WaitSet;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        crate::interrupt::prepare(module.py())
    }
}
