//! What runs on each kernel of the matrix, and what came of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use exithand_vm::{Frame, Plan, Program, User};

use super::kernels::{Files, Kernel};
use super::programs::{self, ACTOR, COMMAND, CONFORMANCE, Programs};
use super::qemu::Guest;
use super::record::{Ran, Record};
use super::{conformance, filesystem};
use crate::test::machine::{self, Machine};
use crate::test::skips::{self, Coverage, Table};
use crate::test::tally::Tally;
use crate::test::{Report, Run};

/// The guest's memory, in MiB.
const MEMORY: u32 = 1024;
/// Where the exithand files are mounted in the guest.
const EXITS: &str = "/exits";
/// What the kernel's own files have; the rest of the contract is for the mounted ones.
const NATIVE: &str = "siginfo,threads,links,pid-generation";
/// How many seconds one check may take where everything is emulated.
const PATIENCE: &str = "240";
/// The conformance suite sends the pids round, which takes long where there are many. There have to
/// be enough for hundreds of processes and threads at a time.
const FEW_PIDS: &str = "echo 1400 > /proc/sys/kernel/pid_max";
const USERS: [User; 2] = [User::Root, User::Nobody];

/// One program of the matrix, and how its output is read.
#[derive(Clone, Debug)]
struct Task {
    name: String,
    reading: Reading,
    program: Program,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// A Rust test program.
    Tests,
    /// The conformance suite, on the files that are mounted.
    Conformance,
    /// The same on the kernel's own files.
    Native,
    /// The tests that were skipped.
    Skips,
    /// Those of the files the table of skips asks for that are there.
    Files,
    /// What works on this kernel.
    Doctor,
    /// It only has to exit 0.
    Step,
}

/// What a kernel's run found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// For each kind of user.
    pub(super) reports: Vec<(User, Report)>,
    /// What `exithand doctor --json` wrote.
    pub(super) doctor: Option<String>,
    /// What went wrong beside the tests.
    pub(super) faults: Vec<String>,
}

/// How much of the matrix to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent<'a> {
    Everything,
    /// The programs whose names contain one of these.
    Only(&'a [String]),
    /// What exithand files do, and nothing else.
    Files,
    /// What works, and nothing else.
    Doctor,
}

/// Runs the matrix on one kernel.
pub(super) fn run(
    kernel: &Kernel,
    programs: &Programs,
    extent: Extent<'_>,
) -> anyhow::Result<Findings> {
    let table = expected_skips(kernel.files)?;
    let tasks = tasks(kernel, programs, extent, &table);
    let plan = Plan {
        v1: ["freezer", "pids"].map(str::to_owned).to_vec(),
        disk: None,
        programs: tasks.iter().map(|it| it.program.clone()).collect(),
    };
    let folder = tempfile::tempdir().context("make a folder for the guest")?;
    let archive = folder.path().join("initramfs");
    pack(kernel, programs, &plan, &archive)?;
    let guest = Guest {
        kernel,
        plan: &plan,
        memory: MEMORY,
        disks: &[],
        logs: &programs::target_folder().join("logs"),
    };
    let mut record = Record::new(tasks.len());
    let course = guest.run(&archive, |frame| {
        let ended = match &frame {
            Frame::End { program, .. } => Some(*program),
            _ => None,
        };
        record.add(frame);
        if let Some((task, ran)) = ended.and_then(|it| tasks.get(it).zip(record.programs.get(it))) {
            tell(kernel, task, ran);
        }
    });
    let mut findings = judge(&table, &tasks, &record, extent)?;
    findings.faults.extend(record.complaints);
    findings
        .faults
        .extend(course.err().map(|it| format!("{it:#}")));
    Ok(findings)
}

