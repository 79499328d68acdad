//! What the recorder's history says of victims, and the recorder itself as one.

use std::process::Command;

use exithand_testkit::{
    Actor, FakeMemory, Need, actor, actor_command, copy_program, need, run_isolated, test_name,
};

use crate::common::run;
use crate::killer::{Killer, file, levels};
use crate::recorder::Recorder;

#[test]
fn the_history_names_the_killer_and_why_and_the_recorder_is_never_chosen() {
    need!(Need::Bpf, Need::PrivatePidNamespace);
    run_isolated(test_name!(), || {
        let mut memory = FakeMemory::new(1000).unwrap();
        let recorder = Recorder::start(&[]);
        let folder = tempfile::tempdir().unwrap();
        let more = "[kill]\nmin-victim = \"1M\"\n";
        let config = file(folder.path(), &(levels(500) + more));
        // A name of its own: the probes see all of the machine, and number it in their own way.
        let program = folder.path().join("lowmem-hog");
        copy_program(actor_command(&[]).get_program(), &program);
        let mut command = Command::new(program);
        command.args(["hold", "600"]);
        let mut hog = Actor::start(command);
        let mut polite = actor(&["hold", "100"]);
        let mut killer = Killer::start(folder.path(), &config);
        memory.set_available(300);
        killer.read_until("\"event\":\"outcome\"");
        assert_eq!(hog.wait(), 9);
        // Memory does not come back here, so all die that may.
        killer.read_until("\"notice\":\"nobody-to-kill\"");
        killer.read_until("\"event\":\"outcome\"");
        assert_eq!(polite.wait(), 9);
        let explained = run(&["lowmem", "--explain", "--config", &config])
            .exits(0)
            .stdout;
        assert!(explained.contains(": it is the recorder"), "{explained}");

        let socket = recorder.socket();
        let socket = socket.to_str().unwrap();
        let told = run(&["why", "--socket", socket, "lowmem-hog"]).exits(0);
        let words = told.stdout.replace('\n', " ");
        for sentence in [
            "was killed by SIGKILL",
            "The signal came from exithand",
            "which ends programs when memory runs out: memory was low.",
        ] {
            assert!(words.contains(sentence), "{sentence}: {words}");
        }
        killer.stop();
        assert!(recorder.handle().state().is_ok());
    });
}
