//! `exithand watch` where no recorder runs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use exithand_testkit::{Need, Pid, User, copy_program, need, run_as, wait_zombie};
use tempfile::TempDir;

use crate::common::{exithand, finish, start};

/// A folder for all users with the command in it, and a shell of a name that no other test has.
fn folder() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    copy_program(exithand().get_program(), folder.path().join("exithand"));
    copy_program("/bin/sh", folder.path().join("watched-shell"));
    folder
}

/// Starts `watch` for that shell, where no recorder can be found, and returns once it watches.
fn watch(folder: &TempDir, user: Option<User>) -> (Child, String) {
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs none /run; exec \"$@\"";
    command.args(["--mount", "sh", "-ec", script, "sh"]);
    if let Some(user) = user {
        let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
        command.args([
            "setpriv",
            "--reuid",
            &uid,
            "--regid",
            &gid,
            "--clear-groups",
        ]);
    }
    command.arg(folder.path().join("exithand"));
    command.args(["watch", "--json", "--limit", "1", "--name", "watched-shell"]);
    command.env("NO_COLOR", "1").env_remove("XDG_RUNTIME_DIR");
    command.stdin(Stdio::null());
    let mut child = start(&mut command);
    let mut said = String::new();
    let stderr = child.stderr.as_mut().unwrap();
    BufReader::new(stderr).read_line(&mut said).unwrap();
    (child, said)
}

/// Has a shell end, and leaves it to be reaped: until then it can be seen whose it is, however late.
fn end_with(folder: &TempDir, user: Option<User>, status: u8) -> Child {
    let mut command = Command::new(folder.path().join("watched-shell"));
    command.args(["-c", &format!("exit {status}")]);
    if let Some(user) = user {
        command = run_as(user, command);
    }
    let child = command.spawn().unwrap();
    wait_zombie(Pid::from_child(&child)).unwrap();
    child
}

#[test]
fn a_user_watches_the_own_processes_by_the_connector() {
    need!(
        Need::OtherUsers,
        Need::ProcConnector,
        Need::Program("unshare"),
        Need::Program("setpriv")
    );
    let folder = folder();
    let (child, said) = watch(&folder, Some(User::NOBODY));
    if said.contains("needs Linux 6.6") {
        finish(child).exits(125);
        return;
    }
    assert!(
        said.contains("only your own processes are watched"),
        "{said}"
    );
    let mut shells = [
        end_with(&folder, None, 6),
        end_with(&folder, Some(User::STRANGER), 5),
        end_with(&folder, Some(User::NOBODY), 7),
    ];
    let line = &finish(child).exits(0).json()[0];
    for shell in &mut shells {
        shell.wait().unwrap();
    }
    assert_eq!(line["pid"], shells[2].id(), "{line}");
    assert_eq!(
        (&line["outcome"], &line["status"]),
        (&"exited".into(), &7.into())
    );
    assert_eq!(line["uid"], User::NOBODY.uid);
    assert_eq!(line["comm"], "watched-shell");
}

#[test]
fn root_watches_all_by_the_connector() {
    need!(
        Need::OtherUsers,
        Need::ProcConnector,
        Need::Program("unshare")
    );
    let folder = folder();
    let (child, said) = watch(&folder, None);
    assert!(said.contains("no recorder runs"), "{said}");
    let mut shell = end_with(&folder, Some(User::STRANGER), 5);
    let line = &finish(child).exits(0).json()[0];
    shell.wait().unwrap();
    assert_eq!(
        (&line["pid"], &line["status"]),
        (&shell.id().into(), &5.into()),
        "{line}"
    );
}
