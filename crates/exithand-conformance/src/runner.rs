//! Runs each check in a process of its own, and does not wait for it for ever.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, set_parent_process_death_signal};

use crate::checks::{self, Check};
use crate::feature::Feature;
use crate::site::Site;
use crate::verdict::{Checked, Stop};

/// What goes beyond the contract itself.
#[derive(Debug)]
pub(crate) struct Rules {
    /// What must not be left out.
    pub(crate) required: Vec<Feature>,
    /// How long a check may take.
    pub(crate) patience: Duration,
}

/// How long a check that was killed may take to go away.
const LAST_BREATH: Duration = Duration::from_secs(10);
/// What a check's answer starts with.
const MARK: &str = "verdict:";

/// Runs one check, unless what it is about was left out.
pub(crate) fn run(check: &Check, site: &Site, rules: &Rules) -> io::Result<Checked> {
    for feature in check.needs() {
        if !feature.is_present(site) {
            return Ok(Err(left_out(*feature, rules)));
        }
    }
    let verdict = run_apart(check, site, rules.patience)?;
    Ok(match verdict {
        Err(Stop::Absent(what)) => {
            let missed = check.needs().iter().find(|it| rules.required.contains(it));
            Err(missed.map_or(Stop::Absent(what.clone()), |it| {
                Stop::Failed(format!("{what}, but {} is required", it.name()))
            }))
        }
        other => other,
    })
}

fn left_out(feature: Feature, rules: &Rules) -> Stop {
    let name = feature.name();
    if rules.required.contains(&feature) {
        Stop::Failed(format!("{name} is required, and left out"))
    } else {
        Stop::Absent(format!("no {name}"))
    }
}

fn run_apart(check: &Check, site: &Site, patience: Duration) -> io::Result<Checked> {
    let (mut answer, mut complaint) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let policy = format!("{:?}", site.policy()).to_lowercase();
    let mut child = Command::new("/proc/self/exe")
        .args(["--check", check.name(), "--policy", &policy, "--"])
        .arg(site.root())
        .stdin(Stdio::null())
        .stdout(answer.try_clone()?)
        .stderr(complaint.try_clone()?)
        .spawn()?;
    let Some(status) = wait_no_longer(&mut child, patience)? else {
        child.kill()?;
        let gone = wait_no_longer(&mut child, LAST_BREATH)?.is_some();
        let but = if gone { "" } else { ", not even when killed" };
        let seconds = patience.as_secs();
        return Ok(Err(Stop::Failed(format!(
            "did not come back after {seconds} s{but}"
        ))));
    };
    let answer = text_of(&mut answer)?;
    Ok(parse(&answer).unwrap_or_else(|| {
        let complaint = text_of(&mut complaint).unwrap_or_default();
        Err(Stop::Failed(broken(status, &complaint)))
    }))
}

/// Waits for a child; `None` if it is still there after `patience`.
fn wait_no_longer(child: &mut Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let timeout = Timespec::try_from(patience).map_err(io::Error::other)?;
    if poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout))? == 0 {
        return Ok(None);
    }
    child.wait().map(Some)
}

fn text_of(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Says how a check ended that gave no answer: the test kit panics when an actor fails it.
fn broken(status: ExitStatus, complaint: &str) -> String {
    let lines: Vec<&str> = complaint
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("note: "))
        .collect();
    format!("the check broke off ({status}): {}", lines.join(" "))
}

/// Plays one check in this process, and answers on standard output.
pub(crate) fn play(name: &str, site: &Site) -> io::Result<ExitCode> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let check = checks::all()
        .find(|check| check.name() == name)
        .ok_or_else(|| io::Error::other(format!("no check is called {name}")))?;
    let line = print(&check.run(site));
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn print(verdict: &Checked) -> String {
    let (word, detail) = match verdict {
        Ok(()) => ("ok", ""),
        Err(Stop::Failed(why)) => ("failed", why.as_str()),
        Err(Stop::Absent(what)) => ("absent", what.as_str()),
        Err(Stop::Skipped(why)) => ("skipped", why.as_str()),
    };
    format!("{MARK} {word} {}", detail.replace('\n', " "))
}

fn parse(answer: &str) -> Option<Checked> {
    let line = answer.lines().rev().find_map(|it| it.strip_prefix(MARK))?;
    let (word, detail) = line.trim_start().split_once(' ')?;
    let detail = detail.to_owned();
    match word {
        "ok" => Some(Ok(())),
        "failed" => Some(Err(Stop::Failed(detail))),
        "absent" => Some(Err(Stop::Absent(detail))),
        "skipped" => Some(Err(Stop::Skipped(detail))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_survives_the_pipe() {
        for verdict in [
            Ok(()),
            Err(Stop::Failed("a: b".to_owned())),
            Err(Stop::Absent("no token".to_owned())),
            Err(Stop::Skipped("not root".to_owned())),
        ] {
            let answer = format!("noise\n{}\n", print(&verdict));
            assert_eq!(parse(&answer), Some(verdict));
        }
        assert_eq!(parse("noise\n"), None);
        assert_eq!(parse("verdict: what else\n"), None);
    }
}
