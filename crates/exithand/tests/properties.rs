//! What is written is read back the same, and no input makes a parser panic.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use exithand::{BootId, NoEnd, Outcome, SIGINFO_SIZE, SigInfo, Signal, Token, Until, Why, fuzz};
use proptest::prelude::*;

fn signals() -> impl Strategy<Value = Signal> {
    (1..=64).prop_map(|number| Signal::from_number(number).unwrap())
}

fn known() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        any::<u8>().prop_map(Outcome::Exited),
        // Signal 127 would be a stop, but there is none.
        (signals(), any::<bool>()).prop_map(|(signal, core_dumped)| Outcome::Killed {
            signal,
            core_dumped
        }),
    ]
}

fn boots() -> impl Strategy<Value = String> {
    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
}

fn tokens() -> impl Strategy<Value = String> {
    let names = prop_oneof![
        (0..=i32::MAX, 1..=u64::MAX).prop_map(|(pid, inode)| format!("{pid}:{inode}")),
        (1..=i32::MAX, any::<u64>()).prop_map(|(pid, ticks)| format!("{pid}~{ticks}")),
    ];
    (names, proptest::option::of(boots())).prop_map(|(name, boot)| match boot {
        Some(boot) => format!("{name}@{boot}"),
        None => name,
    })
}

/// Text that nearly is what a parser wants.
fn near_misses() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9:~@+ -]{0,24}",
        "(SIG|sig)?[A-Z0-9+-]{0,8}",
        "\\PC{0,6}[0-9]{1,21}[:~][0-9]{0,21}(@[0-9a-f-]{30,40})?",
        tokens().prop_flat_map(|token| {
            (0..token.len()).prop_map(move |end| token[..end].to_owned())
        }),
    ]
}

proptest! {
    #[test]
    fn a_token_reads_back_as_it_was_written(text in tokens()) {
        let token: Token = text.parse().unwrap();
        prop_assert_eq!(token.to_string(), text);
        prop_assert!(token.is_same_process(&token));
        prop_assert_eq!(token.to_string().parse::<Token>().unwrap(), token);
    }

    #[test]
    fn tokens_are_the_same_process_both_ways(one in tokens(), other in tokens()) {
        let (one, other): (Token, Token) = (one.parse().unwrap(), other.parse().unwrap());
        prop_assert_eq!(one.is_same_process(&other), other.is_same_process(&one));
    }

    #[test]
    fn a_boot_id_reads_back_as_it_was_written(text in boots()) {
        let boot: BootId = text.parse().unwrap();
        prop_assert_eq!(boot.to_string(), text.clone());
        prop_assert_eq!(text.to_uppercase().parse::<BootId>().unwrap(), boot);
    }

    #[test]
    fn a_signal_reads_back_by_name_and_number(signal in signals()) {
        for text in [signal.to_string(), signal.name(), signal.number().to_string()] {
            prop_assert_eq!(text.parse::<Signal>().unwrap(), signal);
            prop_assert_eq!(text.to_lowercase().parse::<Signal>().unwrap(), signal);
        }
    }

    #[test]
    fn a_number_is_a_signal_or_not(number in any::<i32>()) {
        let signal = Signal::from_number(number);
        prop_assert_eq!(signal.is_some(), (1..=64).contains(&number));
        prop_assert!(signal.is_none_or(|signal| signal.number() == number));
    }

    #[test]
    fn a_known_outcome_survives_every_form(outcome in known(), pid in 0..=i32::MAX, uid in any::<u32>()) {
        let status = outcome.to_wait_status().unwrap();
        prop_assert_eq!(Outcome::from_wait_status(status), Some(outcome));
        let std_status = ExitStatus::try_from(outcome).unwrap();
        prop_assert_eq!(std_status.into_raw(), status);
        prop_assert_eq!(Outcome::try_from(std_status), Ok(outcome));
        let info = SigInfo::new(outcome, pid, uid).unwrap();
        prop_assert_eq!(SigInfo::from_bytes(&info.to_bytes()), Some(info));
        prop_assert_eq!(info.outcome(), Ok(outcome));
        prop_assert_eq!((info.pid, info.uid), (pid, uid));
    }

    /// The standard library's decoder is the second opinion.
    #[test]
    fn a_wait_status_means_what_std_says(raw in prop_oneof![any::<i32>(), 0..=0xffff]) {
        let std_status = ExitStatus::from_raw(raw);
        match Outcome::from_wait_status(raw) {
            Some(Outcome::Exited(status)) => {
                prop_assert_eq!(std_status.code(), Some(i32::from(status)));
            }
            Some(Outcome::Killed { signal, core_dumped }) => {
                prop_assert_eq!(std_status.signal(), Some(signal.number()));
                prop_assert_eq!(std_status.core_dumped(), core_dumped);
            }
            Some(Outcome::Unknown { .. }) => prop_assert!(false, "a status is known"),
            None => {}
        }
        if let Some(outcome) = Outcome::from_wait_status(raw) {
            prop_assert_eq!(outcome.to_wait_status(), Some(raw));
        }
    }

    #[test]
    fn any_siginfo_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        match SigInfo::from_bytes(&bytes) {
            Some(info) => {
                prop_assert_eq!(bytes.len(), SIGINFO_SIZE);
                prop_assert!(info.outcome().is_ok_and(Outcome::is_known) || info.outcome() == Err(NoEnd));
            }
            None => prop_assert!(bytes.len() != SIGINFO_SIZE || bytes[..4] != 17_i32.to_ne_bytes()),
        }
    }

    #[test]
    fn any_siginfo_of_a_child_survives(code in any::<i32>(), status in any::<i32>(), pid in any::<i32>(), uid in any::<u32>()) {
        let info = SigInfo { code, status, pid, uid };
        prop_assert_eq!(SigInfo::from_bytes(&info.to_bytes()), Some(info));
        prop_assert!(info.outcome().is_ok_and(Outcome::is_known) || info.outcome() == Err(NoEnd));
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in near_misses()) {
        if let Ok(token) = text.parse::<Token>() {
            prop_assert!(token.to_string().parse::<Token>().unwrap() == token);
        }
        if let Ok(signal) = text.parse::<Signal>() {
            prop_assert!(signal.to_string().parse::<Signal>().unwrap() == signal);
        }
        if let Ok(boot) = text.parse::<BootId>() {
            prop_assert!(boot.to_string().parse::<BootId>().unwrap() == boot);
        }
        if let Ok(until) = text.parse::<Until>() {
            prop_assert_eq!(until.to_string(), text);
        }
    }

    #[test]
    fn no_bytes_make_the_proc_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz::proc_stat(&bytes);
    }

    #[test]
    fn any_name_hides_nothing_behind_it(name in "[\\PC\n() ]{0,20}", status in any::<i32>()) {
        let numbers: Vec<String> = (4..=51).map(|field: u32| field.to_string()).collect();
        let line = format!("7 ({name}) Z {} {status}\n", numbers.join(" "));
        prop_assert_eq!(fuzz::proc_stat(line.as_bytes()), Some((b'Z', 22, status)));
    }
}

#[test]
fn an_unknown_outcome_has_no_other_form() {
    let unknown = Outcome::Unknown {
        why: Why::OldKernel,
    };
    assert_eq!(unknown.to_wait_status(), None);
    assert_eq!(unknown.shell_status(), None);
    assert_eq!(SigInfo::new(unknown, 1, 0), Err(NoEnd));
    assert_eq!(ExitStatus::try_from(unknown), Err(NoEnd));
    assert!(!unknown.success() && !unknown.is_known());
}
