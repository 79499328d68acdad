//! A served directory of exithand files, in a process of its own.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test program uses a part of this"
)]

use std::env;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use exithand_fs::{Access, Options, StatusPolicy, serve};
use exithand_testkit::{Apart, User, actor_command, copy_program, play_apart, run_as, say};
use rustix::mount::{UnmountFlags, unmount};
use tempfile::TempDir;

/// Where the server's process is told to mount, and with which policy.
const MOUNT: &str = "EXITHAND_TEST_MOUNT";
const POLICY: &str = "EXITHAND_TEST_POLICY";
/// Set where only the mounter is to be served.
const ACCESS: &str = "EXITHAND_TEST_ACCESS";

/// A directory that is served until this is dropped.
pub struct Served {
    // Ends before the directory goes.
    server: Option<Apart>,
    directory: TempDir,
}

impl Served {
    /// Plays the server if this process was started to be it; says whether it was.
    pub fn play(test: &str) -> bool {
        play_apart(test, || {
            let directory = PathBuf::from(env::var_os(MOUNT).unwrap());
            let policy = env::var(POLICY).unwrap();
            serve_until_told(&directory, policy.parse().unwrap());
        })
    }

    /// Starts `test` again as a server for everybody.
    pub fn start(test: &str, policy: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        open_to_all(directory.path());
        let mut server = Apart::start(test, |mut command| {
            command.env(MOUNT, directory.path()).env(POLICY, policy);
            command
        });
        server.hear("ready");
        Self {
            server: Some(server),
            directory,
        }
    }

    /// Starts it for one user alone, as that user, who must be able to mount.
    pub fn start_as(user: User, test: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        open_to_all(directory.path());
        chown(directory.path(), Some(user.uid), Some(user.gid)).unwrap();
        // A copy that the user can run.
        let program = tempfile::tempdir().unwrap();
        open_to_all(program.path());
        let copy = program.path().join("server");
        copy_program(env::current_exe().unwrap(), &copy);
        let mut server = Apart::start(test, |command| {
            let mut own = Command::new(&copy);
            own.args(command.get_args()).current_dir("/");
            own.envs(
                command
                    .get_envs()
                    .filter_map(|(key, value)| Some((key, value?))),
            );
            own.env(MOUNT, directory.path()).env(POLICY, "kernel");
            own.env(ACCESS, "mounter");
            own.stdin(Stdio::piped()).stdout(Stdio::piped());
            run_as(user, own)
        });
        server.hear("ready");
        Self {
            server: Some(server),
            directory,
        }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Kills the server, as `kill -9` would.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Ends the server in order.
    pub fn finish(mut self) {
        if let Some(mut server) = self.server.take() {
            server.go();
            server.finish();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // A server that was killed leaves its mount behind; one that ended, none.
        self.server = None;
        unmount(self.directory.path(), UnmountFlags::DETACH).unwrap_or_default();
    }
}

fn serve_until_told(directory: &Path, status: StatusPolicy) {
    let options = Options {
        status,
        access: match env::var_os(ACCESS) {
            Some(_) => Access::Mounter,
            None => Access::Everybody,
        },
        ..Options::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let told = tokio::task::spawn_blocking(|| io::stdin().read_line(&mut String::new()));
        let told = async { drop(told.await) };
        let served = serve(directory, options, || say("ready"), told).await;
        served.unwrap();
    });
}

/// The suite and its actors, where any user can run them.
pub struct Suite(TempDir);

impl Suite {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        open_to_all(directory.path());
        let built = || OsString::from(env!("CARGO_BIN_EXE_exithand-conformance"));
        let suite = env::var_os("CARGO_BIN_EXE_exithand-conformance").unwrap_or_else(built);
        copy_program(suite, directory.path().join("suite"));
        let actor = actor_command(&[]);
        copy_program(actor.get_program(), directory.path().join("exithand-actor"));
        Self(directory)
    }

    /// A command that judges `root`.
    pub fn judge(&self, root: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(self.0.path().join("suite"));
        command.args(args).arg("--").arg(root).current_dir("/");
        command.env("EXITHAND_ACTOR", self.0.path().join("exithand-actor"));
        command
    }

    /// The same, by a user without privileges.
    pub fn judge_as_nobody(&self, root: &Path, args: &[&str]) -> Command {
        run_as(User::NOBODY, self.judge(root, args))
    }
}

/// What the suite printed, once it has passed.
#[track_caller]
pub fn passes(mut command: Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let said = String::from_utf8_lossy(&stdout).into_owned();
    let complaints = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{status}\n{said}{complaints}");
    said
}

/// The suite sends the pids round and so may disturb its own kind: one at a time.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_to_all(directory: &Path) {
    fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
}
