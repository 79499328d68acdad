//! `getino` of util-linux: prints the inode number of a process, or of a namespace it is in.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;

use exithand::{Errno, Error, ExitHandle, State};

use super::getopt::{Dialect, Flag, Getopt};
use super::io_set::{Failure, Io, WriteError, cause, strerror};
use super::target::Target;
use super::{Name, help, version};

const NAME: Name = Name::Getino;
const FAILED: u8 = 1;

const USAGE: &str = "
Usage:
 getino [options] PID[:inode]...

Print the inode number that names a process for good, or that of a namespace it is in.

Options:
 -p, --print-pid     print PID:inode
     --cgroupns      print the inode of the cgroup namespace
     --ipcns         print the inode of the ipc namespace
     --mntns         print the inode of the mount namespace
     --netns         print the inode of the network namespace
     --pidfs         print the inode of the process (default)
     --pidns         print the inode of the pid namespace
     --timens        print the inode of the time namespace
     --userns        print the inode of the user namespace
     --utsns         print the inode of the uts namespace

 -h, --help          display this help
 -V, --version       display version

For more details see exithand-names(7).
";

/// Runs `getino` and returns its exit code: 0, or 1 for any failure.
pub fn run(args: &[OsString], io: &mut Io<'_>) -> u8 {
    let result = parse(args).and_then(|request| match request {
        Request::Help => say(io, USAGE),
        Request::Version => say(io, &version(NAME)),
        Request::Print(print) => print.run(io),
    });
    io.finish(result.map(|()| 0))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Of(Object),
    PrintPid,
    Version,
    Help,
}

/// What to print the inode of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Object {
    #[default]
    Process,
    Namespace(Namespace),
}

/// A kind of namespace: its name in messages, and below `/proc/PID/ns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Namespace {
    name: &'static str,
    file: &'static str,
}

const fn namespace(name: &'static str, file: &'static str) -> Key {
    Key::Of(Object::Namespace(Namespace { name, file }))
}

/// The objects come first, in the order in which util-linux names them when they exclude each
/// other.
const FLAGS: &[Flag<Key>] = &[
    Flag::alone(Key::Of(Object::Process), None, "pidfs"),
    Flag::alone(namespace("cgroup", "cgroup"), None, "cgroupns"),
    Flag::alone(namespace("ipc", "ipc"), None, "ipcns"),
    Flag::alone(namespace("network", "net"), None, "netns"),
    Flag::alone(namespace("mount", "mnt"), None, "mntns"),
    Flag::alone(namespace("pid", "pid"), None, "pidns"),
    Flag::alone(namespace("time", "time"), None, "timens"),
    Flag::alone(namespace("user", "user"), None, "userns"),
    Flag::alone(namespace("uts", "uts"), None, "utsns"),
    Flag::alone(Key::PrintPid, Some(b'p'), "print-pid"),
    Flag::alone(Key::Version, Some(b'V'), "version"),
    Flag::alone(Key::Help, Some(b'h'), "help"),
];
const EXCLUSIVE: &str = "mutually exclusive arguments: --pidfs --cgroupns --ipcns --netns --mntns \
                         --pidns --timens --userns --utsns";

#[derive(Debug, PartialEq, Eq)]
enum Request {
    Help,
    Version,
    Print(Print),
}

#[derive(Debug, PartialEq, Eq)]
struct Print {
    object: Object,
    with_pid: bool,
    targets: Vec<OsString>,
}

fn parse(args: &[OsString]) -> Result<Request, Failure> {
    let mut object = None;
    let mut with_pid = false;
    let mut options = Getopt::new(Dialect::Gnu, FLAGS, args);
    while let Some((key, _)) = options
        .next()
        .map_err(|misuse| failed(&misuse.to_string()).and(&help(NAME)))?
    {
        match key {
            Key::Of(asked) if *object.get_or_insert(asked) != asked => {
                return Err(failed(EXCLUSIVE));
            }
            Key::Of(_) => {}
            Key::PrintPid => with_pid = true,
            Key::Version => return Ok(Request::Version),
            Key::Help => return Ok(Request::Help),
        }
    }
    let targets: Vec<OsString> = options
        .into_operands()
        .into_iter()
        .map(OsString::from)
        .collect();
    if targets.is_empty() {
        return Err(failed("no process specified").and(&help(NAME)));
    }
    Ok(Request::Print(Print {
        object: object.unwrap_or_default(),
        with_pid,
        targets,
    }))
}

