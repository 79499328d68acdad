//! Programs that know nothing of exithand files.

use exithand_testkit::actor;

use super::Check;
use crate::feature::Feature;
use crate::policy::Reader;
use crate::site::Site;
use crate::verdict::{Checked, Context, Stop, ensure, same};
use crate::watch::program::{COMMANDS, Program};
use crate::watch::{outcomes_outlast_the_reap, reap};

pub(super) const CHECKS: &[Check] = &[
    Check::new(
        "programs-see-the-end",
        "cat, dd, head and python read PID/exithand to its end and succeed",
        &[],
        programs_see_the_end,
    ),
    Check::new(
        "programs-read-the-outcome",
        "cat, dd, head and python read all of PID/outcome",
        &[Feature::Outcome],
        programs_read_the_outcome,
    ),
    Check::new(
        "inotifywait-sees-the-directory-go",
        "inotifywait on PID ends when the process is reaped",
        &[Feature::DirectoryEvents],
        inotifywait_sees_the_directory_go,
    ),
];

fn programs_see_the_end(site: &Site) -> Checked {
    programs_read(site, "exithand", b"")
}

fn programs_read_the_outcome(site: &Site) -> Checked {
    site.policy().need_admitted(Reader::SameUser)?;
    programs_read(site, "outcome", b"exited 42\n")
}

/// All programs wait for one process, and each reads what is due.
fn programs_read(site: &Site, name: &str, due: &[u8]) -> Checked {
    outcomes_outlast_the_reap();
    let mut actor = actor(&["wait-then-exit", "42"]);
    let path = site.file(actor.pid(), name);
    let mut programs = Vec::new();
    for command in COMMANDS {
        if let Some(mut program) = Program::start(command, &path)? {
            program.until_blocked().context(command.join(" "))?;
            programs.push((command.join(" "), program));
        }
    }
    if programs.is_empty() {
        let why = "none of the reading programs is installed";
        return Err(Stop::Skipped(why.to_owned()));
    }
    let file = site.open_nonblocking(actor.pid(), name)?;
    actor.release();
    reap(&mut actor, &file)?;
    for (words, program) in programs {
        same(&words, &program.finish()?, &(0, due.to_vec()))?;
    }
    Ok(())
}

fn inotifywait_sees_the_directory_go(site: &Site) -> Checked {
    let mut actor = actor(&["wait-then-exit", "0"]);
    let words = ["inotifywait", "-e", "delete_self", "FILE"];
    let Some(mut program) = Program::start(&words, &site.process(actor.pid()))? else {
        return Err(Stop::Skipped("inotifywait is not installed".to_owned()));
    };
    program.until_said("Watches established.")?;
    actor.release();
    actor.wait_zombie();
    program.still_runs()?;
    actor.wait();
    let (status, said) = match program.finish() {
        Err(Stop::Failed(why)) => return Err(Stop::Absent(why)),
        finished => finished?,
    };
    same("inotifywait's wait status", &status, &0)?;
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure(said.contains("DELETE_SELF"), &said)
}
