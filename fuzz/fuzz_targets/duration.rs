//! A duration that parses, written out in seconds, parses to the same.
#![no_main]

use exithand_cli::duration::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(duration) = parse(text) else {
        return;
    };
    let printed = format!("{}.{:09}s", duration.as_secs(), duration.subsec_nanos());
    let again = parse(&printed).expect("a duration in seconds parses");
    assert_eq!(again, duration, "{text:?} printed as {printed:?}");
});
