//! What the recorder's history says of victims, and the recorder itself as one.

use exithand_testkit::{FakeMemory, Need, actor, need, run_isolated, test_name};

use crate::common::{pid, run};
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
        let mut hog = actor(&["hold", "600"]);
        let mut polite = actor(&["hold", "100"]);
        let mut killer = Killer::start(folder.path(), &config);
        memory.set_available(300);
        killer.read_until("\"event\":\"outcome\"");
        assert_eq!(hog.wait(), 9);
        // There is no end to it now: all that may be killed is.
        killer.read_until("\"event\":\"outcome\"");
        assert_eq!(polite.wait(), 9);
        killer.read_until("\"notice\":\"nobody-to-kill\"");
        let explained = run(&["lowmem", "--explain", "--config", &config]).exits(0).stdout;
        assert!(explained.contains(": it is the recorder"), "{explained}");

        let socket = recorder.socket();
        let socket = socket.to_str().unwrap();
        let told = run(&["why", "--socket", socket, &pid(&hog)]).exits(0);
        let words = told.stdout.replace('\n', " ");
        let killer_pid = killer.pid().as_raw_nonzero();
        for sentence in [
            "was killed by SIGKILL".to_owned(),
            format!("The signal came from exithand (pid {killer_pid}) of root"),
            "which ends programs when memory runs out: memory was low.".to_owned(),
        ] {
            assert!(words.contains(&sentence), "{sentence}: {words}");
        }
        killer.stop();
        assert!(recorder.handle().state().is_ok());
    });
}
