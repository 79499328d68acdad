//! The shell examples do what their headers say.
#![allow(clippy::unwrap_used, reason = "all of it is test code")]

mod common;
mod console;

use console::{Document, Example, File, Who};
use exithand_testkit::{Need, need};

/// The most lines an example may have.
const LINES_MAX: usize = 60;

const SCRIPTS: [(&str, &str); 3] = [
    (
        "restart.sh",
        include_str!("../../../examples/shell/restart.sh"),
    ),
    (
        "first-failure.sh",
        include_str!("../../../examples/shell/first-failure.sh"),
    ),
    (
        "resume.sh",
        include_str!("../../../examples/shell/resume.sh"),
    ),
];

/// The example in the header of a script: its comment, from the first command on.
fn header(text: &str) -> String {
    let header = text.lines().take_while(|it| it.starts_with('#'));
    let comment = header.filter_map(|it| it.strip_prefix("# "));
    let session = comment.skip_while(|it| !it.starts_with("$ "));
    let block: String = session.flat_map(|it| [it, "\n"]).collect();
    format!("```console\n{block}```\n")
}

#[test]
fn each_prints_what_its_header_shows() {
    need!(Need::PidfdInfoExit);
    for (name, text) in SCRIPTS {
        let header = header(text);
        let mut document = Document::parse(&header);
        let [example] = &mut document.examples[..] else {
            panic!("{name} shows no example");
        };
        let text = text.to_owned();
        *example = Example {
            files: vec![File { name, text }],
            before: vec!["chmod +x *.sh"],
            steps: std::mem::take(&mut example.steps),
            ..Example::default()
        };
        let differences = document.differences(Who::Anybody);
        assert!(
            differences.is_empty(),
            "{name}:\n{}",
            differences.join("\n")
        );
    }
}

#[test]
fn each_is_short() {
    for (name, text) in SCRIPTS {
        assert!(text.lines().count() < LINES_MAX, "{name}");
    }
}
