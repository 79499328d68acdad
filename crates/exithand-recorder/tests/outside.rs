//! Bytes from outside, whole, cut, changed or made up, never bring a decoder down.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

use exithand_recorder::fuzz;
use proptest::collection::vec;
use proptest::prelude::*;

const DECODERS: [fn(&[u8]) -> String; 5] = [
    fuzz::ring,
    fuzz::connector,
    fuzz::taskstats,
    fuzz::request,
    fuzz::reply,
];

fn all(bytes: &[u8]) {
    for decoder in DECODERS {
        decoder(bytes);
    }
    fuzz::kernel_types(bytes, "sched_process_exit");
}

/// The head of a ring's record: the kind, flags, and a length that is true.
fn ring(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).unwrap();
    let mut bytes = Vec::new();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(length.to_ne_bytes());
    bytes.extend(body);
    bytes
}

/// A message of the connector about a process.
fn connector(what: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    for word in [1_u32, 1, 0, 0, 40, what] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(body);
    bytes
}

/// A netlink attribute with a length that is true.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).unwrap();
    let mut bytes = Vec::new();
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Statistics of a thread, for a family.
fn taskstats(family: u16, version: u16, stats: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 20];
    bytes[4..6].copy_from_slice(&family.to_ne_bytes());
    let stats = [&version.to_ne_bytes()[..], stats].concat();
    let inner = [attribute(1, &[7, 0, 0, 0]), attribute(3, &stats)].concat();
    bytes.extend(attribute(4, &inner));
    bytes
}

/// The kernel's types with sections where they say.
fn types(types: &[u8], strings: &[u8]) -> Vec<u8> {
    let length = |it: &[u8]| u32::try_from(it.len()).unwrap();
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    let words = [24, 0, length(types), length(types), length(strings)];
    bytes.extend(words.iter().flat_map(|it| it.to_ne_bytes()));
    bytes.extend(types);
    bytes.extend(strings);
    bytes
}

fn requests() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("outcome"),
        Just("query"),
        Just("stats"),
        Just("subscribe"),
        Just("status"),
    ];
    let value = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|it| it.to_string()),
        any::<f64>().prop_map(|it| it.to_string()),
        ".*".prop_map(|it| serde_json_text(&it)),
        vec(".{0,8}", 0..3).prop_map(|it| format!(
            "[{}]",
            it.iter()
                .map(|it| serde_json_text(it))
                .collect::<Vec<_>>()
                .join(",")
        )),
    ];
    let field = prop_oneof![
        Just("token"),
        Just("when"),
        Just("limit"),
        Just("order"),
        Just("after"),
        Just("by"),
        Just("bucket_ns"),
    ];
    let wanted = prop_oneof![
        Just("since"),
        Just("pids"),
        Just("names"),
        Just("outcomes"),
        Just("signals"),
        Just("killer"),
        Just("oom"),
        Just("min_runtime"),
    ];
    (word, field, value.clone(), wanted, value).prop_map(|(word, field, value, wanted, sought)| {
        format!(r#"{{"do":"{word}","{field}":{value},"filter":{{"{wanted}":{sought}}}}}"#)
    })
}

/// Text in the quotes of JSON.
fn serde_json_text(text: &str) -> String {
    let escaped = text.chars().map(|it| match it {
        '"' | '\\' => format!("\\{it}"),
        it if it.is_control() => format!("\\u{:04x}", u32::from(it)),
        it => it.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..1024)) {
        all(&bytes);
    }

    #[test]
    fn records_of_the_ring_are_read_or_refused(
        kind in 0_u16..4,
        flags in any::<u16>(),
        body in vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..600),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = ring(kind, flags, &body);
        all(&bytes);
        all(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn messages_of_the_kernel_are_read_or_refused(
        what in prop_oneof![Just(0_u32), Just(1), Just(2), Just(0x8000_0000), any::<u32>()],
        version in 10_u16..20,
        body in vec(any::<u8>(), 0..500),
        cut in any::<prop::sample::Index>(),
    ) {
        for bytes in [connector(what, &body), taskstats(29, version, &body)] {
            all(&bytes);
            all(&bytes[..cut.index(bytes.len())]);
        }
    }

    #[test]
    fn attributes_that_lie_about_their_length_are_refused(
        length in any::<u16>(),
        at in any::<prop::sample::Index>(),
        body in vec(any::<u8>(), 380..420),
    ) {
        let mut bytes = taskstats(29, 13, &body);
        let at = at.index(bytes.len() - 1);
        bytes[at..at + 2].copy_from_slice(&length.to_ne_bytes());
        all(&bytes);
    }

    #[test]
    fn types_that_lie_are_refused(
        table in vec(any::<u8>(), 0..200),
        word in any::<u32>(),
        at in 0_usize..24,
    ) {
        let mut bytes = types(&table, b"\0btf_trace_sched_process_exit\0");
        all(&bytes);
        bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
        all(&bytes);
    }

    #[test]
    fn requests_are_understood_or_refused(request in requests(), cut in any::<prop::sample::Index>()) {
        all(request.as_bytes());
        all(&request.as_bytes()[..cut.index(request.len())]);
        // What was understood is understood again.
        let again = fuzz::request(request.as_bytes());
        if again.starts_with('{') {
            prop_assert_eq!(fuzz::request(again.as_bytes()), again);
        }
    }
}

#[test]
fn what_is_whole_is_read() {
    // Otherwise the properties above would hold of decoders that refuse everything.
    assert!(fuzz::ring(&ring(2, 0, &[0; 16])).starts_with("Some(Cgroup"));
    assert!(fuzz::ring(&ring(1, 0, &[0; 160])).starts_with("Some(Exit"));
    assert!(fuzz::connector(&connector(0x8000_0000, &[0; 40])).starts_with("Some(Exit"));
    assert!(fuzz::taskstats(&taskstats(29, 13, &[0; 500])).starts_with("Some(End"));
    assert!(fuzz::request(br#"{"do":"status"}"#).starts_with('{'));
    assert!(fuzz::reply(br#"{"v":1,"done":"query"}"#).starts_with('{'));
}
