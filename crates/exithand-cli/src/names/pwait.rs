//! `pwait` of FreeBSD: waits for processes, and with `-v` says how they ended.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use exithand::{
    Count, DEFAULT_GRACE, Deadline, Error, ExitHandle, Outcome, Pid, Until, WaitOptions, WaitSet,
};

use super::Name;
use super::getopt::{Dialect, Flag, Getopt};
use super::io_set::{Failure, Io, WriteError, cause};
use crate::limits::raise_descriptor_limit;

const NAME: Name = Name::Pwait;
// From `sysexits(3)`.
const EX_USAGE: u8 = 64;
const EX_DATAERR: u8 = 65;
const EX_OSERR: u8 = 71;
const EX_IOERR: u8 = 74;
const TIMED_OUT: u8 = 124;

const USAGE: &str = "usage: pwait [-t timeout] [-opv] pid ...\n";
/// About three years; FreeBSD refuses more.
const LONGEST_S: f64 = 100_000_000.0;
/// `PID_MAX_LIMIT` of the kernel: no process has a higher number.
const PID_MAX_LIMIT: i32 = 4_194_304;

/// Runs `pwait` and returns its exit code: 0, 124 after a timeout, or one of `sysexits(3)`.
pub fn run(args: &[OsString], io: &mut Io<'_>) -> u8 {
    let result = parse(args).and_then(|wait| wait.run(io));
    io.finish(result)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    One,
    PrintRemaining,
    Timeout,
    Verbose,
}

const FLAGS: &[Flag<Key>] = &[
    Flag::alone(Key::One, Some(b'o'), ""),
    Flag::alone(Key::PrintRemaining, Some(b'p'), ""),
    Flag::value(Key::Timeout, Some(b't'), ""),
    Flag::alone(Key::Verbose, Some(b'v'), ""),
];

#[derive(Debug, Default, PartialEq, Eq)]
struct Wait {
    one: bool,
    print_remaining: bool,
    timeout: Option<Duration>,
    verbose: bool,
    operands: Vec<OsString>,
}

fn parse(args: &[OsString]) -> Result<Wait, Failure> {
    let mut wait = Wait::default();
    let mut options = Getopt::new(Dialect::Bsd, FLAGS, args);
    while let Some((key, value)) = options
        .next()
        .map_err(|misuse| Failure::of(EX_USAGE, NAME, &misuse.to_string()).and(USAGE))?
    {
        match key {
            Key::One => wait.one = true,
            Key::PrintRemaining => wait.print_remaining = true,
            Key::Timeout => wait.timeout = timeout(value)?,
            Key::Verbose => wait.verbose = true,
        }
    }
    let operands = options.into_operands();
    wait.operands = operands.into_iter().map(OsString::from).collect();
    if wait.operands.is_empty() {
        return Err(Failure {
            code: EX_USAGE,
            text: USAGE.to_owned(),
        });
    }
    Ok(wait)
}

/// Reads a duration such as `5`, `1.5m` or `2h`; `None`, for ever, for zero.
fn timeout(text: &OsStr) -> Result<Option<Duration>, Failure> {
    let refused = |what| Failure::of(EX_DATAERR, NAME, what);
    let value = || refused("timeout value");
    let (number, unit) = split_number(text.to_str().unwrap_or_default()).ok_or_else(value)?;
    if number < 0.0 {
        return Err(value());
    }
    let seconds = match unit {
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(refused("timeout unit")),
    };
    if seconds > LONGEST_S {
        return Err(value());
    }
    let timeout = Duration::try_from_secs_f64(seconds).map_err(|_not_finite| value())?;
    Ok((seconds > 0.0).then_some(timeout))
}

/// Takes the number off the start of `text`, as `strtod(3)` does.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let text = text.trim_ascii_start();
    let letter = |letter: char| !(letter.is_ascii_digit() || "+-.eE".contains(letter));
    let longest = text.find(letter).unwrap_or(text.len());
    (1..=longest)
        .rev()
        .find_map(|end| Some((text[..end].parse().ok()?, &text[end..])))
}

