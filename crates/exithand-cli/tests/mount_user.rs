//! `exithand mount` by an ordinary user, through `fusermount3`.
//!
//! Run by root, in namespaces of its own, where `/dev/fuse` is open to all as on most machines.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod common;

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{Ran, exithand, finish, pid, start};
use exithand_testkit::{
    Actor, Need, User, actor, actor_command, copy_program, need, open_fuse_to_all, run_as,
    run_isolated, test_name,
};
use rustix::mount::mount_bind;
use tempfile::TempDir;

/// The user who mounts.
const USER: User = User::NOBODY;

macro_rules! as_a_user {
    ($body:expr) => {
        need!(Need::UserFuse, Need::Program("fusermount3"));
        run_isolated(test_name!(), || {
            open_fuse_to_all().unwrap();
            $body(Home::new());
        });
    };
}

/// A folder of the user's, with a program that the user can run.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let program = folder.path().join("exithand");
        copy_program(exithand().get_program(), program);
        let actor = folder.path().join("actor");
        copy_program(actor_command(&[]).get_program(), actor);
        chown(folder.path(), Some(USER.uid), Some(USER.gid)).unwrap();
        Self(folder)
    }

    /// Where the files are by default.
    fn files(&self) -> PathBuf {
        self.0.path().join("exithand-files").join("exithand")
    }

    /// A command of `user`, who has the runtime directory of the one who mounts.
    fn run_as(&self, user: User, program: &Path, args: &[&str]) -> Command {
        let runtime = self.files().parent().unwrap().to_owned();
        if !runtime.exists() {
            fs::create_dir(&runtime).unwrap();
            chown(&runtime, Some(USER.uid), Some(USER.gid)).unwrap();
        }
        let mut command = Command::new(program);
        command.args(args).current_dir("/");
        command.env("XDG_RUNTIME_DIR", runtime).env("LC_ALL", "C");
        command.env("NO_COLOR", "1").stdin(Stdio::null());
        run_as(user, command)
    }

    fn exithand(&self, args: &[&str]) -> Command {
        self.run_as(USER, &self.0.path().join("exithand"), args)
    }

    fn ran(&self, args: &[&str]) -> Ran {
        self.exithand(args).output().unwrap().into()
    }

    /// Serves on the default directory, and returns once the files are there.
    fn serve(&self, options: &[&str]) -> Child {
        let mut server = start(&mut self.exithand(&[&["mount"], options].concat()));
        let mut line = String::new();
        let stdout = server.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{:?}", finish(server));
        server
    }

    /// A process of `user`.
    fn actor(&self, user: User, args: &[&str]) -> Actor {
        let mut command = Command::new(self.0.path().join("actor"));
        command.args(args);
        Actor::start(run_as(user, command))
    }

    /// What `cat` of a file says to `user`, or complains about.
    fn cat(&self, user: User, actor: &Actor, file: &str) -> Result<String, String> {
        let path = self.files().join(pid(actor)).join(file);
        let mut command = self.run_as(user, Path::new("cat"), &[path.to_str().unwrap()]);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if output.status.success() {
            Ok(text(output.stdout))
        } else {
            Err(text(output.stderr))
        }
    }

    /// The numbers that `ls` lists to `user`.
    fn list(&self, user: User) -> Vec<String> {
        let files = self.files();
        let mut command = self.run_as(user, Path::new("ls"), &[files.to_str().unwrap()]);
        let output = command.output().unwrap();
        let listed = String::from_utf8(output.stdout).unwrap();
        listed.lines().map(str::to_owned).collect()
    }
}

fn end(server: &Child) {
    let handle = exithand::ExitHandle::from_child(server).unwrap();
    handle.send_signal(exithand::Signal::TERM).unwrap();
}

