//! `waitpid` of util-linux: waits for processes named by pid, or by pid and inode.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::time::Duration;

use exithand::{Count, Deadline, Errno, Error, Key as Member, Until, WaitSet};

use super::getopt::{Dialect, Flag, Getopt};
use super::io_set::{Failure, Io, WriteError, cause, strerror};
use super::target::Target;
use super::{Name, help, version};
use crate::limits::raise_descriptor_limit;

const NAME: Name = Name::Waitpid;
const FAILED: u8 = 1;
const NOT_SUPPORTED: u8 = 2;
const TIMED_OUT: u8 = 3;

const USAGE: &str = "
Usage:
 waitpid [options] PID[:inode]...

Options:
 -v, --verbose           say which processes finish
 -t, --timeout <seconds> give up after so many seconds; 0 only looks
 -e, --exited            count PIDs that are gone already as finished
 -c, --count <count>     wait for so many processes only

 -h, --help              display this help
 -V, --version           display version

For more details see exithand-names(7).
";

/// Runs `waitpid` and returns its exit code: 0, 1 for a failure, 2 where the kernel lacks what is
/// needed, 3 after a timeout.
pub fn run(args: &[OsString], io: &mut Io<'_>) -> u8 {
    let result = parse(args).and_then(|request| match request {
        Request::Help => say(io, USAGE).map(|()| 0),
        Request::Version => say(io, &version(NAME)).map(|()| 0),
        Request::Wait(wait) => wait.run(io),
    });
    io.finish(result)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Verbose,
    Timeout,
    Exited,
    Count,
    Version,
    Help,
}

const FLAGS: &[Flag<Key>] = &[
    Flag::alone(Key::Verbose, Some(b'v'), "verbose"),
    Flag::value(Key::Timeout, Some(b't'), "timeout"),
    Flag::alone(Key::Exited, Some(b'e'), "exited"),
    Flag::value(Key::Count, Some(b'c'), "count"),
    Flag::alone(Key::Version, Some(b'V'), "version"),
    Flag::alone(Key::Help, Some(b'h'), "help"),
];

#[derive(Debug, PartialEq, Eq)]
enum Request {
    Help,
    Version,
    Wait(Wait),
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Wait {
    verbose: bool,
    timeout: Option<Duration>,
    allow_exited: bool,
    count: Option<usize>,
    targets: Vec<Target>,
}

fn parse(args: &[OsString]) -> Result<Request, Failure> {
    let mut wait = Wait::default();
    let mut options = Getopt::new(Dialect::Gnu, FLAGS, args);
    while let Some((key, value)) = options
        .next()
        .map_err(|misuse| failed(&misuse.to_string()).and(&help(NAME)))?
    {
        match key {
            Key::Verbose => wait.verbose = true,
            Key::Timeout => wait.timeout = Some(seconds(value)?),
            Key::Exited => wait.allow_exited = true,
            Key::Count => wait.count = Some(count(value)?),
            Key::Version => return Ok(Request::Version),
            Key::Help => return Ok(Request::Help),
        }
    }
    let operands = options.into_operands();
    if operands.is_empty() {
        return Err(failed("no PIDs specified"));
    }
    if let Some(count) = wait.count {
        refuse_too_few(count, operands.len())?;
    }
    for text in operands {
        wait.targets.push(target(text)?);
    }
    // Named twice, a process is still one.
    let mut seen = HashSet::new();
    wait.targets.retain(|target| seen.insert(*target));
    Ok(Request::Wait(wait))
}

fn seconds(text: &OsStr) -> Result<Duration, Failure> {
    let seconds: Option<f64> = text
        .to_str()
        .and_then(|text| text.trim_start().parse().ok());
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| failed(&format!("invalid timeout: '{}'", text.display())))
}

fn count(text: &OsStr) -> Result<usize, Failure> {
    let invalid = |why| failed(&format!("invalid count: '{}'{why}", text.display()));
    let digits = text
        .to_str()
        .map(|text| text.trim_start().trim_start_matches('+'));
    let digits = digits
        .filter(|digits| !digits.is_empty())
        .ok_or_else(|| invalid(""))?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid(""));
    }
    match digits.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(invalid(": Numerical result out of range")),
    }
}

fn target(text: &OsStr) -> Result<Target, Failure> {
    Target::parse(text).map_err(|errno| {
        let text = text.display();
        failed(&format!(
            "failed to parse PID argument '{text}': {}",
            strerror(errno)
        ))
    })
}

fn refuse_too_few(count: usize, processes: usize) -> Result<(), Failure> {
    if count > processes {
        let message = format!("can't wait for {count} of {processes} PIDs");
        return Err(failed(&message));
    }
    Ok(())
}

/// The processes that are there, and how many are gone.
struct Opened {
    set: WaitSet,
    named: HashMap<Member, Target>,
    gone: usize,
}

impl Wait {
    fn run(&self, io: &mut Io<'_>) -> Result<u8, Failure> {
        raise_descriptor_limit();
        let opened = self.open_all(io)?;
        let processes = opened.named.len() + opened.gone;
        let wanted = self.count.unwrap_or(processes);
        refuse_too_few(wanted, processes)?;
        self.wait_for(&opened, wanted.saturating_sub(opened.gone), io)
    }

