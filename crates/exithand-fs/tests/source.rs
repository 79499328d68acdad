//! Outcomes that the kernel does not tell come from the source that `serve` was given, and go to
//! nobody whom the policy does not name.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod mounted;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use exithand::{Outcome, SigInfo, StatusSource, Token};
use exithand_fs::{Options, StatusPolicy};
use exithand_testkit::{Middleman, Need, User, actor_command, need, run_as};
use mounted::{Mounted, need_mounts};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// What no process of these tests ends with.
const FROM_THE_SOURCE: Outcome = Outcome::Exited(77);

const TOLD: &str = "exited 77\n";

/// Knows how everything ended, or nothing.
struct Told {
    answer: Option<Outcome>,
    asked: Mutex<Vec<Token>>,
}

impl Told {
    fn new(answer: Option<Outcome>) -> Arc<Self> {
        let asked = Mutex::default();
        Arc::new(Self { answer, asked })
    }

    fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(Token::to_string).collect()
    }
}

impl StatusSource for Told {
    fn outcome(&self, token: &Token) -> Option<Outcome> {
        self.asked.lock().unwrap().push(*token);
        self.answer
    }
}

/// A server that cannot read the zombies of other users: the kernel does not tell it how they ended.
fn blind(status: StatusPolicy, source: &Arc<Told>) -> Mounted {
    // Of this thread alone, and of those it starts: the server's, and programs of other users.
    let mut own = capabilities(None).unwrap();
    own.effective.remove(CapabilitySet::SYS_PTRACE);
    set_capabilities(None, own).unwrap();
    let source: Arc<dyn StatusSource> = Arc::<Told>::clone(source);
    Mounted::for_all(Options {
        status,
        source: Some(source),
        ..Options::default()
    })
}

/// Somebody else's process, which is not reaped before the test says so.
fn process() -> Middleman {
    let actor = actor_command(&["middleman", "wait-then-exit", "3"]);
    Middleman::start_as(run_as(User::NOBODY, actor))
}

/// Somebody who has opened a file, and now reads it.
struct Reader(Child);

impl Reader {
    fn start(user: Option<User>, path: &Path) -> Self {
        let mut script = Command::new("sh");
        script.args(["-c", "exec 3< \"$1\"; echo open >&2; exec cat <&3", "sh"]);
        script.arg(path).env("LC_ALL", "C");
        script.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut script = match user {
            Some(user) => run_as(user, script),
            None => script,
        };
        Self(script.spawn().unwrap())
    }

    /// Waits until it has opened, or has said why it cannot.
    fn has_opened(&mut self) -> bool {
        let mut line = String::new();
        let stderr = self.0.stderr.take().unwrap();
        BufReader::new(stderr).read_line(&mut line).unwrap();
        let denied = line.contains("Permission denied");
        assert!(denied || line == "open\n", "{line}");
        !denied
    }

    fn finish(self) -> String {
        let output = self.0.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn the_source_tells_what_the_kernel_does_not() {
    need_mounts!();
    need!(Need::Root, Need::OtherUsers);
    let source = Told::new(Some(FROM_THE_SOURCE));
    let mounted = blind(StatusPolicy::All, &source);
    let mut process = process();
    let pid = process.child();
    let token = mounted.text(pid, "token");
    let mut outcome = mounted.open(pid, "outcome");
    let mut siginfo = mounted.open(pid, "siginfo");
    assert!(source.asked().is_empty(), "it runs");
    process.end();
    assert_eq!(mounted::read(&mut outcome).unwrap(), b"exited 77\n");
    let bytes = mounted::read(&mut siginfo).unwrap();
    let info = SigInfo::from_bytes(&bytes).unwrap();
    assert_eq!(info.outcome(), Ok(FROM_THE_SOURCE));
    assert_eq!((info.pid, info.uid), (pid.as_raw_nonzero().get(), 65534));
    assert_eq!(source.asked(), [token.trim()], "once, and of this one");
    // Whoever comes later is told the same, until the kernel knows better.
    assert_eq!(mounted.text(pid, "outcome"), "exited 77\n");
    assert_eq!(process.reap(), 0x0300);
}

#[test]
fn a_source_that_does_not_know_leaves_it_unknown() {
    need_mounts!();
    need!(Need::Root, Need::OtherUsers);
    let source = Told::new(None);
    let mounted = blind(StatusPolicy::All, &source);
    let mut process = process();
    process.end();
    let line = mounted.text(process.child(), "outcome");
    assert!(line.starts_with("unknown: "), "{line}");
    assert_eq!(mounted.read(process.child(), "siginfo"), b"");
    assert_eq!(source.asked().len(), 1);
}

#[test]
fn the_source_is_not_asked_for_what_the_kernel_tells() {
    need_mounts!();
    let source = Told::new(Some(FROM_THE_SOURCE));
    let given: Arc<dyn StatusSource> = Arc::<Told>::clone(&source);
    let mounted = Mounted::with(Options {
        source: Some(given),
        ..Options::default()
    });
    let mut own = exithand_testkit::actor(&["wait-then-exit", "3"]);
    own.release();
    own.wait_zombie();
    assert_eq!(mounted.text(own.pid(), "outcome"), "exited 3\n");
    assert!(source.asked().is_empty());
}

#[test]
fn the_policy_judges_who_is_told_by_the_source() {
    need_mounts!();
    need!(Need::Root, Need::OtherUsers);
    let source = Told::new(Some(FROM_THE_SOURCE));
    for (policy, owner, stranger) in [
        (StatusPolicy::All, Some(TOLD), Some(TOLD)),
        (StatusPolicy::User, Some(TOLD), None),
        (StatusPolicy::Parent, None, None),
        (StatusPolicy::Root, None, None),
    ] {
        let mounted = blind(policy, &source);
        let mut process = process();
        let path = mounted.path(process.child(), "outcome");
        let start = |user, told: Option<&'static str>| {
            let mut reader = Reader::start(user, &path);
            assert_eq!(reader.has_opened(), told.is_some(), "{policy}, {user:?}");
            (reader, told.unwrap_or_default())
        };
        let readers = [
            start(None, Some(TOLD)),
            start(Some(User::NOBODY), owner),
            start(Some(User::STRANGER), stranger),
        ];
        process.end();
        for (reader, told) in readers {
            assert_eq!(reader.finish(), told, "{policy}");
        }
    }
}

#[test]
fn the_kernel_policy_tells_a_stranger_no_more_because_the_source_knows() {
    need_mounts!();
    need!(Need::Root, Need::OtherUsers, Need::PidfdInfoExit);
    let source = Told::new(Some(FROM_THE_SOURCE));
    let mounted = blind(StatusPolicy::Kernel, &source);
    let mut process = process();
    let path = mounted.path(process.child(), "outcome");
    let mut stranger = Reader::start(Some(User::STRANGER), &path);
    assert!(stranger.has_opened());
    let mut late = mounted.open(process.child(), "outcome");
    process.end();
    // Not reaped in time: nobody but the zombie's readers may know.
    assert!(
        stranger
            .finish()
            .starts_with("unknown: zombie of another user")
    );
    assert_eq!(process.reap(), 0x0300);
    // What is known stays as it is, also where the kernel tells all after the reap.
    assert_eq!(mounted::read(&mut late).unwrap(), b"exited 77\n");
}