/// Reads a process id, with or without `/proc/` before it; the error is what is no process id.
fn pid(operand: &OsStr) -> Result<Pid, String> {
    let text = operand.to_string_lossy();
    let text = text.strip_prefix("/proc/").unwrap_or(&text);
    let number = text.trim_ascii_start();
    let number: Option<i32> = number
        .parse()
        .ok()
        .filter(|pid| (1..=PID_MAX_LIMIT).contains(pid));
    number
        .and_then(Pid::from_raw)
        .ok_or_else(|| text.to_owned())
}

/// What became of the operands.
#[derive(Debug, Default)]
struct Opened {
    remaining: BTreeSet<i32>,
    /// How many are done: gone before the wait, or ended since.
    done: usize,
}

impl Wait {
    fn run(&self, io: &mut Io<'_>) -> Result<u8, Failure> {
        raise_descriptor_limit();
        let set = WaitSet::new(Until::Ended).map_err(|error| self.failure(None, &error))?;
        let mut opened = self.open_all(&set, io)?;
        if opened.done == 0 && opened.remaining.is_empty() {
            return Err(Failure::of(EX_DATAERR, NAME, "no process to wait for"));
        }
        let code = self.wait_for(&set, &mut opened, io)?;
        if self.print_remaining {
            for pid in opened.remaining {
                say(io, &format!("{pid}\n"))?;
            }
        }
        Ok(code)
    }

    /// Opens all processes before any is waited for. What is no process id is left out.
    fn open_all(&self, set: &WaitSet, io: &mut Io<'_>) -> Result<Opened, Failure> {
        let mut opened = Opened::default();
        let mut seen = BTreeSet::new();
        for operand in &self.operands {
            let pid = match pid(operand) {
                Ok(pid) => pid,
                Err(text) => {
                    io.warn(NAME, &format!("{text}: bad process id"));
                    continue;
                }
            };
            let number = pid.as_raw_nonzero().get();
            if !seen.insert(number) {
                continue;
            }
            match ExitHandle::open(pid).and_then(|handle| set.add(handle)) {
                Ok(_) => {
                    opened.remaining.insert(number);
                }
                Err(error) if error.is_gone() => {
                    io.warn(NAME, &format!("{number}: {}", cause(&error, 1)));
                    opened.done += 1;
                }
                Err(Error::Itself(_)) => {
                    io.warn(NAME, &format!("{number}: skipping my own pid"));
                }
                Err(error @ Error::IsThread { .. }) => {
                    io.warn(NAME, &format!("{number}: bad process id: {error}"));
                }
                Err(error) => return Err(self.failure(Some(number), &error)),
            }
        }
        Ok(opened)
    }

    fn wait_for(&self, set: &WaitSet, opened: &mut Opened, io: &mut Io<'_>) -> Result<u8, Failure> {
        let deadline = Deadline::from(self.timeout);
        while !self.satisfied(opened) {
            let finished = set
                .wait(Count::Any, deadline)
                .map_err(|error| self.failure(None, &error))?;
            if finished.is_empty() {
                if self.verbose {
                    say(io, "timeout\n")?;
                }
                return Ok(TIMED_OUT);
            }
            // One grace for all of them, however many the parents leave unreaped.
            let grace = Deadline::after(DEFAULT_GRACE);
            for (_, handle) in finished {
                let Some(pid) = handle.pid() else { continue };
                let pid = pid.as_raw_nonzero().get();
                opened.remaining.remove(&pid);
                opened.done += 1;
                if self.verbose {
                    let outcome = self.outcome(&handle, grace)?;
                    say(io, &format!("{pid}: {}.\n", in_words(outcome)))?;
                }
            }
        }
        Ok(0)
    }

    fn satisfied(&self, opened: &Opened) -> bool {
        opened.remaining.is_empty() || (self.one && opened.done > 0)
    }

