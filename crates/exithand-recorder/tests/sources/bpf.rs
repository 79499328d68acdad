//! The sources where they may not be used.

use exithand_recorder::bpf::{Attach, BpfError, BpfSource};
use exithand_recorder::{SourceName, choose};
use exithand_testkit::{Need, User, need, run_apart, run_as};

#[test]
fn without_capabilities_the_error_names_them() {
    need!(Need::UnprivilegedUser);
    run_apart(
        "bpf::without_capabilities_the_error_names_them",
        |command| run_as(User::NOBODY, command),
        || {
            let error = BpfSource::open(Attach::TpBtf).unwrap_err();
            assert!(matches!(error, BpfError::NotPermitted { .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains("CAP_BPF and CAP_PERFMON"), "{text}");
        },
    );
}

#[test]
fn a_user_gets_the_connector_and_is_told_why_not_more() {
    need!(Need::UnprivilegedUser);
    run_apart(
        "bpf::a_user_gets_the_connector_and_is_told_why_not_more",
        |command| run_as(User::NOBODY, command),
        || {
            // Before Linux 6.6 there is nothing for users.
            let passed_over = match choose(None) {
                Ok(chosen) => {
                    assert_eq!(chosen.source.name(), SourceName::ProcConnector.as_str());
                    chosen.passed_over
                }
                Err(no_source) => no_source.tried,
            };
            let whys: Vec<&str> = passed_over.iter().map(|it| &it.why[..]).collect();
            assert!(whys[0].contains("CAP_BPF and CAP_PERFMON"), "{whys:?}");
            assert!(whys[2].contains("CAP_NET_ADMIN"), "{whys:?}");
        },
    );
}
