//! The probes where they may not be used.

use exithand_recorder::bpf::{Attach, BpfError, BpfSource};
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
