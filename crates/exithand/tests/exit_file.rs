//! Waiting through exithand files, here made of named pipes; the real ones are in the suite's tests.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use exithand::file::ExitFile;
use exithand::{
    Count, Deadline, Errno, Error, Outcome, Pid, SigInfo, Source, State, Until, WaitOptions,
    WaitSet, Why,
};
use exithand_testkit::{FakeFiles, FakeProcess};

const PID: i32 = 4242;

fn pid(number: i32) -> Pid {
    Pid::from_raw(number).unwrap()
}

fn start(files: &FakeFiles) -> (FakeProcess, ExitFile) {
    let process = files.start(pid(PID), "4242:918273", Some("outcome"));
    let file = ExitFile::open(files.root(), pid(PID)).unwrap();
    (process, file)
}

fn without_grace() -> WaitOptions<'static> {
    WaitOptions {
        grace: Duration::ZERO,
        ..WaitOptions::default()
    }
}

#[test]
fn waits_for_the_end_and_says_how() {
    let files = FakeFiles::new();
    let (mut process, file) = start(&files);
    assert_eq!(file.pid(), pid(PID));
    assert_eq!(file.token().to_string(), "4242:918273");
    assert_eq!(file.state().unwrap(), State::Alive);
    assert!(file.try_wait().unwrap().is_none());
    assert!(file.wait(Deadline::NOW).unwrap().is_none());
    thread::scope(|scope| {
        let waiters = [(); 4].map(|()| scope.spawn(|| file.wait(Deadline::NEVER)));
        process.tell(b"killed 11 SEGV core\n");
        process.end();
        for waiter in waiters {
            let exit = waiter.join().unwrap().unwrap().unwrap();
            assert_eq!(exit.to_string(), "killed 11 SEGV core");
            assert_eq!((exit.source, exit.reaped), (Some(Source::File), false));
        }
    });
    process.reap();
    assert_eq!(file.state().unwrap(), State::Reaped);
    let again = file.try_wait().unwrap().unwrap();
    assert_eq!(again.to_string(), "killed 11 SEGV core");
    assert!(again.reaped);
}

#[test]
fn an_outcome_that_is_not_told_is_unknown_until_it_is() {
    let files = FakeFiles::new();
    let (mut process, file) = start(&files);
    process.end();
    let why = Why::FilePending;
    let unknown = Outcome::Unknown { why };
    assert_eq!(file.try_wait().unwrap().unwrap().outcome, unknown);
    let exit = file.wait_with(&without_grace()).unwrap().unwrap();
    assert_eq!((exit.outcome, exit.source), (unknown, None));
    process.tell(b"exited 3\n");
    let exit = file.wait(Deadline::NEVER).unwrap().unwrap();
    assert_eq!(exit.outcome, Outcome::Exited(3));
}

#[test]
fn reasons_are_handed_on_and_nonsense_is_no_outcome() {
    for (text, why) in [
        (
            "unknown: kernel before 6.15 and no recorder\n",
            Why::OldKernel,
        ),
        ("unknown: it was dark\n", Why::Unexplained),
        ("exited 3 perhaps\n", Why::Unexplained),
        ("\n", Why::Unexplained),
    ] {
        let files = FakeFiles::new();
        let (mut process, file) = start(&files);
        process.tell(text.as_bytes());
        process.end();
        let exit = file.wait_with(&without_grace()).unwrap().unwrap();
        assert_eq!(exit.outcome, Outcome::Unknown { why }, "{text:?}");
    }
}

#[test]
fn reads_siginfo_where_there_are_no_words() {
    let outcome = Outcome::Exited(7);
    let bytes = SigInfo::new(outcome, PID, 1000).unwrap().to_bytes();
    for (told, expected) in [
        (&bytes[..], outcome),
        // End of the file alone: the outcome stayed unknown.
        (
            &[],
            Outcome::Unknown {
                why: Why::Unexplained,
            },
        ),
    ] {
        let files = FakeFiles::new();
        let mut process = files.start(pid(PID), "4242:918273", Some("siginfo"));
        let file = ExitFile::open(files.root(), pid(PID)).unwrap();
        process.tell(told);
        process.end();
        let exit = file.wait_with(&without_grace()).unwrap().unwrap();
        assert_eq!(exit.outcome, expected);
    }
}

