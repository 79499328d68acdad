//! Runs cargo in the workspace and reads what it says.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What the tests are built with; every build of them uses the same, so that all share one cache.
pub(crate) const EVERYTHING: [&str; 2] = ["--workspace", "--all-features"];

/// The root of the workspace, where all commands run.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// A cargo command in the root of the workspace.
pub(crate) fn command<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(args).current_dir(root());
    command
}

/// Cargo by the toolchain's proxy, so that `+nightly` works from within a cargo command.
pub(crate) fn nightly<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("cargo");
    command.arg("+nightly").args(args).current_dir(root());
    // Set by the outer cargo; they would pin the inner one to the stable toolchain.
    command
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTC");
    command
}

/// Runs `command` on the terminal and waits for it.
pub(crate) fn status(command: &mut Command) -> anyhow::Result<ExitStatus> {
    command
        .status()
        .with_context(|| format!("run {}", name(command)))
}

/// Runs `command`, giving each line of its standard output to `line`; the error stream stays as is.
pub(crate) fn each_line(
    command: &mut Command,
    mut line: impl FnMut(&str),
) -> anyhow::Result<ExitStatus> {
    let context = format!("run {}", name(command));
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| context.clone())?;
    let stdout = child.stdout.take().context("no pipe to the command")?;
    for bytes in BufReader::new(stdout).split(b'\n') {
        line(&String::from_utf8_lossy(
            &bytes.with_context(|| context.clone())?,
        ));
    }
    child.wait().context(context)
}

/// Runs `command`, giving each line of either of its streams to `line`, in the order written.
///
/// Returns when the command has ended, even where a process it left behind holds the streams.
pub(crate) fn each_line_of_both(
    command: &mut Command,
    mut line: impl FnMut(&str),
) -> anyhow::Result<ExitStatus> {
    const END: &[u8] = b"\0end of the command";
    let context = format!("run {}", name(command));
    let (reader, mut writer) = io::pipe().context("make a pipe")?;
    command
        .stdout(writer.try_clone()?)
        .stderr(writer.try_clone()?);
    let mut child = command.spawn().with_context(|| context.clone())?;
    // Our copies; without them the pipe would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let waiter = thread::spawn(move || {
        let status = child.wait();
        writer
            .write_all(END)
            .and_then(|()| writer.write_all(b"\n"))
            .and(status)
    });
    for bytes in BufReader::new(reader).split(b'\n') {
        let bytes = bytes.with_context(|| context.clone())?;
        let (text, is_last) = match bytes.strip_suffix(END) {
            Some(text) => (text, true),
            None => (bytes.as_slice(), false),
        };
        // The last line holds more than the mark only where the command did not end its own.
        if !is_last || !text.is_empty() {
            line(&String::from_utf8_lossy(text));
        }
        if is_last {
            break;
        }
    }
    let status = waiter
        .join()
        .map_err(|_panic| anyhow!("the thread that waits panicked"))?;
    status.context(context)
}

/// Runs `command` and parses its standard output as JSON.
pub(crate) fn json<T: DeserializeOwned>(command: &mut Command) -> anyhow::Result<T> {
    let context = format!("run {}", name(command));
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| context.clone())?;
    if !output.status.success() {
        bail!("{} ended with {}", name(command), output.status);
    }
    serde_json::from_slice(&output.stdout).context(context)
}

/// A program that cargo built.
#[derive(Debug)]
pub(crate) struct Program {
    /// The package it belongs to, as `cargo metadata` identifies it.
    pub(crate) package_id: String,
    /// The target's name: the program's name, or that of the tested library or test file.
    pub(crate) target: String,
    /// A test harness, or the program itself.
    pub(crate) kind: ProgramKind,
    /// Where it is.
    pub(crate) path: PathBuf,
}

/// What kind of program was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProgramKind {
    /// A test harness.
    Test,
    /// Anything else that can be run.
    Plain,
}

