//! Selectors against real processes: what they find must be what was started.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helper can do nothing better than to panic"
)]

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use clap::Parser;
use exithand::{Deadline, Outcome, Pid, Signal, Until};
use exithand_cli::select::{SelectArgs, Selected, Selector, Sense, open_matching};
use exithand_testkit::{Cgroup, Hierarchy, Need, User, need, run_as, wait_zombie};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::{TempDir, tempdir};

/// A process that runs until its test is over.
struct Running(Child);

impl Running {
    /// Starts a program that copies its input to its output, and returns once it does.
    fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut it = Self(command.spawn().unwrap());
        it.0.stdin.as_mut().unwrap().write_all(b"ready\n").unwrap();
        read_ready(&mut it.0);
        it
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ours, and not waited for: the number cannot be another's. After `wait` both do nothing.
        self.0.kill().expect("kill the child");
        self.0.wait().expect("wait for the child");
    }
}

fn read_ready(child: &mut Child) {
    let mut line = String::new();
    let output = child.stdout.as_mut().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), "ready");
}

/// A directory with `cat` under another name, so that no other process matches.
struct Program {
    dir: TempDir,
    name: OsString,
}

impl Program {
    fn named(name: impl AsRef<OsStr>) -> Self {
        let dir = tempdir().unwrap();
        symlink("/bin/cat", dir.path().join(name.as_ref())).unwrap();
        let name = name.as_ref().to_owned();
        Self { dir, name }
    }

    fn command(&self) -> Command {
        Command::new(self.dir.path().join(&self.name))
    }

    fn start(&self) -> Running {
        Running::start(&mut self.command())
    }
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    select: SelectArgs,
}

fn selector<T: Into<OsString>>(words: impl IntoIterator<Item = T>) -> Selector {
    let words = words.into_iter().map(Into::into);
    let cli = Cli::try_parse_from(std::iter::once("test".into()).chain(words));
    cli.unwrap().select.selector().unwrap().unwrap()
}

fn open(words: &[&str]) -> Vec<Selected> {
    open_matching(&selector(words)).unwrap()
}

fn pids(selected: &[Selected]) -> Vec<Pid> {
    selected.iter().map(|it| it.facts.pid).collect()
}

fn found(words: &[&str]) -> Vec<Pid> {
    pids(&open(words))
}

fn text(pid: Pid) -> String {
    pid.as_raw_nonzero().to_string()
}

fn sorted(running: &[&Running]) -> Vec<Pid> {
    let mut pids: Vec<Pid> = running.iter().map(|it| it.pid()).collect();
    pids.sort_by_key(|pid| pid.as_raw_nonzero());
    pids
}

#[test]
fn finds_odd_names_and_no_others() {
    for (name, pattern) in [
        (&b"eh) S 1 (x"[..], r"eh\) S 1 \(x"),
        (b"eh\nline", "eh\nline"),
        (b"eh\\back", r"eh\\back"),
        (b"eh\xff\xfe", r"(?-u:eh\xff\xfe)"),
        (b"eh-name-that-is-longer", "eh-name-that-is"),
    ] {
        let running = Program::named(OsStr::from_bytes(name)).start();
        let selected = open(&["--name", pattern, "--exact"]);
        assert_eq!(pids(&selected), [running.pid()], "{}", name.escape_ascii());
        assert_eq!(selected[0].facts.comm, &name[..name.len().min(15)]);
        assert_eq!(selected[0].handle.pid(), Some(running.pid()));
    }
}

#[test]
fn finds_command_lines_that_are_no_text() {
    let mut command = Command::new("cat");
    let running = Running::start(command.arg0(OsStr::from_bytes(b"eh-full \xff)")).arg("-u"));
    assert_eq!(
        found(&["--full", r"(?-u)^eh-full \xff\) -u$"]),
        [running.pid()]
    );
    assert_eq!(
        found(&["--full", "eh-full", "--name", "cat"]),
        [running.pid()]
    );
    assert_eq!(found(&["--full", "eh-full", "--exact"]), []);
    assert_eq!(found(&["--full", "eh-full", "--name", "dog"]), []);
}

