//! A user's own killer.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use exithand_testkit::{
    FakeMemory, Need, User, actor, copy_program, need, run_as, run_isolated, test_name,
};

use crate::common::{Ran, exithand, pid};
use crate::killer::{Killer, file, levels};

/// The command as that user runs it, who reaches a copy of it.
fn as_nobody(folder: &Path) -> Command {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.join("exithand");
    if !copy.exists() {
        copy_program(exithand().get_program(), &copy);
    }
    let mut command = Command::new(copy);
    command.env("NO_COLOR", "1");
    run_as(User::NOBODY, command)
}

#[test]
fn it_kills_the_users_own_and_says_what_it_lacks() {
    need!(Need::OtherUsers, Need::PrivatePidNamespace);
    run_isolated(test_name!(), || {
        let mut memory = FakeMemory::new(1000).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = file(folder.path(), &levels(500));
        let mut own = actor(&["as-user", "65534", "65534", "hold", "300"]);
        let mut of_root = actor(&["hold", "400"]);

        let mut explain = as_nobody(folder.path());
        explain.args(["lowmem", "--explain", "--config", &config]);
        let ran = Ran::from(explain.output().unwrap()).exits(0);
        let mib = |it: &str| {
            it.split_ascii_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let ranked: Vec<_> = ran
            .stdout
            .lines()
            .map(mib)
            .filter(|it| it.len() == 6 + 1)
            .collect();
        assert!(ranked.iter().any(|it| it[0] == pid(&own)), "{ran:?}");
        let spared = format!("spared  {} exithand-actor, 40", pid(&of_root));
        let line = ran.stdout.lines().find(|it| it.starts_with(&spared));
        let line = line.unwrap_or_else(|| panic!("{spared} is missing: {ran:?}"));
        assert!(line.ends_with("it belongs to another user"), "{line}");

        let mut killer = Killer::launch(as_nobody(folder.path()), folder.path(), &config);
        memory.set_available(300);
        killer.read_until("\"event\":\"outcome\"");
        assert_eq!(own.wait(), 9);
        assert_eq!(of_root.try_wait().unwrap(), None);
        killer.read_until("\"notice\":\"nobody-to-kill\"");
        let said = killer.stop();
        for words in [
            "only processes of uid 65534 are watched over: run as root for all",
            "memory is not locked: run as root, or give CAP_IPC_LOCK",
            "give CAP_SYS_RESOURCE, or OOMScoreAdjust=-1000 in the unit",
            "give CAP_SYS_NICE, or Nice=-20 in the unit",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
    });
}
