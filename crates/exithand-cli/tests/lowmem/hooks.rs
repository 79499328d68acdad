//! What is told while it runs: hooks, the configuration read again, the metrics.

use std::fs;

use exithand_testkit::{actor, run_isolated, test_name};
use rustix::process::Signal;

use crate::killer::{Killer, fifo, file, short_of};

#[test]
fn kills_tells_hooks_and_reads_its_configuration_again() {
    run_isolated(test_name!(), || {
        let folder = tempfile::tempdir().unwrap();
        let seen = folder.path().join("seen");
        fifo(&seen);
        let metrics = folder.path().join("metrics");
        let tail = format!(
            "[hook]\nafter = [\"sh\", \"-c\", \"cat > {0}\"]\n\
             [metrics]\nfile = \"{1}\"\n",
            seen.display(),
            metrics.display()
        );
        let config = file(folder.path(), &tail);
        let mut killer = Killer::start(folder.path(), &config);
        killer.signal(Signal::HUP);
        killer.read_until("\"notice\":\"reloaded\"");
        fs::write(&config, "[levels]\nflor = \"1%\"\n").unwrap();
        killer.signal(Signal::HUP);
        killer.read_until("\"notice\":\"reload-failed\"");

        let mut hog = actor(&["hold", "600"]);
        fs::write(&config, short_of(300) + &tail).unwrap();
        killer.signal(Signal::HUP);
        killer.read_until("\"event\":\"outcome\"");
        assert_eq!(hog.wait(), 9);
        let record = fs::read_to_string(seen).unwrap();
        assert!(record.contains("\"event\":\"outcome\""), "{record}");
        let complaints = killer.stop();
        assert!(
            complaints.contains("did you mean levels.floor?"),
            "{complaints}"
        );
        let metrics = fs::read_to_string(metrics).unwrap();
        assert!(
            metrics.contains("exithand_lowmem_decisions_total 1\n"),
            "{metrics}"
        );
    });
}
