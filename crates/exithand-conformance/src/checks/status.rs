//! `PID/siginfo` and `PID/outcome`: how it ended, by the word of `waitid(2)`.

use std::sync::Arc;

use exithand_testkit::sys::waitid_bytes;
use exithand_testkit::{Actor, Need, User, actor, actor_command, run_as};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::Check;
use crate::feature::Feature;
use crate::policy::Reader as Stands;
use crate::site::Site;
use crate::verdict::{Checked, Context, Stop, ensure, refused, same};
use crate::watch::reader::Reader;
use crate::watch::{
    outcomes_outlast_the_reap, read_once, read_to_end, reap, shows_nothing, shows_readable,
    until_readable,
};

mod words;
use words::in_words;

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "siginfo-is-that-of-waitid",
        "PID/siginfo is byte for byte what waitid fills: statuses, signals, core dumps",
        &[Feature::Siginfo],
        siginfo_is_that_of_waitid,
    ),
    Check::new(
        "siginfo-of-another-user",
        "si_uid is the real user of the process",
        &[Feature::Siginfo],
        siginfo_of_another_user,
    ),
    Check::new(
        "siginfo-blocks",
        "a read of PID/siginfo blocks while the process runs",
        &[Feature::Siginfo],
        |site| blocks(site, "siginfo"),
    ),
    Check::new(
        "siginfo-in-pieces",
        "PID/siginfo can be read in pieces, once by each who opens it",
        &[Feature::Siginfo],
        |site| in_pieces(site, "siginfo"),
    ),
    Check::new(
        "siginfo-of-a-zombie",
        "PID/siginfo of a zombie, opened late, tells those who may read its /proc entry",
        &[Feature::Siginfo],
        siginfo_of_a_zombie,
    ),
    Check::new(
        "outcome-in-words",
        "PID/outcome says in one line how the process ended",
        &[Feature::Outcome],
        outcome_in_words,
    ),
    Check::new(
        "outcome-blocks",
        "a read of PID/outcome blocks while the process runs",
        &[Feature::Outcome],
        |site| blocks(site, "outcome"),
    ),
    Check::new(
        "outcome-in-pieces",
        "PID/outcome can be read in pieces, once by each who opens it",
        &[Feature::Outcome],
        |site| in_pieces(site, "outcome"),
    ),
    Check::new(
        "autoreaped-siginfo",
        "nobody waits for a process: siginfo is right, or empty where nobody knows; never a guess",
        &[Feature::Siginfo],
        autoreaped_siginfo,
    ),
    Check::new(
        "autoreaped-outcome",
        "nobody waits for a process: outcome is right, or unknown with a reason",
        &[Feature::Outcome],
        autoreaped_outcome,
    ),
];

/// An actor, and what makes it end.
fn ends() -> Vec<(Actor, Option<Signal>)> {
    let exits = ["0", "1", "3", "255"].map(|status| (actor(&["wait-then-exit", status]), None));
    let signals = [
        Signal::HUP,
        Signal::INT,
        Signal::KILL,
        Signal::PIPE,
        Signal::TERM,
        Signal::STKFLT,
    ];
    let signals = signals.map(|signal| {
        let number = signal.as_raw().to_string();
        (actor(&["dies-of", &number]), Some(signal))
    });
    let cores = ["abort", "segv-core"].map(|part| (actor(&[part]), None));
    exits.into_iter().chain(signals).chain(cores).collect()
}

/// Makes an actor end and leaves it a zombie.
fn end(actor: &mut Actor, signal: Option<Signal>) -> Checked {
    match signal {
        Some(signal) => {
            let pidfd = pidfd_open(actor.pid(), PidfdFlags::empty())?;
            pidfd_send_signal(&pidfd, signal)?;
        }
        None => actor.release(),
    }
    actor.wait_zombie();
    Ok(())
}

fn siginfo_is_that_of_waitid(site: &Site) -> Checked {
    site.policy().need_admitted(Stands::Parent)?;
    for (mut actor, signal) in ends() {
        let file = site.open_nonblocking(actor.pid(), "siginfo")?;
        shows_nothing(&file, "while it runs")?;
        refused(
            "a read while it runs",
            read_once(&file, 128),
            &[Errno::AGAIN],
        )?;
        end(&mut actor, signal)?;
        let truth = waitid_bytes(actor.pid())?;
        let status = reap(&mut actor, &file)?;
        let which = format!("siginfo of wait status {status:#06x}");
        until_readable(&file, &which)?;
        same(&which, &read_once(&file, 4096)?, &truth.to_vec())?;
        for _ in 0..10 {
            same(
                "bytes after the siginfo",
                &read_once(&file, 4096)?.len(),
                &0,
            )?;
        }
        shows_readable(&file, "after the siginfo was read")?;
    }
    Ok(())
}

fn siginfo_of_another_user(site: &Site) -> Checked {
    site.policy().need_admitted(Stands::Parent)?;
    if !Need::OtherUsers.met() {
        return Err(Stop::Skipped(format!("needs {}", Need::OtherUsers)));
    }
    let command = run_as(User::STRANGER, actor_command(&["wait-then-exit", "9"]));
    let mut actor = Actor::start(command);
    let file = site.open_nonblocking(actor.pid(), "siginfo")?;
    actor.release();
    actor.wait_zombie();
    let truth = waitid_bytes(actor.pid())?;
    reap(&mut actor, &file)?;
    until_readable(&file, "siginfo")?;
    same("siginfo", &read_once(&file, 4096)?, &truth.to_vec())
}

