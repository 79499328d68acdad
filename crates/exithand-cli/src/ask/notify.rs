//! A command for each match, without a shell: so many at a time, so many waiting, the rest counted.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use exithand_recorder::json::RecordLine;
use serde_json::Value;

use super::amount::counted;
use crate::text::printable;

/// How many run at a time.
pub const AT_A_TIME: usize = 4;
/// How many wait for their turn.
pub const WAITING: usize = 64;
/// What the variables begin with that tell the command about the record.
const PREFIX: &str = "EXITHAND_";

/// The text is no command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseCommandError {
    /// A quote has no end.
    #[error("{0:?} has a quote that is not closed")]
    Quote(String),
    /// There is no word in it.
    #[error("the command is empty: name a program")]
    Empty,
}

/// A command line, cut into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    program: String,
    args: Vec<String>,
}

/// Cuts a command line into words as a shell would, with quotes and backslashes and nothing else.
///
/// # Errors
///
/// A quote without an end, and a command without a word.
pub fn parse_command(text: &str) -> Result<CommandLine, ParseCommandError> {
    let words = shlex::split(text).ok_or_else(|| ParseCommandError::Quote(text.to_owned()))?;
    let mut words = words.into_iter();
    match words.next().filter(|program| !program.is_empty()) {
        Some(program) => Ok(CommandLine {
            program,
            args: words.collect(),
        }),
        None => Err(ParseCommandError::Empty),
    }
}

/// What a command is told.
struct Job {
    variables: Vec<(String, String)>,
    line: String,
}

/// Runs a command for each match.
#[derive(Debug)]
pub struct Notifier {
    name: String,
    jobs: SyncSender<Job>,
    workers: Vec<JoinHandle<()>>,
    dropped: u64,
    unsaid: u64,
}

impl Notifier {
    /// Gets ready to run `command`.
    pub fn new(command: CommandLine) -> Self {
        let (jobs, queue) = sync_channel(WAITING);
        let queue = Arc::new(Mutex::new(queue));
        let name = printable(command.program.as_bytes());
        let runner = Arc::new(Runner {
            command,
            name: name.clone(),
            complained: AtomicBool::new(false),
        });
        let worker = |_| {
            let (runner, queue) = (Arc::clone(&runner), Arc::clone(&queue));
            thread::spawn(move || runner.work(&queue))
        };
        Self {
            name,
            jobs,
            workers: (0..AT_A_TIME).map(worker).collect(),
            dropped: 0,
            unsaid: 0,
        }
    }

    /// Has the command run, or counts what it could not be told.
    pub fn notify(&mut self, line: &RecordLine) {
        let text = line.to_string();
        let job = Job {
            variables: variables(&text),
            line: text,
        };
        match self.jobs.try_send(job) {
            Ok(()) => self.say_dropped(),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                if self.unsaid == 0 {
                    anstream::eprintln!(
                        "exithand: {} does not keep up: {AT_A_TIME} run, {WAITING} wait, and what matches now is dropped",
                        self.name
                    );
                }
                self.unsaid += 1;
                self.dropped += 1;
            }
        }
    }

    /// Waits until the command has run for all matches, and returns how many were dropped.
    pub fn finish(mut self) -> u64 {
        self.say_dropped();
        drop(self.jobs);
        for worker in self.workers {
            // A worker does not panic; if one did, there is nothing left to do about it.
            drop(worker.join());
        }
        self.dropped
    }

    fn say_dropped(&mut self) {
        if self.unsaid > 0 {
            let matches = counted(self.unsaid, "record");
            anstream::eprintln!("exithand: {matches} were not given to {}", self.name);
            self.unsaid = 0;
        }
    }
}

/// Runs the command, in several threads.
struct Runner {
    command: CommandLine,
    name: String,
    complained: AtomicBool,
}

impl Runner {
    fn work(&self, queue: &Mutex<Receiver<Job>>) {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = next else {
                return;
            };
            if let Err(error) = self.run(&job)
                && !self.complained.swap(true, Ordering::Relaxed)
            {
                anstream::eprintln!("exithand: run {}: {error}", self.name);
            }
        }
    }

    fn run(&self, job: &Job) -> io::Result<()> {
        let mut command = Command::new(&self.command.program);
        command.args(&self.command.args);
        for (name, _) in env::vars_os().filter(|(name, _)| is_ours(name)) {
            command.env_remove(name);
        }
        // Standard output is for records.
        command
            .envs(job.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::from(io::stderr()));
        let mut child = command.spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // Who does not read it does not want it.
            writeln!(input, "{}", job.line).unwrap_or_default();
        }
        child.wait().map(drop)
    }
}

