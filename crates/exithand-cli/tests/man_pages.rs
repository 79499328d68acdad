//! The manual pages and the command say the same: options, commands and exit codes, both ways.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helper can do nothing better than to panic"
)]

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command as Process, Stdio};

use clap::{Arg, Command, CommandFactory};
use exithand_cli::cli::Cli;
use exithand_cli::exit_code::ExitCode;
use exithand_testkit::{Need, need};

/// Every page, by its subcommand; that of the command itself has none.
const PAGES: [(&str, &str); 15] = [
    ("", include_str!("../../../man/exithand.1")),
    ("wait", include_str!("../../../man/exithand-wait.1")),
    ("kill", include_str!("../../../man/exithand-kill.1")),
    ("id", include_str!("../../../man/exithand-id.1")),
    ("why", include_str!("../../../man/exithand-why.1")),
    ("history", include_str!("../../../man/exithand-history.1")),
    ("watch", include_str!("../../../man/exithand-watch.1")),
    ("stats", include_str!("../../../man/exithand-stats.1")),
    ("lowmem", include_str!("../../../man/exithand-lowmem.1")),
    ("mount", include_str!("../../../man/exithand-mount.1")),
    ("umount", include_str!("../../../man/exithand-umount.1")),
    ("record", include_str!("../../../man/exithand-record.1")),
    ("doctor", include_str!("../../../man/exithand-doctor.1")),
    (
        "install-names",
        include_str!("../../../man/exithand-install-names.1"),
    ),
    (
        "completions",
        include_str!("../../../man/exithand-completions.1"),
    ),
];

/// A page about no subcommand: the tools that the program stands in for.
const NAMES: &str = include_str!("../../../man/exithand-names.7");

/// A page about a file.
const LOWMEM_FILE: &str = include_str!("../../../man/exithand-lowmem.toml.5");

/// Returns the text from `.Sh NAME` to the next section.
fn section<'a>(page: &'a str, name: &str) -> &'a str {
    let heading = format!("\n.Sh {name}\n");
    let begin = page
        .find(&heading)
        .unwrap_or_else(|| panic!("no section {name}"));
    let text = &page[begin + heading.len()..];
    text.split("\n.Sh ").next().unwrap_or(text)
}

