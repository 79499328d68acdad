//! Victims that the killer may not signal after all.

mod arena;

use arena::{below_500, events, run_until};
use exithand_testkit::{Actor, FakeMemory, Need, actor, need, run_isolated, test_name};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// Gives up the right to signal others' processes, which root has otherwise.
fn without_cap_kill() {
    let mut sets = capabilities(None).expect("look at capabilities");
    sets.effective.remove(CapabilitySet::KILL);
    sets.permitted.remove(CapabilitySet::KILL);
    set_capabilities(None, sets).expect("give one up");
}

#[test]
fn whoever_may_not_be_signalled_is_left_out_and_the_next_dies() {
    need!(Need::OtherUsers, Need::PrivatePidNamespace);
    run_isolated(test_name!(), || {
        let _low = FakeMemory::new(300).expect("pretend to be short of memory");
        // The smallest that covers what is needed, and the next.
        let mut foreign = actor(&["as-user", "65534", "65534", "hold", "300"]);
        let mut own = actor(&["hold", "600"]);
        without_cap_kill();
        let told = run_until(&below_500(), "\"event\":\"outcome\"", 1);
        assert_eq!(own.wait(), 9, "{told}");
        assert_eq!(foreign.try_wait().expect("look"), None, "{told}");
        let number = |it: &Actor| it.pid().as_raw_nonzero().get();
        let refused = events(&told, "not-permitted");
        let [refused] = refused.as_slice() else {
            panic!("it is told once: {told}");
        };
        assert_eq!(refused["pid"], number(&foreign), "{told}");
        let victims: Vec<_> = events(&told, "decision")
            .iter()
            .map(|it| it["candidates"][0]["identity"]["pid"].clone())
            .collect();
        assert_eq!(victims, [number(&foreign), number(&own)], "{told}");
    });
}
