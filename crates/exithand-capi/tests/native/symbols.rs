//! What the shared library shows to the dynamic linker, against what the header declares.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::build::{CRATE, VERSION, libraries, run};

const HEADER: &str = include_str!("../../exithand.h");
const MAP: &str = include_str!("../../exithand.map");

/// Returns the functions that the header declares.
pub(crate) fn declared() -> BTreeSet<String> {
    let starts = HEADER.lines().filter(|line| {
        let is_type = line.starts_with("int ") || line.starts_with("const char *");
        is_type && line.contains("exithand_")
    });
    let name = |line: &str| {
        let (before, _) = line.split_once('(').unwrap();
        before.rsplit([' ', '*']).next().unwrap().to_owned()
    };
    starts.map(name).collect()
}

#[test]
fn exactly_what_is_declared_is_exported_each_with_its_version() {
    let library = libraries().join("libexithand.so");
    let listed = run(Command::new("nm")
        .args(["--dynamic", "--defined-only", "--with-symbol-versions"])
        .arg(library));
    let exported: BTreeSet<&str> = listed
        .lines()
        .map(|line| line.rsplit(' ').next().unwrap())
        .filter(|name| *name != "EXITHAND_0.1" && *name != "EXITHAND_0.1@@EXITHAND_0.1")
        .collect();
    let declared = declared();
    let expected: BTreeSet<String> = declared
        .iter()
        .map(|name| format!("{name}@@EXITHAND_0.1"))
        .collect();
    assert_eq!(exported, expected.iter().map(String::as_str).collect());
    assert!(declared.len() > 20, "{declared:?}");
}

#[test]
fn the_map_lists_what_is_declared() {
    let listed: BTreeSet<String> = MAP
        .lines()
        .filter_map(|line| line.trim().strip_suffix(';'))
        .filter(|name| name.starts_with("exithand_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, declared());
}

#[test]
fn the_soname_and_the_links_lead_to_one_file() {
    let folder = libraries();
    let dynamic = run(Command::new("readelf")
        .args(["--dynamic", "--wide"])
        .arg(folder.join("libexithand.so")));
    assert!(
        dynamic.contains("Library soname: [libexithand.so.0]"),
        "{dynamic}"
    );
    let file = fs::canonicalize(folder.join(format!("libexithand.so.{VERSION}"))).unwrap();
    for name in ["libexithand.so", "libexithand.so.0"] {
        assert_eq!(fs::canonicalize(folder.join(name)).unwrap(), file);
        let link = fs::read_link(folder.join(name)).unwrap();
        assert!(link.is_relative(), "{name} -> {}", link.display());
    }
}

#[test]
fn only_the_c_library_and_its_unwinder_are_needed() {
    let dynamic = run(Command::new("readelf")
        .args(["--dynamic", "--wide"])
        .arg(libraries().join("libexithand.so")));
    let needed = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    for line in needed {
        let known = ["[libc.so.6]", "[libm.so.6]", "[libgcc_s.so.1]", "[ld-linux"];
        assert!(known.iter().any(|it| line.contains(it)), "{line}");
    }
}

#[test]
fn the_header_stands_alone_in_c_and_in_cpp() {
    for compiler in [["gcc", "-xc"], ["g++", "-xc++"]] {
        let header = Path::new(CRATE).join("exithand.h");
        run(Command::new(compiler[0])
            .args(crate::build::STRICT)
            .args(["-Wshadow", "-Wconversion", "-fsyntax-only", compiler[1]])
            .arg("-include")
            .arg(header)
            .arg("/dev/null"));
    }
}
