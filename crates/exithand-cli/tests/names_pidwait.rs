//! The drop-in `pidwait`, run on real processes and compared with that of procps.
#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod names_support;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};

use exithand_testkit::{Need, need, run_isolated, test_name, with_descriptor_limit};
use names_support::{ABSENT, Ran, Tools, ran};
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

/// Processes with a name that no others have.
struct Flock {
    directory: TempDir,
    name: String,
    members: Vec<Child>,
}

impl Flock {
    fn new() -> Self {
        // Random, and all as long, so that none is the beginning of another; a pid would not do
        // where tests run in several pid namespaces.
        let directory = tempfile::Builder::new()
            .prefix("eh")
            .rand_bytes(8)
            .tempdir()
            .unwrap();
        let name = directory
            .path()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        // The kernel names a process after the file it was started by.
        symlink("/bin/cat", directory.path().join(&name)).unwrap();
        Self {
            directory,
            name,
            members: Vec::new(),
        }
    }

    fn of(size: usize) -> Self {
        let mut flock = Self::new();
        for _ in 0..size {
            flock.add(&mut flock.command());
        }
        flock
    }

    /// A member that lives until its standard input is closed.
    fn command(&self) -> Command {
        Command::new(self.directory.path().join(&self.name))
    }

    fn add(&mut self, command: &mut Command) {
        let started = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        self.members.push(started.unwrap());
    }

    fn pid(&self, member: usize) -> String {
        self.members[member].id().to_string()
    }

    /// Ends a member and reaps it.
    fn end(&mut self, member: usize) {
        drop(self.members[member].stdin.take());
        self.members[member].wait().unwrap();
    }
}

impl Drop for Flock {
    fn drop(&mut self) {
        for member in &mut self.members {
            // Both fail only where it has ended, which is what is wanted.
            drop(member.kill());
            drop(member.wait());
        }
    }
}

/// How many processes match.
fn count(tools: &Tools, options: &[&str]) -> String {
    let mut line = vec!["pidwait", "--count"];
    line.extend(options);
    tools.start(&line).read_line().trim_end().to_owned()
}

/// What a program of procps says.
fn procps(program: &str, line: &[&str]) -> Ran {
    Ran::of(Command::new(program).args(line).stdin(Stdio::null()))
}

#[test]
fn waits_for_all_and_counts_no_process_twice() {
    let tools = Tools::new();
    let mut flock = Flock::of(4);
    let mut pidwait = tools.start(&["pidwait", "-ce", &flock.name]);
    assert_eq!(pidwait.read_line(), "4\n");
    let mut said: Vec<String> = (0..4).map(|_| pidwait.read_line()).collect();
    let of = |member| format!("waiting for {} (pid {})\n", flock.name, flock.pid(member));
    let mut expected: Vec<String> = (0..4).map(of).collect();
    said.sort();
    expected.sort();
    assert_eq!(said, expected);
    // Two ends and two reaps are four events; procps before 4.0.6 took them for four processes.
    flock.end(0);
    flock.end(1);
    assert!(pidwait.is_waiting());
    flock.end(2);
    assert!(pidwait.is_waiting());
    flock.end(3);
    assert_eq!(pidwait.finish(), ran(0, "", ""));
}

#[test]
fn nobody_matched_is_one() {
    let tools = Tools::new();
    let name = Flock::new().name.clone();
    let long = format!("{name}-and-more-than-15");
    let hint = "pidwait: pattern that searches for process name longer than 15 characters will \
                result in zero matches\n\
                Try `pidwait -f' option to match against the complete command line.\n";
    for (line, expected) in [
        (vec!["pidwait", &name], ran(1, "", "")),
        (vec!["pidwait", "-c", &name], ran(1, "0\n", "")),
        (vec!["pidwait", "-p", ABSENT], ran(1, "", "")),
        (vec!["pidwait", "-p", "0"], ran(1, "", "")),
        (vec!["pidwait", "-r", "", &name], ran(1, "", "")),
        (vec!["pidwait", &long], ran(1, "", hint)),
        // Its own command line holds the word, but it is never its own match.
        (vec!["pidwait", "-f", &long], ran(1, "", "")),
    ] {
        assert_eq!(tools.run(&line), expected, "{line:?}");
    }
}

