//! A signal that parses has a name and a number that parse to the same, with and without `SIG`.
#![no_main]

use exithand::Signal;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(signal) = text.parse::<Signal>() else {
        return;
    };
    assert!(
        (1..=64).contains(&signal.number()),
        "{text:?} is {}",
        signal.number()
    );
    let forms = [
        signal.to_string(),
        signal.name().to_string(),
        signal.number().to_string(),
    ];
    for form in forms {
        let again: Signal = form.parse().expect("a printed signal parses");
        assert_eq!(again, signal, "{text:?} printed as {form:?}");
    }
});