fn pack(kernel: &Kernel, programs: &Programs, plan: &Plan, archive: &Path) -> anyhow::Result<()> {
    let mut root = filesystem::base(&programs.init, kernel, plan)?;
    root.directory(EXITS, 0o755);
    for user in USERS {
        root.text(&skip_list(user), 0o666, "");
    }
    for (name, program) in [
        (COMMAND, &programs.command),
        (ACTOR, &programs.actor),
        (CONFORMANCE, &programs.conformance),
    ] {
        root.copy(&format!("bin/{name}"), 0o755, program);
    }
    for test in &programs.tests {
        root.copy(&place(test)?, 0o755, test);
    }
    filesystem::write(&root, archive)
}

/// Where a test is in the guest: under its own name, which tests look at.
fn place(test: &Path) -> anyhow::Result<String> {
    match test.file_name().and_then(|it| it.to_str()) {
        Some(name) => Ok(format!("/tests/{name}")),
        None => bail!("{} has no name", test.display()),
    }
}

fn skip_list(user: User) -> String {
    format!("/skips-{}.tsv", user.name())
}

/// A script that prints those of the files the table asks for that are there.
fn look_for(table: &Table) -> String {
    let files: BTreeSet<_> = table.files().map(|it| it.display().to_string()).collect();
    let looks = files
        .iter()
        .map(|it| format!("test ! -e {it} || echo {it}; "));
    looks.collect()
}

/// Everything that runs in a guest, in order.
fn tasks(kernel: &Kernel, programs: &Programs, extent: Extent<'_>, table: &Table) -> Vec<Task> {
    let command = |args: &[&str], reading| Task::new(COMMAND, args, reading, User::Root, 30);
    let mut tasks = vec![command(&["doctor", "--json"], Reading::Doctor)];
    if extent == Extent::Doctor {
        return tasks;
    }
    if extent != Extent::Files {
        for user in USERS {
            let tests = programs.tests.iter().filter_map(|it| place(it).ok());
            tasks.extend(tests.map(|it| Task::of_test(&it, user)));
        }
    }
    for user in USERS {
        let list = skip_list(user);
        tasks.push(Task::new("cat", &[&list], Reading::Skips, user, 10));
    }
    let look = ["-c", &look_for(table)];
    tasks.push(Task::new("sh", &look, Reading::Files, User::Root, 10));
    let few_pids = ["-c", FEW_PIDS];
    tasks.push(Task::new("sh", &few_pids, Reading::Step, User::Root, 10));
    if kernel.files == Files::Native {
        for user in USERS {
            let args = ["/proc", "--require", NATIVE, "--timeout", PATIENCE];
            tasks.push(Task::new(CONFORMANCE, &args, Reading::Native, user, 600));
        }
    }
    tasks.push(command(&["mount", "--daemonize", EXITS], Reading::Step));
    for user in USERS {
        let reading = Reading::Conformance;
        let args = [EXITS, "--timeout", PATIENCE];
        tasks.push(Task::new(CONFORMANCE, &args, reading, user, 600));
    }
    tasks.push(command(&["umount", EXITS], Reading::Step));
    if extent != Extent::Files {
        let limit = ["out-of-memory", "64"];
        tasks.push(Task::new(ACTOR, &limit, Reading::Step, User::Root, 60));
    }
    if let Extent::Only(names) = extent {
        let is_named = |task: &Task| names.iter().any(|it| task.name.contains(it));
        tasks.retain(|it| {
            matches!(it.reading, Reading::Step | Reading::Skips | Reading::Files) || is_named(it)
        });
    }
    tasks
}

impl Task {
    fn new(name: &str, args: &[&str], reading: Reading, user: User, seconds: u64) -> Self {
        Self {
            name: name.to_owned(),
            reading,
            program: Program {
                path: format!("/bin/{name}"),
                args: args.iter().map(|it| (*it).to_owned()).collect(),
                env: vec![("EXITHAND_ACTOR".to_owned(), format!("/bin/{ACTOR}"))],
                user,
                seconds,
            },
        }
    }