#[test]
fn a_zombie_matches_and_has_ended() {
    let tools = Tools::new();
    let mut flock = Flock::of(1);
    flock.members[0].kill().unwrap();
    exithand_testkit::wait_zombie(exithand_testkit::Pid::from_child(&flock.members[0])).unwrap();
    assert_eq!(
        tools.run(&["pidwait", "-c", &flock.name]),
        ran(0, "1\n", "")
    );
    let line = ["pidwait", "-c", "-rZ", "-x", &flock.name];
    assert_eq!(tools.run(&line), ran(0, "1\n", ""));
}

#[test]
fn out_of_descriptors_is_a_failure() {
    let tools = Tools::new();
    let flock = Flock::of(40);
    // Enough to look at the processes, but not to wait for them.
    let line = ["pidwait", &flock.name];
    let few = Ran::of(&mut with_descriptor_limit(30, tools.command(&line)));
    assert_eq!((few.code, few.out.as_str()), (Some(3), ""));
    assert!(
        few.err.contains("out of file descriptors (limit 30)"),
        "{}",
        few.err
    );
    assert!(
        few.err.contains("40 processes need one each"),
        "{}",
        few.err
    );
    // Not even enough to look.
    let none = Ran::of(&mut with_descriptor_limit(12, tools.command(&line)));
    assert_eq!((none.code, none.out.as_str()), (Some(3), ""));
}

#[test]
fn a_soft_limit_is_raised() {
    let tools = Tools::new();
    let mut flock = Flock::of(20);
    for member in &mut flock.members {
        member.kill().unwrap();
    }
    let soft = Ran::of(&mut tools.after("ulimit -S -n 12", &["pidwait", "-c", &flock.name]));
    assert_eq!(soft, ran(0, "20\n", ""));
}

#[test]
fn selects_as_pgrep_does() {
    need!(Need::Program("pgrep"));
    let tools = Tools::new();
    let mut flock = Flock::of(2);
    let mut with_argument = flock.command();
    flock.add(with_argument.args(["-", "with a)b+argument"]));
    let own = std::process::id().to_string();
    let name = flock.name.as_str();
    let (upper, whole) = (name.to_uppercase(), format!("{name}$"));
    let part = &name[..name.len() - 1];
    let uid = rustix::process::getuid().as_raw().to_string();
    let all = format!("{},{},{ABSENT}", flock.pid(0), flock.pid(1));
    for options in [
        vec![name],
        vec![&upper],
        vec!["-i", &upper],
        vec!["-x", name],
        vec!["-x", part],
        vec![&whole],
        vec!["-f", "-P", &own, "with a)b[+]arg"],
        vec!["-P", &own, "-f", name],
        vec!["-P", ABSENT, name],
        vec!["-n", name],
        vec!["-o", name],
        vec!["-g", "0", name],
        vec!["-s", "0", name],
        vec!["-g", ABSENT, name],
        vec!["-u", &uid, name],
        vec!["-U", &uid, name],
        vec!["-G", "nogroup", name],
        vec!["-u", "nobody", name],
        vec!["-O", "100000", name],
        vec!["-O", "0", name],
        vec!["-r", "S,R", name],
        vec!["-r", "Z", name],
        vec!["-t", "?", name],
        vec!["-t", "tty99", name],
        vec!["-P", &own, "-s", "1000000", name],
        vec!["--ns", &own, name],
        vec!["--ns", &own, "--nslist", "net", name],
        vec!["--cgroup", "/no/such/cgroup", name],
    ] {
        let line = [&["-c"], options.as_slice()].concat();
        let pgrep = procps("pgrep", &line);
        assert_eq!(count(&tools, &options), pgrep.out.trim_end(), "{options:?}");
    }
    // Newer than the pgrep of some distributions.
    assert_eq!(count(&tools, &["-p", &all]), "2");
    assert_eq!(count(&tools, &["-p", &all, "-x", name]), "2");
}

#[test]
fn a_group_and_a_session_of_an_outer_pid_namespace_are_0() {
    need!(Need::Program("pgrep"));
    run_isolated(test_name!(), || {
        let tools = Tools::new();
        let flock = Flock::of(1);
        for option in ["-g", "-s"] {
            let options = [option, "0", &flock.name];
            let pgrep = procps("pgrep", &[&["-c"], &options[..]].concat());
            assert_eq!(count(&tools, &options), pgrep.out.trim_end(), "{option}");
            assert_eq!(pgrep.out, "1\n", "{option}");
        }
    });
}