#[test]
fn without_words_and_siginfo_there_is_still_the_end() {
    let files = FakeFiles::new();
    let mut process = files.start(pid(PID), "4242:918273", None);
    let file = ExitFile::open(files.root(), pid(PID)).unwrap();
    process.end();
    let exit = file.wait(Deadline::NEVER).unwrap().unwrap();
    let why = Why::FileAbsent;
    assert_eq!(exit.outcome, Outcome::Unknown { why });
}

#[test]
fn a_proc_with_exithand_files_has_no_token_but_a_start_time() {
    let files = FakeFiles::new();
    let process = files.start(pid(PID), "", Some("siginfo"));
    fs::remove_file(process.directory().join("token")).unwrap();
    let fields: Vec<String> = (4..=52).map(|field| field.to_string()).collect();
    let stat = format!("4242 (a b) S {}\n", fields.join(" "));
    fs::write(process.directory().join("stat"), stat).unwrap();
    let file = ExitFile::open(files.root(), pid(PID)).unwrap();
    assert_eq!(file.token().to_string(), "4242~22");
}

#[test]
fn says_what_is_missing() {
    let files = FakeFiles::new();
    let open = |root: &Path, number| ExitFile::open(root, pid(number)).unwrap_err();
    let missing = open(files.root(), PID);
    assert!(matches!(missing, Error::NoSuchProcess(_)), "{missing}");
    let process = files.start(pid(PID), "4242:918273", None);
    fs::remove_file(process.directory().join("exithand")).unwrap();
    let folder = files.root().join("nothing");
    let mut none = vec![
        (files.root(), PID),
        (&folder, PID),
        (Path::new("/dev/null"), PID),
    ];
    // Some kernels have exithand files of their own.
    if !Path::new("/proc/self/exithand").exists() {
        none.push((Path::new("/proc"), 1));
    }
    for (root, number) in none {
        let error = open(root, number);
        assert!(matches!(error, Error::NoExitFiles(_)), "{error}");
        assert_eq!(error.errno(), Errno::NOENT);
        assert!(error.to_string().contains(&root.display().to_string()));
    }
}

#[test]
fn refuses_what_never_comes() {
    let files = FakeFiles::new();
    let (_process, file) = start(&files);
    let reaped = WaitOptions {
        until: Until::Reaped,
        ..WaitOptions::default()
    };
    let error = file.wait_with(&reaped).unwrap_err();
    assert!(matches!(error, Error::ReapUntold), "{error}");
    let ourselves = rustix::process::getpid();
    let _we = files.start(ourselves, "1:1", None);
    let number = ourselves.as_raw_nonzero().to_string();
    let other = ExitFile::open(files.root(), ourselves).unwrap();
    let alive = other.wait(Deadline::NOW).unwrap();
    assert!(alive.is_none(), "a number of another pid namespace");
    std::os::unix::fs::symlink(number, files.root().join("self")).unwrap();
    let own = ExitFile::open(files.root(), ourselves).unwrap();
    let error = own.wait(Deadline::NEVER).unwrap_err();
    assert!(matches!(error, Error::Itself(_)), "{error}");
}

#[test]
fn a_set_of_files_gives_each_member_as_it_ends() {
    let files = FakeFiles::new();
    let set = WaitSet::of_files().unwrap();
    let mut processes = Vec::new();
    for number in 1..=3 {
        let token = format!("{number}:{number}");
        processes.push(files.start(pid(number), &token, Some("outcome")));
        set.add(ExitFile::open(files.root(), pid(number)).unwrap())
            .unwrap();
    }
    assert!(set.wait(Count::Any, Deadline::NOW).unwrap().is_empty());
    processes[1].tell(b"exited 2\n");
    processes[1].end();
    let finished = set.wait(Count::Any, Deadline::NEVER).unwrap();
    let [(_, file)] = &finished[..] else {
        panic!("one of three has ended: {finished:?}")
    };
    assert_eq!(file.pid(), pid(2));
    assert_eq!(
        file.try_wait().unwrap().unwrap().outcome,
        Outcome::Exited(2)
    );
    processes.iter_mut().for_each(FakeProcess::end);
    assert_eq!(set.wait(Count::All, Deadline::NEVER).unwrap().len(), 2);
}
