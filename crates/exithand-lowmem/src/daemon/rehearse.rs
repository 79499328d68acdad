//! A rehearsal of the way to a kill, on which nobody dies.
//!
//! What it touches, code above all, is in memory afterwards, and stays there where memory is locked.
//! So whatever was only needed to get ready can be given back before.

use exithand::ExitHandle;

use super::Settings;
use super::clock::now;
use super::core::Core;
use super::reaper::{Job, Reapers, Then};
use super::scope::Scope;
use crate::candidate::Identity;
use crate::decide::Why;
use crate::ledger::ROOM;
use crate::level::{Amount, Levels};
use crate::record::Mode;

/// So much is missing in the rehearsal: little enough for almost anybody to be worth it.
const MISSING_BYTES: u64 = 64 << 20;

/// Goes the whole way once, by levels at which memory is low. Returns a core that has seen victims
/// come and go, with all there is to tell of them.
pub(super) fn rehearse(scope: &mut Scope) -> Core {
    let available = scope.eyes.look(now(), u64::MAX);
    let low = available.map_or(0, |it| it.available_bytes.saturating_add(MISSING_BYTES));
    let mut settings = Settings::clone(&scope.core.lock().settings);
    settings.policy.levels = Levels {
        warn_bytes: low,
        soft_bytes: low,
        hard_bytes: low,
        floor_bytes: low,
        target_bytes: low,
    };
    // Free swap would have nobody die.
    settings.policy.tuning.swap_low = Amount::bytes(u64::MAX);
    let core = scope.core.apart(settings, Mode::DryRun);
    core.round(&mut scope.eyes, &mut scope.scanner);
    for slot in 0..ROOM {
        if core.lock().held[slot].is_some() {
            core.gone(slot, &mut scope.eyes);
        }
    }
    release_own(&core.reapers);
    scope.eyes.forget();
    // Else those who were to die in it would be left out of the first real choice.
    scope.scanner.forget();
    core
}

/// Has the threads that kill release the memory of this process, which the kernel refuses, as it does
/// not die.
fn release_own(reapers: &Reapers) {
    let Ok(handle) = ExitHandle::open(rustix::process::getpid()) else {
        return;
    };
    for _ in 0..reapers.threads {
        let Ok(handle) = handle.try_clone() else {
            return;
        };
        // The report is about nobody's victim, and is passed over.
        reapers.give(Job {
            slot: 0,
            identity: Identity::default(),
            handle,
            signal: None,
            why: Why::LowMemory,
            then: Then::Release,
        });
    }
}

#[cfg(test)]
mod tests {
    use exithand_testkit::{FakeMemory, actor, run_isolated, test_name};

    use super::*;
    use crate::config::Config;
    use crate::daemon::{Daemon, Format, Options};

    #[test]
    fn somebody_is_chosen_in_it_though_there_is_swap() {
        run_isolated(test_name!(), || {
            let mut memory = FakeMemory::new(8000).expect("pretend to have memory");
            memory.set_swap_free(4000);
            let mut victim = actor(&["hold", "100"]);
            let options = Options {
                mode: Mode::Live,
                out: std::fs::File::create("/dev/null").expect("open it").into(),
                format: Format::Json,
                helper: None,
                heartbeat: None,
                reload: Box::new(|| Ok(Config::default())),
            };
            let mut daemon = Daemon::start(&Config::default(), options).expect("start the killer");
            let rehearsed = rehearse(&mut daemon.scopes[0]);
            assert_eq!(rehearsed.lock().kills, 1, "{rehearsed:?}");
            assert_eq!(victim.try_wait().expect("look"), None, "it was a rehearsal");
        });
    }
}
