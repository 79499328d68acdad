//! The helper that runs hooks: a process of its own, started before memory is gone, so that the
//! killer never forks. It reads records from a pipe and runs one program at a time, each for a
//! bounded time; what the pipe cannot hold is not run.

use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use exithand::{Deadline, ExitHandle, Until};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use serde_json::Value;

use crate::config::Hooks;

/// What comes through the pipe: first the hooks, then records.
#[derive(Debug, Deserialize)]
struct Change {
    hooks: Hooks,
}

/// Returns the line that tells the helper which hooks there are.
pub fn hooks_line(hooks: &Hooks) -> String {
    let text = serde_json::json!({ "hooks": hooks }).to_string();
    text + "\n"
}

/// Runs hooks until the pipe ends. What a hook does wrong is said to `complain`.
///
/// # Errors
///
/// The pipe cannot be read.
pub fn serve(records: impl BufRead, mut complain: impl Write) -> io::Result<()> {
    let mut hooks = Hooks::default();
    for line in records.lines() {
        let line = line?;
        if let Ok(change) = serde_json::from_str::<Change>(&line) {
            hooks = change.hooks;
            continue;
        }
        let Ok(record) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        for words in programs(&hooks, &record) {
            if let Err(error) = run(&words, &line, &hooks) {
                // Nobody may be listening, and the next hook is run all the same.
                drop(writeln!(complain, "exithand: hook {}: {error}", words[0]));
            }
        }
    }
    Ok(())
}

/// Returns the programs to be run for a record, with their arguments.
fn programs(hooks: &Hooks, record: &Value) -> Vec<Vec<String>> {
    let event = record["event"].as_str().unwrap_or_default();
    let is_low = record["level"]
        .as_str()
        .is_some_and(|level| level != "calm");
    let hook = match event {
        "level" if is_low => &hooks.warn,
        "decision" => &hooks.before,
        "outcome" => &hooks.after,
        _ => return Vec::new(),
    };
    let mut programs = Vec::new();
    if !hook.is_empty() {
        programs.push(hook.clone());
    }
    if hooks.desktop && event == "decision" {
        let victim = &record["candidates"][0];
        let name = victim["name"].as_str().unwrap_or("a program");
        let mib = victim["memory_bytes"].as_u64().unwrap_or(0) >> 20;
        let text = format!("{name} ({mib} MiB) is ended: memory is low");
        programs.push(
            ["notify-send", "-u", "critical", "Low memory", &text]
                .map(str::to_owned)
                .to_vec(),
        );
    }
    programs
}

/// Runs one program, with the record on its standard input, for no longer than allowed.
fn run(words: &[String], record: &str, hooks: &Hooks) -> io::Result<()> {
    let [program, args @ ..] = words else {
        return Ok(());
    };
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A record fits into the pipe, and a program that does not read it is content without.
        drop(writeln!(input, "{record}"));
    }
    let handle = ExitHandle::from_child(&child)?;
    let ended = handle.wait(Until::Ended, Deadline::after(hooks.timeout))?;
    if ended.is_none() {
        kill_group(&child)?;
        child.wait()?;
        return Err(io::Error::other(format!(
            "killed after {:?}: make it quicker, or hook.timeout longer",
            hooks.timeout
        )));
    }
    let status = child.wait()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(status.to_string()))
    }
}

/// Kills a child that leads a group, and those that it started, unless they left the group.
fn kill_group(child: &Child) -> rustix::io::Result<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the child is not reaped yet, so the number is that of its group"
    )]
    kill_process_group(Pid::from_child(child), Signal::KILL)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::{CWD, Mode, OFlags, mkfifoat, open};

    use super::*;

    fn served(hooks: &Hooks, records: &str) -> String {
        let input = hooks_line(hooks) + records;
        let mut complaints = Vec::new();
        serve(input.as_bytes(), &mut complaints).unwrap();
        String::from_utf8(complaints).unwrap()
    }

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[test]
    fn runs_the_hook_of_the_event_with_the_record() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seen");
        let hooks = Hooks {
            before: shell(&format!("cat >> {}", file.display())),
            timeout: Duration::from_secs(10),
            ..Hooks::default()
        };
        let records = "{\"event\":\"decision\"}\n{\"event\":\"outcome\"}\nrubbish\n";
        assert_eq!(served(&hooks, records), "");
        let seen = std::fs::read_to_string(file).unwrap();
        assert_eq!(seen, "{\"event\":\"decision\"}\n");
    }

    #[test]
    fn a_hook_that_hangs_is_killed() {
        let hooks = Hooks {
            warn: shell("exec sleep 600"),
            timeout: Duration::from_millis(50),
            ..Hooks::default()
        };
        let said = served(&hooks, "{\"event\":\"level\",\"level\":\"warn\"}\n");
        assert!(said.contains("killed after 50ms"), "{said}");
    }

    #[test]
    fn what_a_hook_that_hangs_has_started_dies_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("held");
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        let held = open(&path, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
        let script = format!("(echo begun; exec sleep 600) > {} & wait", path.display());
        let hooks = Hooks {
            warn: shell(&script),
            timeout: Duration::from_secs(1),
            ..Hooks::default()
        };
        served(&hooks, "{\"event\":\"level\",\"level\":\"warn\"}\n");
        // Writable by nobody any more: whoever wrote is gone.
        let mut fds = [PollFd::new(&held, PollFlags::empty())];
        let longest = Timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        assert_eq!(poll(&mut fds, Some(&longest)), Ok(1), "it still runs");
        let mut said = String::new();
        File::from(held).read_to_string(&mut said).unwrap();
        assert_eq!(said, "begun\n");
    }

    #[test]
    fn what_goes_wrong_is_said() {
        let hooks = Hooks {
            before: vec!["/no/such/program".to_owned()],
            after: shell("exit 3"),
            timeout: Duration::from_secs(10),
            ..Hooks::default()
        };
        let said = served(
            &hooks,
            "{\"event\":\"decision\"}\n{\"event\":\"outcome\"}\n",
        );
        assert!(said.contains("No such file"), "{said}");
        assert!(said.contains("exit status: 3"), "{said}");
    }
}