fn is_ours(name: &OsString) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
}

/// Turns the fields of a line into variables: `EXITHAND_PID`, `EXITHAND_KILLER_COMM`. Lists, and
/// what is not known, are left out.
fn variables(line: &str) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    if let Ok(Value::Object(fields)) = serde_json::from_str(line) {
        collect(PREFIX, &fields, &mut variables);
    }
    variables
}

fn collect(
    prefix: &str,
    fields: &serde_json::Map<String, Value>,
    variables: &mut Vec<(String, String)>,
) {
    for (name, value) in fields {
        let name = format!("{prefix}{}", name.to_ascii_uppercase());
        match value {
            Value::Object(inner) => collect(&format!("{name}_"), inner, variables),
            Value::String(text) if !text.contains('\0') => variables.push((name, text.clone())),
            Value::Bool(_) | Value::Number(_) => variables.push((name, value.to_string())),
            Value::Null | Value::Array(_) | Value::String(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::tale::tests::record;
    use exithand::{Outcome, Signal};
    use exithand_recorder::Killer;
    use std::fs;

    fn line() -> RecordLine {
        let mut it = record(
            "job",
            Outcome::Killed {
                signal: Signal::KILL,
                core_dumped: false,
            },
        );
        it.killer = Some(Killer {
            pid: 7,
            comm: "a b;c".into(),
            uid: None,
            exe: None,
            unit: None,
            signal: Signal::KILL,
            code: 0,
            chain: Vec::new(),
        });
        RecordLine::new(&it)
    }

    #[test]
    fn words_are_cut_and_nothing_is_expanded() {
        let line = parse_command(r#"mail -s 'it is "$HOME"' a\ b"#).unwrap();
        assert_eq!(line.program, "mail");
        assert_eq!(line.args, ["-s", "it is \"$HOME\"", "a b"]);
        assert_eq!(parse_command(" "), Err(ParseCommandError::Empty));
        assert_eq!(parse_command("''"), Err(ParseCommandError::Empty));
        assert!(matches!(
            parse_command("a 'b"),
            Err(ParseCommandError::Quote(_))
        ));
    }

    #[test]
    fn the_command_is_told_in_its_environment_and_on_its_input() {
        let folder = tempfile::tempdir().unwrap();
        let told = folder.path().join("told");
        let script =
            r#"{ echo "$EXITHAND_PID $EXITHAND_SIGNAL_NAME $EXITHAND_KILLER_COMM"; cat; } > "$0""#;
        let words = ["sh", "-c", script, told.to_str().unwrap()];
        let mut notifier = Notifier::new(CommandLine {
            program: words[0].to_owned(),
            args: words[1..].iter().map(|it| (*it).to_owned()).collect(),
        });
        notifier.notify(&line());
        assert_eq!(notifier.finish(), 0);
        let text = fs::read_to_string(told).unwrap();
        assert_eq!(text, format!("4242 SIGKILL a b;c\n{}\n", line()));
    }

    #[test]
    fn a_command_that_does_not_keep_up_is_told_what_fits() {
        const SENT: usize = 100;
        let folder = tempfile::tempdir().unwrap();
        let gate = folder.path().join("gate");
        rustix::fs::mkfifoat(rustix::fs::CWD, &gate, rustix::fs::Mode::RWXU).unwrap();
        // Nobody passes until the gate is opened for writing.
        let script = r#": < "$0"; echo >> "$0.passed""#;
        let args = ["-c", script, gate.to_str().unwrap()];
        let mut notifier = Notifier::new(CommandLine {
            program: "sh".to_owned(),
            args: args.map(str::to_owned).to_vec(),
        });
        for _ in 0..SENT {
            notifier.notify(&line());
        }
        let open = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&gate)
            .unwrap();
        let dropped = usize::try_from(notifier.finish()).unwrap();
        drop(open);
        let passed = fs::read(folder.path().join("gate.passed")).unwrap().len();
        assert_eq!(passed + dropped, SENT);
        assert!(
            (WAITING..=WAITING + AT_A_TIME).contains(&passed),
            "{passed}"
        );
    }

    #[test]
    fn a_command_that_cannot_be_run_hurts_nobody() {
        let mut notifier = Notifier::new(parse_command("/no/such/program").unwrap());
        notifier.notify(&line());
        assert_eq!(notifier.finish(), 0);
    }
}
