//! What a service manager hears, also while the killer cannot speak.

use std::fs::{self, File};
use std::io::Write;

use exithand_testkit::{FakeMemory, Need, actor, need, run_isolated, test_name};
use rustix::process::Signal;

use crate::common::exithand;
use crate::killer::{Killer, fifo, file, levels};

/// Starts one that is to say so often that it lives.
fn with_watchdog(folder: &tempfile::TempDir, config: &str, every_us: &str) -> Killer {
    let mut command = exithand();
    command.env("WATCHDOG_USEC", every_us);
    Killer::launch(command, folder.path(), config)
}

#[test]
fn it_is_ready_first_and_then_says_again_and_again_that_it_lives() {
    run_isolated(test_name!(), || {
        let folder = tempfile::tempdir().unwrap();
        let config = file(folder.path(), "");
        let killer = with_watchdog(&folder, &config, "20000");
        for _ in 0..20 {
            assert_eq!(killer.heard(), "WATCHDOG=1");
        }
        assert_eq!(killer.stop().matches("service").count(), 0);
    });
}

#[test]
fn it_says_no_more_often_that_it_lives_than_it_was_asked_to() {
    run_isolated(test_name!(), || {
        for (every_us, beats) in [("3600000000", 1), ("0", 0), ("soon", 0)] {
            let folder = tempfile::tempdir().unwrap();
            let config = file(folder.path(), "");
            let mut killer = with_watchdog(&folder, &config, every_us);
            for _ in 0..3 {
                killer.signal(Signal::HUP);
                killer.read_until("\"notice\":\"reloaded\"");
            }
            assert_eq!(killer.unheard(), beats, "{every_us}");
            killer.stop();
        }
    });
}

#[test]
fn while_the_loop_stalls_the_watchdog_kills_and_nobody_is_told_that_it_lives() {
    need!(Need::PrivatePidNamespace);
    run_isolated(test_name!(), || {
        let mut memory = FakeMemory::new(1000).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = file(folder.path(), &levels(500));
        let mut killer = with_watchdog(&folder, &config, "100000");
        // A file that is there and cannot be read, as on a filesystem that hangs.
        fs::remove_file(&config).unwrap();
        fifo(config.as_ref());
        killer.signal(Signal::HUP);
        // Opens once the killer has opened it, too.
        let mut hangs = File::options().write(true).open(&config).unwrap();
        killer.unheard();
        let mut hog = actor(&["hold", "600"]);
        let mut small = actor(&["hold", "20"]);
        memory.set_available(300);
        assert_eq!(hog.wait(), 9);
        assert_eq!(killer.unheard(), 0);
        memory.set_available(900);
        hangs.write_all(levels(500).as_bytes()).unwrap();
        drop(hangs);
        killer.read_until("\"notice\":\"stalled\"");
        let decision = killer.read_until("\"event\":\"decision\"");
        let pid = hog.pid().as_raw_nonzero().get();
        assert_eq!(decision["decision"], 1);
        assert_eq!(decision["why"], "low-memory");
        assert_eq!(decision["candidates"][0]["identity"]["pid"], pid);
        let outcome = killer.read_until("\"event\":\"outcome\"");
        assert_eq!(
            (&outcome["pid"], &outcome["late"]),
            (&pid.into(), &false.into())
        );
        assert_eq!(killer.heard(), "WATCHDOG=1", "it lives again");
        killer.stop();
        assert_eq!(small.try_wait().unwrap(), None);
    });
}