    fn of_test(place: &str, user: User) -> Self {
        let mut task = Self::new(place, &[], Reading::Tests, user, 600);
        place.clone_into(&mut task.program.path);
        task.program.env.extend([
            ("EXITHAND_SKIPS".to_owned(), skip_list(user)),
            (
                "CARGO_BIN_EXE_exithand".to_owned(),
                format!("/bin/{COMMAND}"),
            ),
            // What these try does not depend on the kernel.
            ("PROPTEST_CASES".to_owned(), "8".to_owned()),
            ("EXITHAND_ENDS".to_owned(), "100".to_owned()),
        ]);
        task
    }
}

/// A line for each program, and all it wrote where it went wrong.
fn tell(kernel: &Kernel, task: &Task, ran: &Ran) {
    let (user, name) = (task.program.user.name(), &task.name);
    let seconds = ran.millis / 1000;
    let tenths = ran.millis % 1000 / 100;
    println!(
        "{} {user} {name}: {} after {seconds}.{tenths} s",
        kernel.name,
        ran.ending()
    );
    if !ran.went_well() {
        println!("{}", String::from_utf8_lossy(&ran.both));
    }
}

/// The skips that are right on this kernel.
fn expected_skips(files: Files) -> anyhow::Result<Table> {
    let all = include_str!("../../../vm/expected-skips.tsv");
    match files {
        Files::Mounted => Table::parse("vm/expected-skips.tsv", all),
        Files::Native => {
            let native = include_str!("../../../vm/native-skips.tsv");
            Table::parse("vm/*-skips.tsv", &format!("{all}{native}"))
        }
    }
}

/// Counts the tests, and compares the skips with the table.
fn judge(
    table: &Table,
    tasks: &[Task],
    record: &Record,
    extent: Extent<'_>,
) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let release = record.release.as_deref();
    let looked = tasks.iter().zip(&record.programs);
    let files: BTreeSet<PathBuf> = looked
        .filter(|(task, _)| task.reading == Reading::Files)
        .flat_map(|(_, ran)| ran.text().lines().map(PathBuf::from).collect::<Vec<_>>())
        .collect();
    for user in USERS {
        let mut tally = Tally::default();
        let mut skips = Vec::new();
        let all = tasks.iter().zip(&record.programs);
        for (task, ran) in all.filter(|(task, _)| task.program.user == user) {
            let failed = tally.failed;
            match task.reading {
                Reading::Tests => {
                    tally.enter(&task.program.path);
                    let text = String::from_utf8_lossy(&ran.both);
                    text.lines().for_each(|it| tally.read(it));
                }
                Reading::Conformance => {
                    skips.extend(conformance::read("conformance", &ran.text(), &mut tally));
                }
                Reading::Native => {
                    skips.extend(conformance::read("native", &ran.text(), &mut tally));
                }
                Reading::Skips => skips.extend(skips::read(&ran.text())),
                Reading::Doctor => findings.doctor = Some(ran.text()),
                Reading::Files | Reading::Step => {}
            }
            if !ran.went_well() && tally.failed == failed {
                let (name, ending) = (&task.name, ran.ending());
                let fault = format!("as {}: {name} {ending}", user.name());
                findings.faults.push(fault);
            }
        }
        // Without a release nothing has run, which is a fault of its own.
        let Some(release) = release else { continue };
        let is_complete = record.programs.iter().all(|it| it.end.is_some());
        let coverage = if is_complete && extent == Extent::Everything {
            Coverage::Everything
        } else {
            Coverage::Part
        };
        let machine = Machine::virtual_one(
            release,
            match user {
                User::Root => machine::User::Root,
                User::Nobody => machine::User::Other,
            },
            files.clone(),
        )?;
        let run = Run { tally, skips };
        findings
            .reports
            .push((user, run.report(table, &machine, coverage)));
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::{Files, expected_skips};

    #[test]
    fn the_tables_of_skips_are_well_formed() {
        expected_skips(Files::Mounted).unwrap();
        expected_skips(Files::Native).unwrap();
    }
}