fn blocks(site: &Site, name: &str) -> Checked {
    site.policy().need_admitted(Stands::Parent)?;
    outcomes_outlast_the_reap();
    let mut actor = actor(&["wait-then-exit", "3"]);
    let file = Arc::new(site.open(actor.pid(), name)?);
    let reader = Reader::start(&file)?;
    shows_nothing(&*file, "while it runs")?;
    actor.release();
    reap(&mut actor, &*file)?;
    let bytes = reader.bytes()?;
    ensure(!bytes.is_empty(), "the read gave nothing")?;
    same(
        "bytes of a second read",
        &read_once(&*file, 4096)?.len(),
        &0,
    )
}

fn in_pieces(site: &Site, name: &str) -> Checked {
    site.policy().need_admitted(Stands::Parent)?;
    let mut actor = actor(&["wait-then-exit", "3"]);
    let open = || site.open_nonblocking(actor.pid(), name);
    let (whole, small, odd) = (open()?, open()?, open()?);
    actor.release();
    reap(&mut actor, &whole)?;
    for file in [&whole, &small, &odd] {
        until_readable(file, name)?;
    }
    let whole = read_once(&whole, 4096)?;
    ensure(!whole.is_empty(), "the read gave nothing")?;
    same("no room", &read_once(&small, 0)?.len(), &0)?;
    same(
        "a byte at a time",
        &read_to_end(&small, 1).context("room for 1")?,
        &whole,
    )?;
    same(
        "7 bytes at a time",
        &read_to_end(&odd, 7).context("room for 7")?,
        &whole,
    )
}

fn siginfo_of_a_zombie(site: &Site) -> Checked {
    site.policy().need_admitted(Stands::Parent)?;
    let mut actor = actor(&["exit-with", "5"]);
    actor.wait_zombie();
    let truth = waitid_bytes(actor.pid())?;
    let file = site.open_nonblocking(actor.pid(), "siginfo")?;
    until_readable(&file, "siginfo of a zombie")?;
    same(
        "siginfo of a zombie",
        &read_once(&file, 4096)?,
        &truth.to_vec(),
    )?;
    let late = site.open_nonblocking(actor.pid(), "siginfo")?;
    actor.wait();
    until_readable(&late, "siginfo after the reap")?;
    same(
        "siginfo after the reap",
        &read_once(&late, 4096)?,
        &truth.to_vec(),
    )
}

fn outcome_in_words(site: &Site) -> Checked {
    site.policy().need_admitted(Stands::Parent)?;
    for (mut actor, signal) in ends() {
        let file = site.open_nonblocking(actor.pid(), "outcome")?;
        shows_nothing(&file, "while it runs")?;
        refused(
            "a read while it runs",
            read_once(&file, 128),
            &[Errno::AGAIN],
        )?;
        end(&mut actor, signal)?;
        let status = reap(&mut actor, &file)?;
        let which = format!("outcome of wait status {status:#06x}");
        until_readable(&file, &which)?;
        let text = String::from_utf8_lossy(&read_once(&file, 4096)?).into_owned();
        same(&which, &text, &in_words(status))?;
        same(
            "bytes after the outcome",
            &read_once(&file, 4096)?.len(),
            &0,
        )?;
    }
    Ok(())
}

/// Opens a file of a process whose parent ignores SIGCHLD, ends the process, and reads the file.
fn autoreaped(site: &Site, name: &str) -> Checked<Vec<u8>> {
    site.policy().need_admitted(Stands::SameUser)?;
    let mut parent = actor(&["autoreap", "7"]);
    let file = site.open_nonblocking(parent.told_pid(), name)?;
    parent.go();
    same(
        "what the parent says",
        &parent.read_line(),
        &"gone".to_owned(),
    )?;
    until_readable(&file, name)?;
    Ok(read_to_end(&file, 4096)?)
}

fn autoreaped_siginfo(site: &Site) -> Checked {
    let bytes = autoreaped(site, "siginfo")?;
    if bytes.is_empty() {
        return knows_no_better("siginfo is empty");
    }
    same("bytes", &bytes.len(), &128)?;
    let field = |at: usize| {
        let four = bytes.get(at..at + 4).and_then(|it| it.try_into().ok());
        four.map_or(-1, i32::from_ne_bytes)
    };
    same(
        "si_signo, si_code, si_status",
        &[field(0), field(8), field(24)],
        &[17, 1, 7],
    )
}

fn autoreaped_outcome(site: &Site) -> Checked {
    let text = String::from_utf8_lossy(&autoreaped(site, "outcome")?).into_owned();
    let reason = text
        .strip_prefix("unknown: ")
        .and_then(|it| it.strip_suffix('\n'));
    match reason {
        None => same("outcome", &text, &in_words(0x0700)),
        Some("") => Err(Stop::Failed("unknown without a reason".to_owned())),
        Some(_) => knows_no_better(text.trim_end()),
    }
}

/// Not to know is fine where the kernel does not tell.
fn knows_no_better(what: &str) -> Checked {
    let tells = Need::PidfdInfoExit.met();
    ensure(
        !tells,
        format_args!("{what}, but this kernel keeps outcomes"),
    )
}
