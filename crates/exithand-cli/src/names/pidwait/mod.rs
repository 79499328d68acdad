//! `pidwait` of procps: waits for the processes that match.

mod choose;
mod ere;
mod extras;
mod flags;
mod options;
mod pidfile;
mod words;

use std::ffi::OsString;

use exithand::{Count, Deadline, Errno, Error, Until, WaitSet};

use super::io_set::{Failure, Io, WriteError, cause, strerror};
use super::{Name, version};
use crate::limits::raise_descriptor_limit;
use crate::select::Selected;
use choose::{Criteria, Problem};
use options::{Options, Request};

const NAME: Name = Name::Pidwait;
const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const FATAL: u8 = 3;

/// Runs `pidwait` and returns its exit code: 0, 1 where nothing matched, 2 for wrong usage, 3
/// where the processes that match could not all be waited for.
pub fn run(args: &[OsString], io: &mut Io<'_>) -> u8 {
    let result = options::parse(args).and_then(|request| match request {
        Request::Help => say(io, flags::USAGE).map(|()| 0),
        Request::Version => say(io, &version(NAME)).map(|()| 0),
        Request::Wait(options) => wait(*options, io),
    });
    io.finish(result)
}

fn wait(mut options: Options, io: &mut Io<'_>) -> Result<u8, Failure> {
    let criteria = options.criteria(io)?;
    raise_descriptor_limit();
    // Made first, so that it has its descriptors before the processes take the rest.
    let set = WaitSet::new(Until::Ended).map_err(|error| not_waited(&error, 0))?;
    let chosen = open_matching(&criteria)?;
    if options.count {
        say(io, &format!("{}\n", chosen.len()))?;
    }
    if chosen.is_empty() {
        if let Some(hint) = options.hint() {
            io.warn(NAME, hint);
        }
        return Ok(FAILED);
    }
    let matched = chosen.len();
    for Selected { handle, facts } in chosen {
        if options.echo {
            let name = String::from_utf8_lossy(&facts.comm);
            let pid = facts.pid.as_raw_nonzero();
            say(io, &format!("waiting for {name} (pid {pid})\n"))?;
        }
        set.add(handle)
            .map_err(|error| not_waited(&error, matched))?;
    }
    set.wait(Count::All, Deadline::NEVER)
        .map_err(|error| not_waited(&error, matched))?;
    Ok(0)
}

fn open_matching(criteria: &Criteria) -> Result<Vec<Selected>, Failure> {
    criteria.open_matching().map_err(|problem| match problem {
        Problem::Open { error, .. } if error.errno() == Errno::NOSYS => Failure::of(
            FAILED,
            NAME,
            "pidfd_open() not implemented in Linux < 5.3, or blocked here",
        ),
        Problem::Open {
            pid,
            error,
            matching,
        } => {
            let cause = cause(&error, matching);
            let pid = pid.as_raw_nonzero();
            Failure::of(FATAL, NAME, &format!("opening pid {pid} failed: {cause}"))
        }
        Problem::Proc(error) => {
            let cause = Errno::from_io_error(&error).map_or_else(|| error.to_string(), strerror);
            let message = format!("cannot read the processes from /proc: {cause}");
            Failure::of(FATAL, NAME, &message)
        }
    })
}

fn not_waited(error: &Error, matching: usize) -> Failure {
    let cause = cause(error, matching);
    Failure::of(FATAL, NAME, &format!("cannot wait: {cause}"))
}

fn say(io: &mut Io<'_>, text: &str) -> Result<(), Failure> {
    io.say(text)
        .map_err(|error: WriteError| error.failure(FAILED, NAME))
}