    fn outcome(&self, handle: &ExitHandle, deadline: Deadline) -> Result<Option<Outcome>, Failure> {
        let options = WaitOptions {
            deadline,
            ..WaitOptions::default()
        };
        let exit = handle.wait_with(&options);
        let exit = exit.map_err(|error| self.failure(None, &error))?;
        Ok(exit.map(|exit| exit.outcome))
    }

    fn failure(&self, pid: Option<i32>, error: &Error) -> Failure {
        let cause = cause(error, self.operands.len());
        let message = pid.map_or_else(|| cause.clone(), |pid| format!("{pid}: {cause}"));
        Failure::of(EX_OSERR, NAME, &message)
    }
}

fn in_words(outcome: Option<Outcome>) -> String {
    match outcome {
        Some(Outcome::Exited(status)) => format!("exited with status {status}"),
        Some(Outcome::Killed { signal, .. }) => format!("killed by signal {}", signal.number()),
        Some(Outcome::Unknown { .. }) | None => "terminated".to_owned(),
    }
}

fn say(io: &mut Io<'_>, text: &str) -> Result<(), Failure> {
    io.say(text)
        .map_err(|error: WriteError| error.failure(EX_IOERR, NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_as_freebsd_does() {
        for (text, read_as) in [
            ("0", Ok(None)),
            ("0h", Ok(None)),
            ("5", Ok(Some(5_000))),
            ("1.5s", Ok(Some(1_500))),
            (".5", Ok(Some(500))),
            ("2m", Ok(Some(120_000))),
            ("1.5h", Ok(Some(5_400_000))),
            ("1e2", Ok(Some(100_000))),
            ("100000000", Ok(Some(100_000_000_000))),
            ("100000001", Err("value")),
            ("30000h", Err("value")),
            ("-1", Err("value")),
            ("", Err("value")),
            ("s", Err("value")),
            ("nan", Err("value")),
            ("inf", Err("value")),
            ("1d", Err("unit")),
            ("1ms", Err("unit")),
            ("5e", Err("unit")),
            ("1 s", Err("unit")),
        ] {
            let read = timeout(OsStr::new(text)).map(|timeout| timeout.map(|it| it.as_millis()));
            let read_as = read_as.map_err(|what| Failure {
                code: EX_DATAERR,
                text: format!("pwait: timeout {what}\n"),
            });
            assert_eq!(read, read_as, "{text:?}");
        }
    }

    #[test]
    fn reads_process_ids_with_or_without_proc() {
        for (text, number) in [
            ("7", Ok(7)),
            ("/proc/7", Ok(7)),
            (" +7", Ok(7)),
            ("4194304", Ok(4_194_304)),
            ("4194305", Err("4194305")),
            ("0", Err("0")),
            ("-3", Err("-3")),
            ("7x", Err("7x")),
            ("/proc/7/", Err("7/")),
            ("", Err("")),
        ] {
            let read = pid(OsStr::new(text)).map(|pid| pid.as_raw_nonzero().get());
            assert_eq!(read, number.map_err(str::to_owned), "{text:?}");
        }
    }

    #[test]
    fn options_end_at_the_first_process() {
        let args = ["-ovt5", "1", "-p"].map(OsString::from);
        let wait = parse(&args).unwrap();
        assert!(wait.one && wait.verbose && !wait.print_remaining);
        assert_eq!(wait.operands, ["1", "-p"]);
    }

    #[test]
    fn misuse_shows_the_usage() {
        for (line, text) in [
            (&[][..], USAGE.to_owned()),
            (&["-x"], format!("pwait: illegal option -- x\n{USAGE}")),
            (
                &["-t"],
                format!("pwait: option requires an argument -- t\n{USAGE}"),
            ),
        ] {
            let args: Vec<OsString> = line.iter().map(OsString::from).collect();
            let failure = parse(&args).unwrap_err();
            assert_eq!((failure.code, failure.text), (EX_USAGE, text), "{line:?}");
        }
    }
}
