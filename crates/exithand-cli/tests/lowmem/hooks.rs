//! What is told while it runs: hooks, the configuration read again, the metrics.

use std::fs;

use exithand_testkit::{FakeMemory, Need, actor, need, run_isolated, test_name};
use rustix::process::Signal;

use crate::killer::{Killer, fifo, file, levels, short_of};

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

#[test]
fn what_needs_a_restart_is_said() {
    run_isolated(test_name!(), || {
        let folder = tempfile::tempdir().unwrap();
        let config = file(folder.path(), "");
        let mut killer = Killer::start(folder.path(), &config);
        let metrics = folder.path().join("metrics");
        let text = format!(
            "[hook]\nafter = [\"true\"]\n[metrics]\nfile = \"{}\"\n[[cgroup]]\npath = \"/none\"\n",
            metrics.display()
        );
        fs::write(&config, text).unwrap();
        killer.signal(Signal::HUP);
        killer.read_until("\"notice\":\"reloaded\"");
        let said = killer.stop();
        for what in [
            "the first hook",
            "another list of cgroups",
            "another metrics.file",
        ] {
            let words = format!("{what} is used after a restart only");
            assert!(said.contains(&words), "{words}: {said}");
        }
        assert!(!metrics.exists());
    });
}

#[test]
fn a_hook_that_hangs_holds_nothing_up_and_a_disk_that_is_full_neither() {
    need!(Need::PrivatePidNamespace);
    run_isolated(test_name!(), || {
        let mut memory = FakeMemory::new(1000).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let seen = folder.path().join("seen");
        fifo(&seen);
        // Nobody but the kernel ends the first; the second shows that it was ended.
        let tail = format!(
            "[hook]\ntimeout = \"100ms\"\nbefore = [\"sh\", \"-c\", \"trap '' TERM; exec sleep 100000\"]\n\
             after = [\"sh\", \"-c\", \"cat > {}\"]\n[metrics]\nfile = \"/dev/full\"\n",
            seen.display()
        );
        let config = file(folder.path(), &(levels(500) + &tail));
        let mut hog = actor(&["hold", "600"]);
        let mut killer = Killer::start(folder.path(), &config);
        memory.set_available(300);
        let decision = killer.read_until("\"event\":\"decision\"");
        assert_eq!(decision["decision"], 1);
        killer.read_until("\"event\":\"outcome\"");
        assert_eq!(hog.wait(), 9);
        let record = fs::read_to_string(seen).unwrap();
        assert!(record.contains("\"event\":\"outcome\""), "{record}");
        memory.set_available(900);
        let said = killer.stop();
        assert!(said.contains("killed after 100ms"), "{said}");
    });
}
