//! The drop-in names: called as `waitpid`, `pwait`, `pidwait` or `getino`, the program takes that
//! tool's options and gives its messages and exit codes, without its bugs.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

pub mod getino;
mod getopt;
pub mod install;
mod io_set;
pub mod pidwait;
pub mod pwait;
mod target;
pub mod waitpid;

pub use io_set::Io;

/// A tool whose part the program plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Name {
    /// `waitpid` of util-linux 2.42.
    Waitpid,
    /// `pwait` of FreeBSD 15.
    Pwait,
    /// `pidwait` of procps 4.0.6.
    Pidwait,
    /// `getino` of util-linux 2.42.
    Getino,
}

impl Name {
    /// All names, in the order in which they are installed.
    pub const ALL: [Self; 4] = [Self::Waitpid, Self::Pwait, Self::Pidwait, Self::Getino];

    /// Returns the name as it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waitpid => "waitpid",
            Self::Pwait => "pwait",
            Self::Pidwait => "pidwait",
            Self::Getino => "getino",
        }
    }

    /// Returns the release whose interface is offered.
    pub fn original(self) -> &'static str {
        match self {
            Self::Waitpid | Self::Getino => "util-linux 2.42",
            Self::Pwait => "FreeBSD 15",
            Self::Pidwait => "procps-ng 4.0.6",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Returns the name that the program was called by, if it is one of those it answers to.
pub fn by_argv0(argv0: &OsStr) -> Option<Name> {
    let called = Path::new(argv0).file_name()?;
    Name::ALL.into_iter().find(|name| called == name.as_str())
}

/// Runs the tool and returns its exit code. `args` come without the name.
pub fn run(name: Name, args: &[OsString], io: &mut Io<'_>) -> u8 {
    match name {
        Name::Waitpid => waitpid::run(args, io),
        Name::Pwait => pwait::run(args, io),
        Name::Pidwait => pidwait::run(args, io),
        Name::Getino => getino::run(args, io),
    }
}

/// Says where to read on, in the words of util-linux.
fn help(name: Name) -> String {
    format!("Try '{name} --help' for more information.\n")
}

/// Says what this is, and what it stands in for.
fn version(name: Name) -> String {
    let ours = env!("CARGO_PKG_VERSION");
    format!("{name} from exithand {ours}, for {}\n", name.original())
}

/// Plays the tool by whose name this process was started, or else does what `otherwise` does.
pub fn dispatch_or(otherwise: impl FnOnce() -> ExitCode) -> ExitCode {
    let mut args = env::args_os();
    let Some(name) = args.next().as_deref().and_then(by_argv0) else {
        return otherwise();
    };
    let args: Vec<OsString> = args.collect();
    let (mut input, mut out, mut err) = (io::stdin(), io::stdout(), io::stderr());
    let mut io = Io {
        input: &mut input,
        out: &mut out,
        err: &mut err,
    };
    ExitCode::from(run(name, &args, &mut io))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_the_path_is_the_name() {
        for (argv0, name) in [
            ("waitpid", Some(Name::Waitpid)),
            ("./pwait", Some(Name::Pwait)),
            ("/usr/local/bin/getino", Some(Name::Getino)),
            ("exithand", None),
            ("waitpid2", None),
            ("waitpid/exithand", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(by_argv0(OsStr::new(argv0)), name, "{argv0:?}");
        }
    }
}
