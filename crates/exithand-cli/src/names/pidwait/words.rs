//! The values of options, as procps reads them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use exithand::Pid;

use super::extras::{Handler, KINDS, Kind};
use super::flags::USAGE;
use super::{FATAL, NAME, WRONG_USAGE};
use crate::names::io_set::Failure;
use crate::select::{Facts, Gid, ProcPid, Uid, group, user};

/// A number that no process, group or session has.
pub(super) const NO_PROCESS: i32 = i32::MAX;
/// A number that no user or group has.
pub(super) const NO_ID: u32 = u32::MAX;
pub(super) const TRY: &str = "Try `pidwait --help' for more information.\n";

pub(super) fn wrong(message: &str) -> Failure {
    Failure::of(WRONG_USAGE, NAME, message)
}

pub(super) fn usage() -> Failure {
    Failure {
        code: WRONG_USAGE,
        text: USAGE.to_owned(),
    }
}

/// Reads words with commas between them.
pub(super) fn list<T>(
    value: &OsStr,
    read: impl Fn(&OsStr) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    if value.is_empty() {
        return Err(usage());
    }
    let words = value.as_bytes().split(|byte| *byte == b',');
    words.map(|word| read(OsStr::from_bytes(word))).collect()
}

/// Reads a number with or without a sign.
fn integer(word: &OsStr) -> Option<i64> {
    word.to_str()?.parse().ok()
}

pub(super) fn nobody() -> Pid {
    Pid::from_raw(NO_PROCESS).unwrap_or(Pid::INIT)
}

pub(super) fn process(number: i64) -> ProcPid {
    Pid::from_raw(
        i32::try_from(number)
            .ok()
            .filter(|pid| *pid >= 0)
            .unwrap_or(NO_PROCESS),
    )
}

/// Reads the number of a process, group or session; `None` for 0.
pub(super) fn number(word: &OsStr, complaint: &str) -> Result<ProcPid, Failure> {
    let number = integer(word);
    let number = number.ok_or_else(|| wrong(&format!("{complaint}: {}", word.display())))?;
    Ok(process(number))
}

/// Reads what this process is, for the conditions in which 0 stands for our own.
pub(super) fn own() -> Result<Facts, Failure> {
    Facts::own().map_err(|error| Failure::of(FATAL, NAME, &format!("cannot read /proc: {error}")))
}

pub(super) fn user_id(word: &OsStr) -> Result<Uid, Failure> {
    match integer(word) {
        Some(number) => Ok(u32::try_from(number).unwrap_or(NO_ID)),
        None => user(&word.to_string_lossy())
            .map_err(|_unknown| wrong(&format!("invalid user name: {}", word.display()))),
    }
}

pub(super) fn group_id(word: &OsStr) -> Result<Gid, Failure> {
    match integer(word) {
        Some(number) => Ok(u32::try_from(number).unwrap_or(NO_ID)),
        None => group(&word.to_string_lossy())
            .map_err(|_unknown| wrong(&format!("invalid group name: {}", word.display()))),
    }
}

pub(super) fn seconds(word: &OsStr) -> Result<Duration, Failure> {
    let seconds = integer(word);
    let seconds = seconds.ok_or_else(|| wrong(&format!("not a number: {}", word.display())))?;
    Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

pub(super) fn terminal(word: &OsStr) -> Option<OsString> {
    let name = word.as_bytes();
    let name = name.strip_prefix(b"/dev/").unwrap_or(name);
    (name != b"?").then(|| OsString::from_vec(name.to_owned()))
}

/// Reads state letters. Without any, no process is in one of them.
pub(super) fn states(value: &OsStr) -> Vec<u8> {
    let letters = value
        .as_bytes()
        .iter()
        .copied()
        .filter(|byte| *byte != b',');
    letters.chain([0]).collect()
}

pub(super) fn reference(word: &OsStr) -> Result<Pid, Failure> {
    let pid = integer(word).and_then(|pid| i32::try_from(pid).ok());
    let pid = pid.filter(|pid| *pid > 0).and_then(Pid::from_raw);
    pid.ok_or_else(|| wrong(&format!("not a process: {}", word.display())))
}

pub(super) fn kind(word: &OsStr) -> Result<Kind, Failure> {
    let kind = KINDS.into_iter().find(|kind| word == *kind);
    kind.ok_or_else(|| {
        let known = KINDS.join(", ");
        wrong(&format!(
            "no kind of namespace: {} (there are {known})",
            word.display()
        ))
    })
}

pub(super) fn signal(word: &OsStr) -> Result<Handler, Failure> {
    let text = word.to_string_lossy();
    match text.parse() {
        Ok(signal) => Ok(Handler::Of(signal)),
        Err(_) if text == "0" => Ok(Handler::OfNothing),
        Err(_) => Err(wrong(&format!("Unknown signal \"{text}\".")).and(USAGE)),
    }
}