#[test]
fn newest_and_oldest_are_the_last_and_the_first() {
    let tools = Tools::new();
    let flock = Flock::of(3);
    // They may all start in one clock tick, where the pid decides unless it has wrapped.
    let mut pids: Vec<u32> = flock.members.iter().map(Child::id).collect();
    if pids.is_sorted() {
        pids.sort_unstable();
        for (option, pid) in [("-o", pids[0]), ("-n", pids[2])] {
            let mut pidwait = tools.start(&["pidwait", "-e", option, &flock.name]);
            let said = format!("waiting for {} (pid {pid})\n", flock.name);
            assert_eq!(pidwait.read_line(), said);
        }
    }
}

#[test]
fn inverse_means_the_others() {
    let tools = Tools::new();
    let flock = Flock::of(3);
    let first_two = [flock.pid(0), flock.pid(1)].join(",");
    let others = |options: &[&str]| -> u32 { count(&tools, options).parse().unwrap() };
    // Other tests start and end processes meanwhile, so these are only bounds.
    assert!(
        others(&["-v", "-p", ABSENT]) >= 4,
        "three and the test itself"
    );
    assert!(others(&["--inverse", "-p", &first_two]) >= 2);
    let pid = flock.pid(2);
    let third = ["-v", "-P", "1000000", "-p", &pid, &flock.name];
    assert!(
        others(&third) >= 4,
        "who misses one of the conditions is among the others"
    );
}

#[test]
fn selects_by_environment_and_handler() {
    let tools = Tools::new();
    let mut flock = Flock::new();
    let mut with_variable = flock.command();
    flock.add(with_variable.env("EXITHAND_TEST", "yes"));
    let mut without = flock.command();
    flock.add(without.env_remove("EXITHAND_TEST"));
    let name = flock.name.as_str();
    for (options, found) in [
        (vec!["--env", "EXITHAND_TEST", name], "1"),
        (vec!["--env", "EXITHAND_TEST=yes", name], "1"),
        (vec!["--env", "EXITHAND_TEST=no", name], "0"),
        (
            vec!["--env", "EXITHAND_TEST=no,EXITHAND_TEST=yes", name],
            "1",
        ),
        // A part of a name is not the name.
        (vec!["--env", "EXITHAND_TES", name], "0"),
        (vec!["-H", name], "0"),
        (vec!["--signal", "KILL", name], "2"),
    ] {
        assert_eq!(count(&tools, &options), found, "{options:?}");
    }
    let shell = Command::new("sh")
        .args(["-c", "trap : HUP; echo; read x"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut shell = shell.unwrap();
    let mut line = [0];
    std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut line).unwrap();
    let pid = shell.id().to_string();
    assert_eq!(count(&tools, &["-H", "--signal", "HUP", "-p", &pid]), "1");
    assert_eq!(count(&tools, &["-H", "--signal", "USR1", "-p", &pid]), "0");
    drop(shell.stdin.take());
    shell.wait().unwrap();
}

#[test]
fn the_namespaces_must_all_be_the_same() {
    let tools = Tools::new();
    let flock = Flock::of(1);
    let (pid, name) = (flock.pid(0), flock.name.as_str());
    for options in [
        vec!["--ns", &pid, name],
        vec![
            "--ns",
            &pid,
            "--nslist",
            "ipc,mnt,net,pid,user,uts,time,cgroup",
            name,
        ],
    ] {
        assert_eq!(count(&tools, &options), "1", "{options:?}");
    }
    let gone = tools.run(&["pidwait", "--ns", ABSENT, name]);
    assert_eq!((gone.code, gone.out.as_str()), (Some(3), ""));
    assert!(
        gone.err
            .starts_with("pidwait: Error reading reference namespace"),
        "{}",
        gone.err
    );
    let unknown = tools.run(&["pidwait", "--ns", &pid, "--nslist", "ipc,nose", name]);
    assert_eq!(unknown.code, Some(2));
}

#[test]
fn ancestors_are_left_out_where_asked() {
    let tools = Tools::new();
    let word = Flock::new().name.clone();
    let ask = |option: &str| {
        let pidwait = tools.path().join("pidwait");
        // The shell's command line holds the word too; `true` keeps it from exec'ing.
        let script = format!(
            "{} -c {option} -f {word} & read line; kill $! 2>&-",
            pidwait.display()
        );
        let mut shell = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut digit = [0];
        std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut digit).unwrap();
        drop(shell.stdin.take());
        shell.wait().unwrap();
        char::from(digit[0])
    };
    assert_eq!(ask("-i"), '1');
    assert_eq!(ask("-A"), '0');
}

