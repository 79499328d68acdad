//! Runs an example and compares.

use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::matcher::Matcher;
use super::pieces::with_variables;
use super::{Example, Who};
use crate::common;

/// Ends what a command printed.
const MARK: &str = "\u{1}exithand-example\u{1}";
/// Where a system has its programs; first in the path, before others of the same name.
const SYSTEM: &str = "/usr/bin";
/// Gives the example a recorder of its own, by mounts that end with it.
const RECORDER: &str = "mount -t tmpfs none /run && mount -t tmpfs none /var/lib && \
                        mkfifo .up || exit\nexithand record > .up &\nread -r _ < .up\n";

/// Runs an example and returns how what it printed differs from what is shown.
pub(super) fn difference(example: &Example<'_>) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join(".bin");
    fs::create_dir(&bin).unwrap();
    symlink(common::exithand().get_program(), bin.join("exithand")).unwrap();
    let outputs = example.run(folder.path(), &bin);
    let mut matcher = Matcher::new(&example.any, example.layout);
    let mut difference = String::new();
    for (step, printed) in example.steps.iter().zip(&outputs) {
        if !matcher.matches(&step.shown, printed) {
            let (command, shown) = (&step.command, step.shown.join("\n"));
            let text = format!("$ {command}\nshown:\n{shown}\nprinted:\n{printed}");
            writeln!(difference, "{text}").unwrap();
        }
    }
    if outputs.len() != example.steps.len() {
        let first = example.steps.first().map_or("", |it| it.command);
        writeln!(difference, "$ {first}\nthe shell ended early: {outputs:?}").unwrap();
    }
    (!difference.is_empty()).then_some(difference)
}

impl Example<'_> {
    /// Runs the example in `folder`, with `bin` first in the path; returns what each command
    /// printed. Whatever it left running is ended.
    fn run(&self, folder: &Path, bin: &Path) -> Vec<String> {
        for file in &self.files {
            let path = folder.join(file.name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &file.text).unwrap();
        }
        let mut path = vec![bin.to_owned(), SYSTEM.into()];
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        path.extend(std::env::split_paths(&inherited));
        let printed = folder.join(".printed");
        let out = File::create(&printed).unwrap();
        let status = self
            .shell()
            .args(["-c", &self.script()])
            .current_dir(folder)
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stderr(out.try_clone().unwrap())
            .stdout(out)
            // A process group of its own, which the script ends at its end.
            .process_group(0)
            .status()
            .unwrap();
        assert!(status.success(), "{status}: {self:?}");
        let printed = fs::read_to_string(printed).unwrap();
        let mut parts: Vec<String> = printed.split(MARK).map(str::to_owned).collect();
        // After the last mark comes nothing, and before the first what `before` printed.
        parts.pop();
        parts.drain(..parts.len().min(1));
        parts
    }

    fn shell(&self) -> Command {
        let apart: &[&str] = match self.who {
            Who::Anybody | Who::Root => return Command::new("sh"),
            Who::Recorder => &["--mount", "sh"],
            Who::Pod => &[
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "sh",
            ],
        };
        let mut command = Command::new("unshare");
        command.args(apart);
        command
    }

    fn script(&self) -> String {
        // The status stays what it was, so that an example can ask for it.
        let mark = format!("mark() {{ s=$?; printf '%s' '{MARK}'; return $s; }}\n");
        let end = "trap 'trap \"\" TERM; kill -s TERM 0; exit 0' EXIT\n";
        let recorder = if self.who == Who::Recorder {
            RECORDER
        } else {
            ""
        };
        let before = self.before.iter().map(|it| format!("{it}\n"));
        let steps = self.steps.iter();
        let steps = steps.map(|it| format!("{}\nmark\n", with_variables(it.command)));
        let (before, steps): (String, String) = (before.collect(), steps.collect());
        format!("{end}{mark}{recorder}{before}mark\n{steps}")
    }
}
