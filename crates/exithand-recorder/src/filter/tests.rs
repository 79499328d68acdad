use super::*;

#[test]
fn a_filter_survives_json() {
    let filter = Filter {
        since: Some(WallTime { unix_ns: 5 }),
        token: Some("42:7".parse().unwrap()),
        names: vec![Pattern::new("ngi*")],
        outcomes: vec![OutcomeKind::ExitedWith(3), OutcomeKind::CoreDumped],
        signals: vec![Signal::from_number(9).unwrap()],
        killer: Some(KillerFilter::Pid(0)),
        oom: Some(OomFilter::Any),
        failed_only: true,
        max_runtime: Some(Duration::from_millis(1500)),
        ..Filter::default()
    };
    let text = serde_json::to_string(&filter).unwrap();
    assert_eq!(
        text,
        r#"{"since":5,"token":"42:7","names":["ngi*"],"outcomes":["exited 3","core"],"signals":[9],"killer":{"pid":0},"oom":"any","failed_only":true,"max_runtime":1500000000}"#
    );
    assert_eq!(serde_json::from_str::<Filter>(&text).unwrap(), filter);
    assert_eq!(
        serde_json::from_str::<Filter>("{}").unwrap(),
        Filter::default()
    );
}

#[test]
fn a_filter_with_a_mistake_is_refused() {
    for text in [
        r#"{"pidz":[1]}"#,
        r#"{"token":"x"}"#,
        r#"{"signals":[0]}"#,
        r#"{"outcomes":["died"]}"#,
        r#"{"outcomes":["exited +3"]}"#,
    ] {
        assert!(serde_json::from_str::<Filter>(text).is_err(), "{text}");
    }
}