/// Returns the list items of `section` that begin with `macro_name`: the head and the text.
fn items(section: &str, macro_name: &str) -> Vec<(String, String)> {
    let start = format!(".It {macro_name}");
    let mut items: Vec<(String, String)> = Vec::new();
    for line in section.lines() {
        match line.strip_prefix(&start) {
            Some(rest) => items.push((format!("{macro_name}{rest}"), String::new())),
            None => {
                if let Some((_, text)) = items.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
    items
}

/// Turns `Fl s , Fl -signal Ar SIGNAL` into `-s, --signal SIGNAL`.
fn plain(head: &str) -> String {
    head.replace("Fl ", "-")
        .replace("Ar ", "")
        .replace(" ,", ",")
}

/// Writes an option as the pages do.
fn spelled(arg: &Arg) -> String {
    let short = arg.get_short().map(|it| format!("-{it}"));
    let long = arg.get_long().map(|it| format!("--{it}"));
    let names: Vec<String> = [short, long].into_iter().flatten().collect();
    let values = arg
        .get_value_names()
        .filter(|_| arg.get_action().takes_values());
    let values = values.into_iter().flatten().map(|it| format!(" {it}"));
    names.join(", ") + &values.collect::<String>()
}

/// Calls `check` with each command and its page.
fn each(check: impl Fn(&Command, &str)) {
    let mut cli = Cli::command();
    cli.build();
    check(&cli, PAGES[0].1);
    for command in cli.get_subcommands().filter(|it| it.get_name() != "help") {
        let page = PAGES.iter().find(|(name, _)| *name == command.get_name());
        let (_, page) = page.unwrap_or_else(|| panic!("no page for {}", command.get_name()));
        check(command, page);
    }
}

#[test]
fn options_and_only_they_are_described() {
    each(|command, page| {
        let shown = |arg: &&clap::Arg| !arg.is_positional() && !arg.is_hide_set();
        let options = command.get_arguments().filter(shown);
        let known: BTreeSet<String> = options.map(spelled).collect();
        let described = items(section(page, "OPTIONS"), "Fl");
        let described: BTreeSet<String> = described.iter().map(|(head, _)| plain(head)).collect();
        assert_eq!(known, described, "exithand {}", command.get_name());
    });
}

#[test]
fn defaults_are_told() {
    each(|command, page| {
        let described = items(section(page, "OPTIONS"), "Fl");
        for arg in command.get_arguments() {
            let takes_values = arg.get_action().takes_values();
            for default in arg.get_default_values().iter().filter(|_| takes_values) {
                let default = default.to_str().unwrap();
                let item = described
                    .iter()
                    .find(|(head, _)| plain(head) == spelled(arg));
                let (_, text) = item.unwrap();
                let told = text.contains("default") && text.contains(default);
                assert!(told, "{}: default {default} of {arg}", command.get_name());
            }
        }
    });
}

#[test]
fn arguments_are_in_the_synopsis() {
    each(|command, page| {
        let synopsis = section(page, "SYNOPSIS");
        for arg in command.get_positionals() {
            for name in arg.get_value_names().into_iter().flatten() {
                let name = name.to_lowercase();
                assert!(synopsis.contains(&format!("Ar {name}")), "{name}");
                assert!(section(page, "DESCRIPTION").contains(&format!(".Ar {name}")));
            }
        }
    });
}

#[test]
fn commands_and_only_they_are_listed() {
    let mut cli = Cli::command();
    cli.build();
    let known: BTreeSet<String> = cli
        .get_subcommands()
        .map(|it| format!("Cm {}", it.get_name()))
        .collect();
    let listed = items(section(PAGES[0].1, "COMMANDS"), "Cm");
    let listed: BTreeSet<String> = listed.into_iter().map(|(head, _)| head).collect();
    assert_eq!(known, listed);
    assert_eq!(known.len(), PAGES.len(), "a page for each, `help` apart");
}

/// Says what the table of exit codes calls a code. A new code has to be put here and into [`ALL`].
fn row(code: ExitCode) -> String {
    match code {
        ExitCode::Propagated(_) => "other".to_owned(),
        ExitCode::Success
        | ExitCode::Usage
        | ExitCode::TimedOut
        | ExitCode::Failed
        | ExitCode::UnknownOutcome
        | ExitCode::NoSuchProcess => code.number().to_string(),
    }
}

const ALL: [ExitCode; 7] = [
    ExitCode::Success,
    ExitCode::Usage,
    ExitCode::TimedOut,
    ExitCode::Failed,
    ExitCode::UnknownOutcome,
    ExitCode::NoSuchProcess,
    ExitCode::Propagated(3),
];

#[test]
fn exit_codes_are_in_the_tables() {
    let known: BTreeSet<String> = ALL.into_iter().map(row).collect();
    let anywhere = BTreeSet::from([ExitCode::Success, ExitCode::Usage, ExitCode::Failed].map(row));
    for (name, page) in PAGES {
        let table = items(section(page, "EXIT STATUS"), "");
        let table: BTreeSet<String> = table.into_iter().map(|(head, _)| head).collect();
        if name.is_empty() || name == "wait" {
            assert_eq!(table, known, "exithand {name}");
        }
        assert!(table.is_subset(&known), "exithand {name}: {table:?}");
        assert!(table.is_superset(&anywhere), "exithand {name}: {table:?}");
    }
}

#[test]
fn a_page_has_the_sections_readers_look_for() {
    const SECTIONS: [&str; 9] = [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "EXIT STATUS",
        "EXAMPLES",
        "DIAGNOSTICS",
        "SEE ALSO",
        "BUGS",
    ];
    for (name, page) in PAGES {
        for wanted in SECTIONS {
            assert!(!section(page, wanted).is_empty(), "{name}: {wanted}");
        }
        let full = format!("exithand {name}").trim_end().replace(' ', "-");
        assert!(section(page, "NAME").starts_with(&format!(".Nm {full}\n")));
    }
}

#[test]
fn every_key_of_the_low_memory_killer_is_described_with_its_default() {
    let described = items(section(LOWMEM_FILE, "KEYS"), "");
    let known: BTreeSet<String> = exithand_lowmem::config::KEYS
        .iter()
        .map(|key| {
            [key.table, key.name]
                .join(".")
                .trim_start_matches('.')
                .to_owned()
        })
        .collect();
    let heads: BTreeSet<String> = described.iter().map(|(head, _)| head.clone()).collect();
    assert_eq!(heads, known);
    for key in exithand_lowmem::config::KEYS {
        let full = [key.table, key.name].join(".");
        let head = full.trim_start_matches('.');
        let text = described
            .iter()
            .find(|(it, _)| it == head)
            .unwrap()
            .1
            .as_str();
        let told = text.contains(&format!("Default: {}.", key.default));
        assert!(key.default.is_empty() || told, "{head}: {text}");
    }
}

/// Feeds `page` to `program`, and returns everything it complains about.
fn complaints(program: &str, args: &[&str], page: &str) -> String {
    let mut process = Process::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    input.write_all(page.as_bytes()).unwrap();
    drop(input);
    let output = process.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8(said).unwrap()
}

#[test]
fn mandoc_has_nothing_to_complain_about() {
    need!(Need::Program("mandoc"));
    for (name, page) in PAGES
        .into_iter()
        .chain([("names", NAMES), ("lowmem.toml", LOWMEM_FILE)])
    {
        let said = complaints("mandoc", &["-T", "lint", "-W", "warning"], page);
        assert_eq!(said, "", "exithand {name}");
    }
}

#[test]
fn groff_has_nothing_to_complain_about() {
    need!(Need::Program("groff"));
    for (name, page) in PAGES
        .into_iter()
        .chain([("names", NAMES), ("lowmem.toml", LOWMEM_FILE)])
    {
        let said = complaints("groff", &["-mandoc", "-ww", "-z", "-Tutf8"], page);
        assert_eq!(said, "", "exithand {name}");
    }
}
