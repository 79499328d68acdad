//! A token that parses prints as a token that parses to the same.
#![no_main]

use exithand::Token;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(token) = text.parse::<Token>() else {
        return;
    };
    let printed = token.to_string();
    let again: Token = printed.parse().expect("a printed token parses");
    assert_eq!(again, token, "{text:?} printed as {printed:?}");
    assert_eq!(again.to_string(), printed);
    assert_eq!(again.boot_id(), token.boot_id());
    assert_eq!(again.pid(), token.pid());
});