#[test]
fn finds_children_and_trees() {
    let program = Program::named("eh-leaf");
    let leaf = program.dir.path().join("eh-leaf");
    // The shell stays, since it has something left to do.
    let mut command = Command::new("sh");
    command
        .args(["-c", "\"$0\"; :"])
        .arg(leaf)
        .stderr(Stdio::null());
    let shell = Running::start(&mut command);
    let shell_pid = text(shell.pid());
    let children = open(&["--parent", &shell_pid]);
    assert_eq!(children.len(), 1);
    assert_eq!(children[0].facts.comm, b"eh-leaf");

    let mut expected = vec![shell.pid(), children[0].facts.pid];
    expected.sort_by_key(|pid| pid.as_raw_nonzero());
    assert_eq!(found(&["--tree", &shell_pid]), expected);
    let ours = text(rustix::process::getpid());
    assert_eq!(
        found(&["--tree", &ours, "--name", "^eh-leaf$"]),
        [children[0].facts.pid]
    );
    assert!(!found(&["--tree", &ours]).contains(&rustix::process::getpid()));

    children[0].handle.send_signal(Signal::KILL).unwrap();
    let end = children[0]
        .handle
        .wait(Until::Ended, Deadline::NEVER)
        .unwrap();
    assert!(end.is_some());
}

#[test]
fn finds_sessions_and_process_groups() {
    let program = Program::named("eh-session");
    let path = program.dir.path().join("eh-session");
    let leader = Running::start(Command::new("setsid").arg(path));
    let ours = Running::start(program.command().process_group(0));
    assert_eq!(found(&["--session", &text(leader.pid())]), [leader.pid()]);
    assert_eq!(
        found(&["--session", "0", "--name", "eh-session"]),
        [ours.pid()]
    );

    let group = Selector {
        pgroups: vec![Some(ours.pid())],
        ..Selector::default()
    };
    assert_eq!(pids(&open_matching(&group).unwrap()), [ours.pid()]);
}

#[test]
fn finds_terminals() {
    let Ok(master) = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY) else {
        println!("no pseudo-terminals here: nothing to test");
        return;
    };
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let name = name.to_str().unwrap();
    let slave = File::options().read(true).write(true).open(name).unwrap();
    let program = Program::named("eh-tty");
    let mut command = Command::new("setsid");
    command.arg("--ctty").arg(program.dir.path().join("eh-tty"));
    command.stdin(slave).stdout(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    rustix::io::write(&master, b"ready\n").unwrap();
    read_ready(&mut running.0);

    assert_eq!(found(&["--tty", name]), [running.pid()]);
    assert_eq!(
        found(&["--tty", name.strip_prefix("/dev/").unwrap()]),
        [running.pid()]
    );
    assert_eq!(found(&["--tty", "?", "--name", "eh-tty"]), []);
}

#[test]
fn finds_the_newest_and_the_oldest() {
    let program = Program::named("eh-age");
    let running = [program.start(), program.start(), program.start()];
    let all = open(&["--name", "^eh-age$"]);
    assert_eq!(pids(&all), sorted(&running.each_ref()));
    let age = |it: &&Selected| (it.facts.start_ticks, it.facts.pid.as_raw_nonzero());
    let newest = all.iter().max_by_key(age).unwrap().facts.pid;
    let oldest = all.iter().min_by_key(age).unwrap().facts.pid;
    assert_eq!(found(&["--name", "^eh-age$", "--newest"]), [newest]);
    assert_eq!(found(&["--name", "^eh-age$", "--oldest"]), [oldest]);
}

