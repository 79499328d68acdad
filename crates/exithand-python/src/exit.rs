//! How a process ended, as Python sees it.

use exithand::{Outcome, Source, Token};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arguments;

const SOURCES: [Source; 5] = [
    Source::Child,
    Source::Pidfd,
    Source::Zombie,
    Source::Recorder,
    Source::File,
];

/// How a process ended, as far as anybody can tell.
///
/// ``str()`` gives one line in the words of the command ``exithand``: ``exited 3``,
/// ``killed 9 KILL``, ``killed 11 SEGV core``, or ``unknown: ...`` with the reason. The outcome is
/// never guessed: where it is unknown, ``exit_code``, ``signal`` and ``returncode`` are ``None``.
///
/// Can be compared, hashed and pickled.
#[pyclass(frozen, eq, hash, module = "exithand", name = "Exit")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Exit {
    token: Token,
    outcome: Outcome,
    reaped: bool,
    source: Option<Source>,
}

impl From<exithand::Exit> for Exit {
    fn from(exit: exithand::Exit) -> Self {
        Self {
            token: exit.token,
            outcome: exit.outcome,
            reaped: exit.reaped,
            source: exit.source,
        }
    }
}

#[pymethods]
impl Exit {
    /// Make an exit from its parts, as ``str(exit)`` and the attributes give them.
    #[new]
    #[pyo3(signature = (token, outcome, *, reaped=false, source=None))]
    fn new(token: &str, outcome: &str, reaped: bool, source: Option<&str>) -> PyResult<Self> {
        let source = source.map(|word| {
            let known = SOURCES.into_iter().find(|it| it.as_str() == word);
            known.ok_or_else(|| PyValueError::new_err(format!("{word:?} is no source")))
        });
        Ok(Self {
            token: arguments::parse(token)?,
            outcome: arguments::parse(outcome)?,
            reaped,
            source: source.transpose()?,
        })
    }

    /// The name of the process, which no later process can have.
    #[getter]
    fn token(&self) -> String {
        self.token.to_string()
    }

    /// The exit status, 0 to 255; ``None`` if it was killed, or nobody knows.
    #[getter]
    fn exit_code(&self) -> Option<u8> {
        match self.outcome {
            Outcome::Exited(status) => Some(status),
            _ => None,
        }
    }

    /// The number of the signal that killed it; ``None`` if it exited, or nobody knows.
    #[getter]
    fn signal(&self) -> Option<i32> {
        match self.outcome {
            Outcome::Killed { signal, .. } => Some(signal.number()),
            _ => None,
        }
    }

    /// The name of that signal, such as ``SIGKILL``.
    #[getter]
    fn signal_name(&self) -> Option<String> {
        match self.outcome {
            Outcome::Killed { signal, .. } => Some(signal.to_string()),
            _ => None,
        }
    }

    /// Whether a core dump was made.
    #[getter]
    fn core_dumped(&self) -> bool {
        matches!(
            self.outcome,
            Outcome::Killed {
                core_dumped: true,
                ..
            }
        )
    }

    /// What ``subprocess`` would say: the exit status, or minus the signal; ``None`` if unknown.
    #[getter]
    fn returncode(&self) -> Option<i32> {
        match self.outcome {
            Outcome::Exited(status) => Some(status.into()),
            Outcome::Killed { signal, .. } => Some(-signal.number()),
            Outcome::Unknown { .. } => None,
        }
    }

    /// Whether it is known how the process ended.
    #[getter]
    fn known(&self) -> bool {
        self.outcome.is_known()
    }

    /// What kept the outcome back, in words to act on; ``None`` if it is known.
    #[getter]
    fn why(&self) -> Option<String> {
        match self.outcome {
            Outcome::Unknown { why } => Some(why.to_string()),
            _ => None,
        }
    }

    /// Whether the process exited by itself with status 0.
    #[getter]
    fn success(&self) -> bool {
        self.outcome.success()
    }

    /// Whether the parent had collected the process when this was learned.
    #[getter]
    fn reaped(&self) -> bool {
        self.reaped
    }

    /// Where the outcome was learned: ``child``, ``pidfd`` or ``zombie``; ``None`` if unknown.
    #[getter]
    fn source(&self) -> Option<&'static str> {
        self.source.map(Source::as_str)
    }

    fn __str__(&self) -> String {
        self.outcome.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<exithand.Exit {} of process {}>", self.outcome, self.token)
    }

    fn __getnewargs_ex__(&self) -> ((String, String), Keywords) {
        let keywords = Keywords {
            reaped: self.reaped,
            source: self.source(),
        };
        ((self.token(), self.__str__()), keywords)
    }
}

/// The named arguments of the constructor.
#[derive(IntoPyObject)]
struct Keywords {
    reaped: bool,
    source: Option<&'static str>,
}
