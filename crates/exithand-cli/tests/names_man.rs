//! The manual page of the drop-in names tells of every option, and the other way round.
#![expect(clippy::unwrap_used, reason = "all of it is test code")]

mod names_support;

use std::collections::BTreeSet;

use names_support::Tools;

const PAGE: &str = include_str!("../../../man/exithand-names.7");

/// Returns the options in the first column of a help text: those are indented by less than eight.
fn options_of_help(help: &str) -> BTreeSet<String> {
    help.lines()
        .filter(|line| line.trim_start().starts_with('-'))
        .flat_map(|line| {
            let column = line.trim_start().split("  ").next().unwrap_or_default();
            let words = column
                .split([' ', ','])
                .filter(|word| word.starts_with('-'));
            words.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

/// Returns the options in the heads of the items of a section.
fn options_of_page(section: &str) -> BTreeSet<String> {
    let start = PAGE.find(&format!("\n.Sh {section}\n")).unwrap();
    let text = &PAGE[start + 1..];
    let text = text.find("\n.Sh ").map_or(text, |end| &text[..end]);
    text.lines()
        .filter_map(|line| line.strip_prefix(".It Fl "))
        .flat_map(|head| head.split([' ', ',']))
        .filter(|word| word.starts_with('-') || word.chars().all(char::is_alphabetic))
        .filter(|word| word.starts_with('-') || word.len() == 1)
        .map(|word| format!("-{word}"))
        .collect()
}

#[test]
fn every_option_is_in_the_page_and_in_the_help() {
    let tools = Tools::new();
    for (name, section) in [
        ("waitpid", "WAITPID"),
        ("pidwait", "PIDWAIT"),
        ("getino", "GETINO"),
    ] {
        let help = options_of_help(&tools.run(&[name, "--help"]).out);
        assert!(help.contains("--help") && help.contains("-V"), "{help:?}");
        assert_eq!(options_of_page(section), help, "{name}");
    }
    let usage = tools.run(&["pwait"]).err;
    assert!(usage.contains("[-t timeout] [-opv]"), "{usage}");
    let pwait = options_of_page("PWAIT");
    assert_eq!(pwait, ["-o", "-p", "-t", "-v"].map(str::to_owned).into());
}