#[test]
fn finds_a_zombie_until_it_is_reaped() {
    let mut running = Program::named("eh-zombie").start();
    running.0.kill().unwrap();
    wait_zombie(running.pid()).unwrap();
    let selected = open(&["--name", "^eh-zombie$"]);
    assert_eq!(pids(&selected), [running.pid()]);
    assert!(selected[0].facts.is_zombie());
    assert_eq!(
        found(&["--full", r"^\[eh-zombie\] <defunct>$"]),
        [running.pid()]
    );
    running.0.wait().unwrap();
    assert_eq!(found(&["--name", "^eh-zombie$"]), []);
}

#[test]
fn a_handle_stays_with_its_process() {
    let mut running = Program::named("eh-handle").start();
    let selected = open(&["--name", "^eh-handle$"]);
    running.0.kill().unwrap();
    let status = running.0.wait().unwrap();
    let exit = selected[0]
        .handle
        .wait(Until::Reaped, Deadline::NEVER)
        .unwrap()
        .unwrap();
    if Need::PidfdInfoExit.met() {
        assert_eq!(exit.outcome, Outcome::try_from(status).unwrap());
    }
    assert!(exit.reaped);
}

#[test]
fn finds_users_and_groups() {
    need!(Need::OtherUsers);
    let mine = Running::start(Command::new("cat").arg0("eh-user"));
    let mut command = run_as(User::NOBODY, Command::new("cat"));
    let theirs = Running::start(command.arg0("eh-user"));
    let by = |flag, value: &str| found(&["--full", "^eh-user$", flag, value]);
    assert_eq!(by("--user", "65534"), [theirs.pid()]);
    assert_eq!(by("--group", "65534"), [theirs.pid()]);
    assert_eq!(by("--user", "root"), [mine.pid()]);
    assert_eq!(by("--user", "root,65534"), sorted(&[&mine, &theirs]));
}

#[test]
fn finds_what_is_in_a_cgroup() {
    need!(Need::Cgroup2);
    check_cgroup(Hierarchy::V2);
}

#[test]
fn finds_what_is_in_a_v1_cgroup() {
    need!(Need::CgroupV1Freezer);
    check_cgroup(Hierarchy::V1("freezer"));
}

fn check_cgroup(hierarchy: Hierarchy) {
    let program = Program::named("eh-cgroup");
    let inside = program.start();
    let outside = program.start();
    let cgroup = Cgroup::new(hierarchy).unwrap();
    cgroup.add(inside.pid()).unwrap();
    let name = cgroup.name().unwrap();
    let directory = cgroup.path().to_str().unwrap().to_owned();
    for word in [&name, name.trim_start_matches('/'), &directory] {
        assert_eq!(found(&["--cgroup", word]), [inside.pid()], "{word}");
        assert_eq!(found(&["--cgroup", &format!("{word}/below")]), [], "{word}");
    }
    let mut others = selector(["--cgroup", name.as_str()]);
    others.sense = Sense::Unlike;
    let others = pids(&open_matching(&others).unwrap());
    assert!(others.contains(&outside.pid()) && !others.contains(&inside.pid()));
}

#[test]
fn finds_the_process_of_a_pid_file() {
    let running = Program::named("eh-pidfile").start();
    let dir = tempdir().unwrap();
    let file = dir.path().join("pid");
    std::fs::write(&file, format!("{}\n", text(running.pid()))).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(found(&["--pidfile", file]), [running.pid()]);
    assert_eq!(found(&["--pidfile", file, "--name", "eh-other"]), []);
}

#[test]
fn never_finds_itself_and_ancestors_only_if_wanted() {
    let own = rustix::process::getpid();
    let parent = rustix::process::getppid();
    assert!(!found(&["--name", ".", "--user", &user()]).contains(&own));
    let all = found(&["--name", "."]);
    assert!(!all.contains(&own));
    let others = found(&["--name", ".", "--ignore-ancestors"]);
    if let Some(parent) = parent {
        assert!(all.contains(&parent) && !others.contains(&parent));
    }
}

fn user() -> String {
    rustix::process::geteuid().as_raw().to_string()
}
