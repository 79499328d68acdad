//! When memory is gone: every allocation fails once the killer is armed, and the kill still happens.

mod arena;

use arena::{options, short_of, stop_after, text};
use exithand_lowmem::daemon::Daemon;
use exithand_lowmem::record::Mode;
use exithand_testkit::sys::{
    FailingAllocator, allow_allocations, fail_allocations, failed_allocations,
};
use exithand_testkit::{actor, run_isolated, test_name};

#[global_allocator]
static ALLOCATOR: FailingAllocator = FailingAllocator;

#[test]
fn kills_without_any_memory() {
    run_isolated(test_name!(), || {
        let mut hog = actor(&["hold", "600"]);
        let small = actor(&["hold", "30"]);
        let (reader, writer) = std::io::pipe().expect("make a pipe");
        let told = stop_after(reader, "\"outcome\"", 1);
        let config = short_of(300);
        let killer = Daemon::start(&config, options(writer.into(), Mode::Live));
        let mut killer = killer.expect("start the killer");
        killer.arm();
        fail_allocations();
        killer.run();
        allow_allocations();
        assert_eq!(failed_allocations(), 0, "none was even asked for");
        let told = text(told);
        assert!(told.contains("\"why\":\"low-memory\""), "{told}");
        assert_eq!(hog.wait(), 9);
        drop(small);
    });
}
