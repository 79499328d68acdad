//! The manual pages and the header say the same: functions and their arguments, both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use exithand_testkit::{Need, actor, need};

use crate::build::{CRATE, compile, linked_to_shared, run};
use crate::symbols::declared;

const HEADER: &str = include_str!("../../exithand.h");
/// How a page begins that only names another.
const ALIAS: &str = ".so man3/";
/// The page about the whole library.
const OVERVIEW: &str = "libexithand";

fn folder() -> PathBuf {
    Path::new(CRATE).join("../../man")
}

/// Returns all pages of section 3, by name.
fn pages() -> BTreeMap<String, String> {
    let files = fs::read_dir(folder()).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|it| it == "3"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Returns the pages that are more than another name.
fn whole_pages() -> impl Iterator<Item = (String, String)> {
    pages()
        .into_iter()
        .filter(|(_, text)| !text.starts_with(ALIAS))
}

/// Returns each function of a synopsis as it would be declared, without blanks.
fn prototypes(page: &str) -> BTreeSet<String> {
    let (_, synopsis) = page.split_once("\n.Sh SYNOPSIS\n").unwrap();
    let (synopsis, _) = synopsis.split_once("\n.Sh ").unwrap();
    let mut kind = "";
    let mut found = BTreeSet::new();
    for line in synopsis.lines() {
        if let Some(rest) = line.strip_prefix(".Ft ") {
            kind = rest.trim_matches('"');
        } else if let Some(rest) = line.strip_prefix(".Fn ") {
            let (name, arguments) = rest.split_once(' ').unwrap();
            let arguments = arguments.trim_matches('"').replace("\" \"", ",");
            found.insert(format!("{kind} {name}({arguments})").replace(' ', ""));
        }
    }
    found
}

#[test]
fn the_synopses_are_the_header() {
    let text = HEADER.replace('\n', " ");
    let mut declared_as = BTreeSet::new();
    for statement in text.split(';') {
        let start = ["int exithand_", "const char *exithand_"]
            .into_iter()
            .filter_map(|start| statement.rfind(start))
            .min();
        if let Some(start) = start.filter(|_| statement.trim_end().ends_with(')')) {
            declared_as.insert(statement[start..].replace(' ', ""));
        }
    }
    assert_eq!(declared_as.len(), declared().len());
    let described: BTreeSet<String> = whole_pages()
        .flat_map(|(_, text)| prototypes(&text))
        .collect();
    assert_eq!(described, declared_as);
}

#[test]
fn every_function_has_a_page_of_its_name() {
    let pages = pages();
    for name in declared() {
        let text = pages.get(&name).unwrap_or_else(|| panic!("man/{name}.3"));
        let page = match text.strip_prefix(ALIAS) {
            Some(other) => &pages[other.trim_end().strip_suffix(".3").unwrap()],
            None => text,
        };
        assert!(page.contains(&format!("\n.Nm {name}")), "{name}");
        assert!(page.contains(&format!("\n.Fn {name} ")), "{name}");
    }
}

#[test]
fn constants_are_described() {
    let pages: String = whole_pages().map(|(_, text)| text).collect();
    for line in HEADER.lines() {
        if let Some(rest) = line.strip_prefix("#define EXITHAND_")
            && let Some((name, _value)) = rest.split_once(' ')
        {
            assert!(pages.contains(&format!("EXITHAND_{name}")), "{name}");
        }
    }
}

#[test]
fn a_page_has_the_sections_readers_look_for() {
    for (name, page) in whole_pages() {
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"] {
            assert!(
                page.contains(&format!("\n.Sh {section}\n")),
                "{name}: {section}"
            );
        }
        if !prototypes(&page).is_empty() && name != OVERVIEW {
            assert!(page.contains("\n.Sh ERRORS\n"), "{name}");
        }
    }
}

#[test]
fn the_example_of_the_overview_exits_as_the_process_did() {
    let page = &pages()[OVERVIEW];
    let (_, example) = page
        .split_once(".Bd -literal -offset indent\n#include")
        .unwrap();
    let (example, _) = example.split_once("\n.Ed\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("example.c");
    fs::write(&source, format!("#include{example}\n").replace("\\e", "\\")).unwrap();
    let program = folder.path().join("example");
    let linked = linked_to_shared();
    compile("gcc", &source, &program, &linked.each_ref().map(|it| &**it));

    let mut actor = actor(&["wait-then-exit", "3"]);
    actor.release();
    actor.wait_zombie();
    let pid = actor.pid().as_raw_nonzero().to_string();
    let status = Command::new(&program).arg(pid).status().unwrap();
    assert_eq!(status.code(), Some(3));
    let status = Command::new(&program).status().unwrap();
    assert_eq!(status.code(), Some(125));
}

#[test]
fn mandoc_and_groff_have_nothing_to_complain_about() {
    need!(Need::Program("mandoc"), Need::Program("groff"));
    for (name, _) in whole_pages() {
        let page = folder().join(format!("{name}.3"));
        let lint = ["-T", "lint", "-W", "warning"];
        assert_eq!(
            run(Command::new("mandoc").args(lint).arg(&page)),
            "",
            "{name}"
        );
        let check = ["-mandoc", "-ww", "-z", "-Tutf8"];
        assert_eq!(
            run(Command::new("groff").args(check).arg(&page)),
            "",
            "{name}"
        );
    }
}
