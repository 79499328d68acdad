//! Runs a test, or a command, as pid 1 of pid and mount namespaces of its own.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::process::{self, Command, ExitStatus, Stdio};
use std::thread;

use crate::binary::actor_path;
use crate::{Need, skip};

pub(crate) const PID_MAX: &str = "/proc/sys/kernel/pid_max";
/// Names the test that already runs inside.
const INSIDE: &str = "EXITHAND_ISOLATED";
/// Proof that the harness found the test, and that the test ran to its end.
const RETURNED: &str = "exithand-testkit: the test returned";

/// A fresh pid namespace and a fresh mount namespace with `/proc` mounted.
///
/// Whoever is not root gets a user namespace around them, and is root inside. When the caller ends,
/// in whatever way, pid 1 is killed, and the kernel kills all others with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Isolation {
    pid_max: Option<u32>,
}

/// An isolation in which pids are reused soon.
///
/// After the first round only pids from 300 up are given out: with a `pid_max` of 301 every new
/// process and thread gets pid 300 and there can be only one at a time, with 310 there are ten. The
/// lowest value allowed is 301, and more on machines with over 37 processors.
pub fn private_pid_namespace(pid_max: u32) -> Isolation {
    Isolation {
        pid_max: Some(pid_max),
    }
}

/// Runs `body`, which is all of the test `test`, as pid 1 of namespaces of its own.
///
/// # Panics
/// If the test fails inside.
#[track_caller]
pub fn run_isolated(test: &str, body: impl FnOnce()) {
    Isolation::default().run(test, body);
}

impl Isolation {
    /// Runs `body`, which is all of the test `test`, inside; skips where that is impossible.
    ///
    /// The test program is started again for this one test. `test` is its name with modules, see
    /// [`test_name`](crate::test_name).
    ///
    /// ```no_run
    /// use exithand_testkit::{private_pid_namespace, test_name};
    ///
    /// fn a_reused_pid_is_another_process() {
    ///     private_pid_namespace(310).run(test_name!(), || {
    ///         assert_eq!(std::process::id(), 1);
    ///     });
    /// }
    /// ```
    ///
    /// # Panics
    /// If the test fails inside.
    #[track_caller]
    pub fn run(self, test: &str, body: impl FnOnce()) {
        if let Some(report) = self.report(test, body) {
            report.print();
            assert!(report.passed(), "{test} failed inside: {}", report.status);
        }
    }

    /// As [`Isolation::run`], but tells how it went instead of failing.
    ///
    /// `None` if the test is skipped, and inside, after `body`.
    ///
    /// # Panics
    /// If the test program cannot be started again.
    #[expect(clippy::print_stdout, reason = "read by the outer run")]
    pub fn report(self, test: &str, body: impl FnOnce()) -> Option<Report> {
        if env::var_os(INSIDE).is_some_and(|inside| inside == OsStr::new(test)) {
            enter();
            body();
            println!("{RETURNED}");
            return None;
        }
        if let Some(need) = self.unmet() {
            skip(test, need);
            return None;
        }
        Some(self.run_again(test).expect("run this test program again"))
    }

    /// A command that runs `program` inside, as pid 1; arguments and the rest can be added.
    ///
    /// Ask for [`Need::PerNamespacePidMax`] first: where `pid_max` is global this would change it.
    pub fn command(self, program: impl AsRef<OsStr>) -> Command {
        let pid_max = self
            .pid_max
            .map_or("-".to_owned(), |pid_max| pid_max.to_string());
        let mut command = Command::new(actor_path());
        command.args(["isolate", &pid_max]).arg(program);
        command
    }

    /// Has `command` run inside, with its arguments and environment; not with its stdio.
    ///
    /// As for [`Isolation::command`], ask first.
    #[must_use]
    pub fn wrap(self, command: &Command) -> Command {
        let mut wrapped = self.command(command.get_program());
        wrapped.args(command.get_args());
        wrapped.envs(
            command
                .get_envs()
                .filter_map(|(key, value)| Some((key, value?))),
        );
        wrapped
    }

    fn unmet(self) -> Option<Need> {
        let pid_max = self.pid_max.map(Need::PerNamespacePidMax);
        [Some(Need::PrivatePidNamespace), pid_max]
            .into_iter()
            .flatten()
            .find(|need| !need.met())
    }

    fn run_again(self, test: &str) -> io::Result<Report> {
        let mut command = self.command(env::current_exe()?);
        // Nothing of the harness runs beside the body.
        command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
        command
            .env(INSIDE, test)
            .env("EXITHAND_ACTOR", actor_path());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        // Held open until the end: what runs inside ends when it closes.
        let lifeline = child.stdin.take();
        let output = child.wait_with_output()?;
        drop(lifeline);
        Ok(Report {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// How a test went inside.
#[derive(Debug)]
pub struct Report {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Report {
    /// Whether the test ran, and passed.
    pub fn passed(&self) -> bool {
        self.status.success() && self.stdout.contains(RETURNED)
    }

    /// All that was written, stdout before stderr.
    pub fn output(&self) -> String {
        [self.stdout.as_str(), self.stderr.as_str()].concat()
    }

    #[expect(
        clippy::print_stdout,
        reason = "only print! is captured with the test's output"
    )]
    fn print(&self) {
        println!("{}", self.output());
    }
}

/// Sees to it that this process does not outlive the caller, and sees a `/proc` of its own.
fn enter() {
    thread::spawn(|| match io::stdin().read_to_end(&mut Vec::new()) {
        Ok(_) | Err(_) => process::exit(125),
    });
    // Had the mount failed, pids in /proc would be those of another namespace.
    let this = fs::read_link("/proc/self").expect("read /proc/self");
    assert_eq!(
        this.as_os_str(),
        process::id().to_string().as_str(),
        "/proc is of this namespace"
    );
}