/// Builds with `args`, and lists the programs built or found fresh.
pub(crate) fn build(args: &[&str]) -> anyhow::Result<Vec<Program>> {
    build_by(command(args.iter().copied()))
}

/// Builds as `command` says, and lists the programs built or found fresh.
pub(crate) fn build_by(mut command: Command) -> anyhow::Result<Vec<Program>> {
    let mut programs = Vec::new();
    command.arg("--message-format=json-render-diagnostics");
    let status = each_line(&mut command, |line| programs.extend(program(line)))?;
    if !status.success() {
        bail!("{} ended with {status}", name(&command));
    }
    Ok(programs)
}

/// Builds as `command` says, and lists all files built or found fresh.
pub(crate) fn files(command: &mut Command) -> anyhow::Result<Vec<PathBuf>> {
    #[derive(Deserialize)]
    struct Artefact {
        filenames: Vec<PathBuf>,
    }
    let mut files = Vec::new();
    command.arg("--message-format=json-render-diagnostics");
    let status = each_line(command, |line| {
        // Other kinds of message lack the field.
        files.extend(serde_json::from_str(line).map_or(vec![], |it: Artefact| it.filenames));
    })?;
    if !status.success() {
        bail!("{} ended with {status}", name(command));
    }
    Ok(files)
}

/// The program that one line of cargo's JSON messages speaks of, if it speaks of one.
fn program(line: &str) -> Option<Program> {
    #[derive(Deserialize)]
    struct Message {
        package_id: String,
        target: Target,
        profile: Profile,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }
    #[derive(Deserialize)]
    struct Profile {
        test: bool,
    }
    // Other kinds of message lack one of the fields.
    let message: Message = serde_json::from_str(line).ok()?;
    Some(Program {
        package_id: message.package_id,
        target: message.target.name,
        kind: if message.profile.test {
            ProgramKind::Test
        } else {
            ProgramKind::Plain
        },
        path: message.executable?,
    })
}

/// The command as a user would type it, near enough.
fn name(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let mut words = vec![program.to_string_lossy()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{ProgramKind, each_line_of_both, program};

    fn lines_of(script: &str) -> (Vec<String>, Option<i32>) {
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        let status = each_line_of_both(command.args(["-c", script]), |line| {
            lines.push(line.to_owned());
        });
        (lines, status.unwrap().code())
    }

    #[test]
    fn gives_the_lines_of_both_streams_in_order() {
        let (lines, code) = lines_of("echo a; echo b >&2; printf c; exit 3");
        assert_eq!(
            (lines, code),
            (["a", "b", "c"].map(str::to_owned).to_vec(), Some(3))
        );
    }

    #[test]
    fn does_not_wait_for_who_was_left_behind() {
        // The fifo has no writer but the one this test opens, so the reader lives until then.
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        let script = format!(
            "mkfifo {0}; {{ read line < {0}; }} & echo a",
            fifo.display()
        );
        let found = lines_of(&script);
        std::fs::write(&fifo, "\n").unwrap();
        assert_eq!(found, (vec!["a".to_owned()], Some(0)));
    }

    #[test]
    fn reads_programs_out_of_the_messages() {
        let line = r#"{"reason":"compiler-artifact","package_id":"p#exithand@0.1.0",
            "target":{"kind":["test"],"name":"wait"},"profile":{"test":true},
            "executable":"/t/wait-1"}"#;
        let found = program(line).unwrap();
        assert_eq!(found.kind, ProgramKind::Test);
        assert_eq!(
            (found.target.as_str(), found.path.to_str()),
            ("wait", Some("/t/wait-1"))
        );
    }

    #[test]
    fn passes_over_libraries_and_other_messages() {
        let library = r#"{"package_id":"p","target":{"name":"exithand"},
            "profile":{"test":false},"executable":null}"#;
        for line in [
            library,
            r#"{"reason":"build-finished","success":true}"#,
            "",
            "warning",
        ] {
            assert!(program(line).is_none(), "{line}");
        }
    }
}
