//! Which source to use here: the best that works, and why the better ones do not.

use std::fmt;
use std::str::FromStr;

use crate::Source;
use crate::bpf::{Attach, BpfSource};
use crate::proc_connector::ProcConnectorSource;
use crate::taskstats::TaskstatsSource;

/// A kind of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceName {
    /// Probes in the kernel, which know everything. Needs `CAP_BPF` and `CAP_PERFMON`.
    Bpf,
    /// The kernel's task statistics with the process connector: no killers, no command lines of
    /// what was gone too quickly. Needs `CAP_NET_ADMIN`.
    Taskstats,
    /// The process connector alone: pids and statuses. Needs nothing since Linux 6.6.
    ProcConnector,
}

impl SourceName {
    /// Every kind, the best first.
    pub const ALL: [Self; 3] = [Self::Bpf, Self::Taskstats, Self::ProcConnector];

    /// Returns the name that users are told, as [`Source::name`] does.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bpf => "bpf",
            Self::Taskstats => "taskstats",
            Self::ProcConnector => "proc-connector",
        }
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The word names no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no source of exits is called {0:?}: there are bpf, taskstats and proc-connector")]
pub struct ParseSourceNameError(String);

impl FromStr for SourceName {
    type Err = ParseSourceNameError;

    fn from_str(text: &str) -> Result<Self, ParseSourceNameError> {
        Self::ALL
            .into_iter()
            .find(|it| it.as_str() == text)
            .ok_or_else(|| ParseSourceNameError(text.to_owned()))
    }
}

/// A way to see exits that cannot be used here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// What it is, as users are told: `bpf (tp_btf)`, `taskstats`.
    pub name: &'static str,
    /// Why not, and what would help.
    pub why: String,
}

/// The best source that works here.
#[derive(Debug)]
pub struct Chosen {
    /// The source, which sees every process that ends from now on.
    pub source: Box<dyn Source>,
    /// What would have been better, the best first.
    pub passed_over: Vec<PassedOver>,
}

/// Nothing here tells of the exits of processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSource {
    /// What was tried, in order.
    pub tried: Vec<PassedOver>,
}

impl fmt::Display for NoSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing here tells of the ends of processes")?;
        for PassedOver { name, why } in &self.tried {
            write!(f, "; {name}: {why}")?;
        }
        Ok(())
    }
}

impl std::error::Error for NoSource {}

/// One way to open a source, or why it cannot be.
type Open = fn() -> Result<Box<dyn Source>, String>;

/// The ways, the best first.
const WAYS: [(SourceName, &str, Open); 4] = [
    (SourceName::Bpf, "bpf (tp_btf)", || {
        boxed(BpfSource::open(Attach::TpBtf))
    }),
    (SourceName::Bpf, "bpf (raw_tp)", || {
        boxed(BpfSource::open(Attach::RawTp))
    }),
    (SourceName::Taskstats, "taskstats", || {
        boxed(TaskstatsSource::open())
    }),
    (SourceName::ProcConnector, "proc-connector", || {
        boxed(ProcConnectorSource::open())
    }),
];

fn boxed<S: Source + 'static, E: std::error::Error>(
    opened: Result<S, E>,
) -> Result<Box<dyn Source>, String> {
    match opened {
        Ok(source) => Ok(Box::new(source)),
        Err(error) => Err(in_one_line(&error)),
    }
}

/// The error with its causes.
fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Opens the best source that works here, or the one that is wished for and no other.
///
/// # Errors
///
/// [`NoSource`], which says for each that was tried what is missing.
pub fn choose(wish: Option<SourceName>) -> Result<Chosen, NoSource> {
    first(&WAYS, wish)
}

fn first(
    ways: &[(SourceName, &'static str, Open)],
    wish: Option<SourceName>,
) -> Result<Chosen, NoSource> {
    let mut passed_over = Vec::new();
    for (kind, name, open) in ways {
        if wish.is_some_and(|wish| wish != *kind) {
            continue;
        }
        match open() {
            Ok(source) => {
                return Ok(Chosen {
                    source,
                    passed_over,
                });
            }
            Err(why) => passed_over.push(PassedOver { name, why }),
        }
    }
    Err(NoSource { tried: passed_over })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    use super::*;
    use crate::Event;

    #[derive(Debug)]
    struct Silent(OwnedFd);

    impl Source for Silent {
        fn name(&self) -> &'static str {
            "taskstats"
        }

        fn wake(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }

        fn drain(&mut self, _: &mut dyn FnMut(Event)) -> io::Result<()> {
            Ok(())
        }
    }

    fn silent() -> Silent {
        let (end, _) = rustix::pipe::pipe().unwrap();
        Silent(end)
    }

    const TABLE: [(SourceName, &str, Open); 3] = [
        (SourceName::Bpf, "bpf (tp_btf)", || Err("no BTF".to_owned())),
        (SourceName::Taskstats, "taskstats", || {
            Ok(Box::new(silent()))
        }),
        (SourceName::ProcConnector, "proc-connector", || {
            panic!("the best is enough")
        }),
    ];

    #[test]
    fn takes_the_best_that_works_and_says_why_not_the_better() {
        let chosen = first(&TABLE, None).unwrap();
        assert_eq!(chosen.source.name(), "taskstats");
        let better = PassedOver {
            name: "bpf (tp_btf)",
            why: "no BTF".to_owned(),
        };
        assert_eq!(chosen.passed_over, [better]);
    }

    #[test]
    fn a_wish_is_the_only_one_tried() {
        let chosen = first(&TABLE, Some(SourceName::Taskstats)).unwrap();
        assert_eq!(chosen.passed_over, []);
        let none = first(&TABLE, Some(SourceName::Bpf)).unwrap_err();
        assert_eq!(
            none.to_string(),
            "nothing here tells of the ends of processes; bpf (tp_btf): no BTF"
        );
    }

    #[test]
    fn names_are_read_as_they_are_printed() {
        for name in SourceName::ALL {
            assert_eq!(name.as_str().parse(), Ok(name));
        }
        assert!("ebpf".parse::<SourceName>().is_err());
    }
}