impl Print {
    /// Prints a line for each process, up to the first that cannot be had.
    fn run(&self, io: &mut Io<'_>) -> Result<(), Failure> {
        for text in &self.targets {
            let target = Target::parse(text).map_err(|errno| {
                let text = text.display();
                failed(&format!(
                    "invalid PID argument '{text}': {}",
                    strerror(errno)
                ))
            })?;
            let handle = target.open().map_err(|error| not_opened(&target, &error))?;
            let inode = match self.object {
                Object::Process => handle.token().inode().ok_or_else(no_inodes)?,
                Object::Namespace(namespace) => {
                    inode_of(namespace, &target, &handle).map_err(|why| {
                        let name = namespace.name;
                        failed(&format!(
                            "failed to determine {name} namespace for process {target}: {why}"
                        ))
                    })?
                }
            };
            let line = if self.with_pid {
                format!("{target}:{inode}\n")
            } else {
                format!("{inode}\n")
            };
            say(io, &line)?;
        }
        Ok(())
    }
}

/// Looks a namespace up in `/proc`, and believes it only if that was the same process all along.
fn inode_of(namespace: Namespace, target: &Target, handle: &ExitHandle) -> Result<u64, String> {
    let path = format!("/proc/{target}/ns/{}", namespace.file);
    let found = fs::metadata(path);
    match handle.state() {
        Ok(State::Reaped) => return Err(strerror(Errno::SRCH)),
        Ok(State::Alive | State::Ended) => {}
        Err(error) => return Err(cause(&error, 1)),
    }
    match found {
        Ok(found) => Ok(found.ino()),
        Err(error) => Err(Errno::from_io_error(&error).map_or_else(|| error.to_string(), strerror)),
    }
}

fn not_opened(target: &Target, error: &Error) -> Failure {
    let cause = cause(error, 1);
    failed(&format!(
        "failed to obtain a valid file descriptor for PID {target}: {cause}"
    ))
}

fn no_inodes() -> Failure {
    failed("inode numbers of processes need Linux 6.9 or later")
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

    fn read(line: &[&str]) -> Result<Request, Failure> {
        let args: Vec<OsString> = line.iter().map(OsString::from).collect();
        parse(&args)
    }

    #[test]
    fn reads_the_object_once() {
        let user = Object::Namespace(Namespace {
            name: "user",
            file: "user",
        });
        for (line, object, with_pid) in [
            (["7", "8"], Object::Process, false),
            (["-p", "7"], Object::Process, true),
            (["--userns", "7"], user, false),
            (["7", "--user"], user, false),
        ] {
            let Ok(Request::Print(print)) = read(&line) else {
                panic!("{line:?} was not understood");
            };
            assert_eq!(
                (print.object, print.with_pid),
                (object, with_pid),
                "{line:?}"
            );
        }
        assert!(read(&["--pidfs", "--pidfs", "7"]).is_ok(), "twice is once");
    }

    #[test]
    fn says_what_is_wrong_as_util_linux_does() {
        let exclusive = "getino: mutually exclusive arguments: --pidfs --cgroupns --ipcns --netns \
                         --mntns --pidns --timens --userns --utsns\n";
        let nobody = "getino: no process specified\n\
                      Try 'getino --help' for more information.\n";
        for (line, text) in [
            (&["--pidfs", "--userns", "7"][..], exclusive),
            (&["-p"], nobody),
        ] {
            let failure = read(line).unwrap_err();
            assert_eq!((failure.code, failure.text.as_str()), (1, text), "{line:?}");
        }
    }
}
