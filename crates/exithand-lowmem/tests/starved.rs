//! When memory is gone: every allocation fails once the killer is armed, and the kill still happens.

mod arena;

use arena::{below_500, options, stop_after, text};
use exithand::{ExitHandle, Token};
use exithand_lowmem::daemon::Daemon;
use exithand_lowmem::record::Mode;
use exithand_testkit::sys::{
    FailingAllocator, allow_allocations, fail_allocations, failed_allocations,
};
use exithand_testkit::{FakeMemory, actor, run_isolated, test_name};
use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static ALLOCATOR: FailingAllocator = FailingAllocator;

#[test]
fn kills_without_any_memory() {
    run_isolated(test_name!(), || {
        let _low = FakeMemory::new(300).expect("pretend to be short of memory");
        let mut hog = actor(&["hold", "60"]);
        let small = actor(&["hold", "20"]);
        let (reader, writer) = std::io::pipe().expect("make a pipe");
        let told = stop_after(reader, "\"outcome\"", 1);
        let killer = Daemon::start(&below_500(), options(writer.into(), Mode::Live));
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

#[test]
fn opens_what_older_kernels_mark_by_its_start_without_any_memory() {
    // Alone in its process, so that nobody else asks for memory.
    run_isolated(test_name!(), || {
        let actor = actor(&["hang"]);
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", actor.pid()));
        let stat = stat.expect("it lives");
        let ticks = stat.split(' ').nth(21).and_then(|it| it.parse().ok());
        let token = Token::of_start(Some(actor.pid()), ticks.expect("it is a number"));
        // Before Linux 6.4 the first look at a clock takes memory, and the killer had its own long ago.
        std::hint::black_box(clock_gettime(ClockId::Monotonic));
        fail_allocations();
        let opened = ExitHandle::open_token(&token);
        let state = opened.as_ref().map(ExitHandle::state);
        let is_alive = matches!(state, Ok(Ok(exithand::State::Alive)));
        allow_allocations();
        assert!(is_alive, "{opened:?}");
        assert_eq!(failed_allocations(), 0, "none was even asked for");
    });
}