    /// Opens all processes before any is waited for.
    fn open_all(&self, io: &mut Io<'_>) -> Result<Opened, Failure> {
        let set = WaitSet::new(Until::Ended);
        let mut opened = Opened {
            set: set.map_err(|error| self.failure("create epoll", &error))?,
            named: HashMap::new(),
            gone: 0,
        };
        for target in &self.targets {
            match target.open() {
                Ok(handle) => {
                    let added = opened.set.add(handle);
                    let key = added
                        .map_err(|error| self.failure(&format!("wait for PID {target}"), &error))?;
                    opened.named.insert(key, *target);
                }
                Err(error) => {
                    if let Some(inode) = target.token.and_then(|token| token.inode()) {
                        let message = format!("pidfd inode {inode} not found for PID {target}");
                        self.note(&message, io);
                    }
                    if !(error.is_gone() && self.allow_exited) {
                        return Err(self.failure(&format!("open PID {target}"), &error));
                    }
                    self.note(&format!("PID {target} has exited, skipping"), io);
                    opened.gone += 1;
                }
            }
        }
        Ok(opened)
    }

    fn wait_for(&self, opened: &Opened, wanted: usize, io: &mut Io<'_>) -> Result<u8, Failure> {
        let deadline = Deadline::from(self.timeout);
        let mut wanted = wanted;
        while wanted > 0 {
            let finished = opened.set.wait(Count::Any, deadline);
            let finished = finished.map_err(|error| self.failure("wait", &error))?;
            if finished.is_empty() {
                self.tell("Timeout expired\n", io)?;
                return Ok(TIMED_OUT);
            }
            for (key, _) in finished.into_iter().take(wanted) {
                wanted -= 1;
                if let Some(target) = opened.named.get(&key) {
                    self.tell(&format!("PID {target} finished\n"), io)?;
                }
            }
        }
        Ok(0)
    }

    /// Says something on standard output, if asked to be verbose.
    fn tell(&self, text: &str, io: &mut Io<'_>) -> Result<(), Failure> {
        if self.verbose { say(io, text) } else { Ok(()) }
    }

    /// Says something on standard error, if asked to be verbose.
    fn note(&self, message: &str, io: &mut Io<'_>) {
        if self.verbose {
            io.warn(NAME, message);
        }
    }

    fn failure(&self, action: &str, error: &Error) -> Failure {
        let code = match error {
            Error::Unsupported { .. } => NOT_SUPPORTED,
            _ if error.errno() == Errno::NOSYS => NOT_SUPPORTED,
            _ => FAILED,
        };
        let cause = cause(error, self.targets.len());
        Failure::of(code, NAME, &format!("could not {action}: {cause}"))
    }
}

fn say(io: &mut Io<'_>, text: &str) -> Result<(), Failure> {
    io.say(text)
        .map_err(|error: WriteError| error.failure(FAILED, NAME))
}

fn failed(message: &str) -> Failure {
    Failure::of(FAILED, NAME, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[&str]) -> Result<Wait, String> {
        let args: Vec<OsString> = line.iter().map(OsString::from).collect();
        match parse(&args) {
            Ok(Request::Wait(wait)) => Ok(wait),
            Ok(other) => panic!("{line:?} asked for {other:?}"),
            Err(failure) => {
                assert_eq!(failure.code, FAILED, "{line:?}");
                Err(failure.text)
            }
        }
    }

    #[test]
    fn reads_every_option() {
        let wait = read(&["7", "-vet", "1.5", "--count=1", "8:9", "7"]).unwrap();
        assert!(wait.verbose && wait.allow_exited);
        assert_eq!(wait.timeout, Some(Duration::from_millis(1500)));
        assert_eq!(wait.count, Some(1));
        let targets: Vec<String> = wait.targets.iter().map(Target::to_string).collect();
        assert_eq!(targets, ["7", "8"], "each once");
    }

    #[test]
    fn says_what_is_wrong_as_util_linux_does() {
        for (line, text) in [
            (vec![], "waitpid: no PIDs specified\n"),
            (vec!["-t", "x", "1"], "waitpid: invalid timeout: 'x'\n"),
            (vec!["-t", "-1", "1"], "waitpid: invalid timeout: '-1'\n"),
            (vec!["-t", "nan", "1"], "waitpid: invalid timeout: 'nan'\n"),
            (vec!["-c", "x", "1"], "waitpid: invalid count: 'x'\n"),
            (
                vec!["-c", "0", "1"],
                "waitpid: invalid count: '0': Numerical result out of range\n",
            ),
            (
                vec!["-c", "3", "1", "2"],
                "waitpid: can't wait for 3 of 2 PIDs\n",
            ),
            (
                vec!["x"],
                "waitpid: failed to parse PID argument 'x': Invalid argument\n",
            ),
            (
                vec!["1:0"],
                "waitpid: failed to parse PID argument '1:0': Numerical result out of range\n",
            ),
            (
                vec!["-x"],
                "waitpid: invalid option -- 'x'\nTry 'waitpid --help' for more information.\n",
            ),
        ] {
            assert_eq!(read(&line), Err(text.to_owned()), "{line:?}");
        }
    }
}