#[test]
fn reads_pid_files() {
    let tools = Tools::new();
    let flock = Flock::of(1);
    let pid = flock.pid(0);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pid");
    let file = path.to_str().unwrap();
    for (text, found) in [
        (format!("{pid}\n"), "1"),
        (format!("  {pid} cat\nmore\n"), "1"),
        (pid.clone(), "1"),
        ("4194304\n".to_owned(), "0"),
        ("-1\n".to_owned(), "0"),
    ] {
        fs::write(&path, &text).unwrap();
        assert_eq!(count(&tools, &["-F", file]), found, "{text:?}");
    }
    fs::write(&path, &pid).unwrap();
    assert_eq!(
        count(&tools, &["-F", file, &flock.name]),
        "1",
        "with a pattern"
    );
    assert_eq!(count(&tools, &["-F", file, "nobody-is-so"]), "0");

    let unlocked = tools.run(&["pidwait", "-L", "-F", file]);
    let why = "pidwait: Locking check for pidfile failed: nobody holds a lock on it\n";
    assert_eq!(unlocked, ran(1, "", why));
    let daemon = File::open(&path).unwrap();
    flock_exclusively(&daemon);
    assert_eq!(count(&tools, &["-L", "-F", file]), "1");
}

fn flock_exclusively(file: &File) {
    flock(file, FlockOperation::NonBlockingLockExclusive).unwrap();
}

#[test]
fn reads_a_pid_from_standard_input() {
    let tools = Tools::new();
    let mut flock = Flock::of(1);
    let pid = flock.pid(0);
    let mut pidwait = tools.command(&["pidwait", "-e", "-F", "-"]);
    let mut pidwait = pidwait
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = pidwait.stdin.take().unwrap();
    // The pipe stays open: a line is enough.
    writeln!(stdin, "{pid}").unwrap();
    flock.members[0].kill().unwrap();
    let said = format!("waiting for {} (pid {pid})\n", flock.name);
    assert_eq!(
        Ran::from(pidwait.wait_with_output().unwrap()),
        ran(0, &said, "")
    );
    drop(stdin);
}

#[test]
fn says_what_procps_says() {
    need!(Need::Program("pidwait"));
    let tools = Tools::new();
    let name = Flock::new().name.clone();
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty");
    fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    let long = format!("{name}-and-more-than-15");
    for line in [
        vec![],
        vec!["-c"],
        vec!["-f", "-x", "-i"],
        vec![&name, &name],
        vec!["-L", &name],
        vec!["-F", empty],
        vec!["-u", "no such user", &name],
        vec!["-U", "no such user", &name],
        vec!["-G", "no such group", &name],
        vec!["-g", "x", &name],
        vec!["-s", "x", &name],
        vec!["-P", "x", &name],
        vec![&name],
        vec!["-c", &name],
        vec!["-e", &name],
        vec![&long],
        vec!["-f", &long],
        vec!["("],
        vec!["*"],
        vec!["a{1"],
        vec!["a{x}"],
        vec!["[a"],
        vec!["[[:x:]]"],
        vec!["[z-a]"],
        vec!["a\\"],
        // From here on the usage follows, which is ours.
        vec!["-z"],
        vec!["--wrong"],
        vec!["-P"],
        vec!["--parent"],
        vec!["--c", "x"],
        vec!["--exact=x"],
    ] {
        let theirs = procps("pidwait", &line);
        let ours = tools.run(&[&["pidwait"], line.as_slice()].concat());
        let first = |ran: &Ran| ran.err.lines().next().unwrap_or_default().to_owned();
        assert_eq!(ours.code, theirs.code, "{line:?}");
        assert_eq!(ours.out, theirs.out, "{line:?}");
        if theirs.err.contains("Usage:") {
            let options = |text: String| text.split(" '--n").next().unwrap_or_default().to_owned();
            assert_eq!(options(first(&ours)), options(first(&theirs)), "{line:?}");
            assert!(
                ours.err
                    .contains("\nUsage:\n pidwait [options] <pattern>\n"),
                "{}",
                ours.err
            );
        } else {
            assert_eq!(ours.err, theirs.err, "{line:?}");
        }
    }
}