#[test]
fn a_user_is_served_alone() {
    as_a_user!(|home: Home| {
        let server = home.serve(&[]);
        let mut own = home.actor(USER, &["wait-then-exit", "3"]);
        let path = home.files().join(pid(&own)).join("outcome");
        let cat = home.run_as(USER, Path::new("cat"), &[path.to_str().unwrap()]);
        let reader = { cat }.stdout(Stdio::piped()).spawn().unwrap();
        for stranger in [User { uid: 0, gid: 0 }, User::STRANGER] {
            let denied = home.cat(stranger, &own, "exithand").unwrap_err();
            assert!(denied.contains("Permission denied"), "{denied}");
        }
        own.release();
        assert_eq!(own.wait(), 0x0300);
        let output = reader.wait_with_output().unwrap();
        // It may have come too late to open, or the reap too late for it.
        assert!([&b""[..], b"exited 3\n"].contains(&output.stdout.as_slice()));
        end(&server);
        finish(server).exits(0);
    });
}

#[test]
fn a_user_unmounts_while_somebody_reads_and_mounts_again_after_a_crash() {
    as_a_user!(|home: Home| {
        let hung = home.actor(USER, &["hang"]);
        let path = home.files().join(pid(&hung)).join("exithand");
        let read = || {
            let script = "exec 3< \"$1\"; echo open; exec cat <&3";
            let args = ["-c", script, "sh", path.to_str().unwrap()];
            let mut reader = start(&mut home.run_as(USER, Path::new("sh"), &args));
            let mut line = [0; 5];
            reader
                .stdout
                .as_mut()
                .unwrap()
                .read_exact(&mut line)
                .unwrap();
            assert_eq!(&line, b"open\n");
            reader
        };
        let server = home.serve(&[]);
        let reader = read();
        end(&server);
        finish(server).exits(0);
        assert_ne!(finish(reader).code, 0, "an error at once, never a hang");

        let mut server = home.serve(&[]);
        let reader = read();
        server.kill().unwrap();
        server.wait().unwrap();
        assert_ne!(finish(reader).code, 0, "an error at once, never a hang");
        home.ran(&["mount", "--daemonize"]).exits(0).complains("");
        assert!(home.list(USER).contains(&pid(&hung)));
        home.ran(&["mount"]).exits(125).complains("mounted already");
        home.ran(&["umount"]).exits(0);
        home.ran(&["umount"]).exits(125);
        assert!(home.list(USER).is_empty());
    });
}

#[test]
fn a_user_hides_what_is_not_the_readers_own() {
    as_a_user!(|home: Home| {
        let server = home.serve(&["--hide"]);
        let (own, foreign) = (home.actor(USER, &["hang"]), actor(&["hang"]));
        let listed = home.list(USER);
        assert!(listed.contains(&pid(&own)), "{listed:?}");
        assert!(!listed.contains(&pid(&foreign)) && !listed.contains(&"1".to_owned()));
        assert!(home.cat(USER, &own, "token").is_ok());
        let absent = home.cat(USER, &foreign, "token").unwrap_err();
        assert!(absent.contains("No such file"), "{absent}");
        end(&server);
        finish(server).exits(0);
    });
}

#[test]
fn a_user_serves_others_only_where_root_allows_it() {
    as_a_user!(|home: Home| {
        let config = home.0.path().join("fuse.conf");
        File::create(&config).unwrap();
        mount_bind(&config, "/etc/fuse.conf").unwrap();
        home.ran(&["mount", "--allow-other"])
            .exits(125)
            .complains("user_allow_other");
        fs::write(&config, "user_allow_other\n").unwrap();
        let server = home.serve(&["--allow-other", "--hide"]);
        let own = home.actor(USER, &["hang"]);
        let other = home.actor(User::STRANGER, &["hang"]);
        assert!(home.cat(User::STRANGER, &other, "token").is_ok());
        assert!(home.cat(User::STRANGER, &own, "token").is_err());
        assert!(!home.list(User::STRANGER).contains(&pid(&own)));
        end(&server);
        finish(server).exits(0);
    });
}
