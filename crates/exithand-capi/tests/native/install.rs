//! `make install-library`, and what programs find by pkg-config afterwards.

use std::fs;
use std::path::Path;
use std::process::Command;

use exithand_testkit::{Need, need};

use crate::build::{CRATE, STRICT, VERSION, archive, run};

/// A program that only says which library it runs with.
const PROGRAM: &str = "#include <exithand.h>
#include <stdio.h>

int main(void)
{
    return puts(exithand_version()) < 0 || exithand_open(-1) >= 0;
}
";

fn make(target: &str, prefix: &Path) {
    let prefix = format!("PREFIX={}", prefix.display());
    let archive = format!("ARCHIVE={}", archive().display());
    let mut make = Command::new("make");
    make.current_dir(Path::new(CRATE).join("../.."));
    run(make.args(["--silent", target, &prefix, &archive]));
}

/// Asks pkg-config, which knows of nothing but this prefix.
fn pkg_config(prefix: &Path, args: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_LIBDIR", prefix.join("lib/pkgconfig"));
    let words = run(command.args(args).arg("exithand"));
    words.split_whitespace().map(str::to_owned).collect()
}

/// Compiles without the header of the sources.
fn compile(source: &Path, program: &Path, found: &[String]) {
    let mut command = Command::new("gcc");
    command.args(STRICT).arg(source).arg("-o").arg(program);
    run(command.args(found));
}

#[test]
fn an_installed_library_is_found_linked_and_run() {
    need!(Need::Program("make"), Need::Program("pkg-config"));
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("prefix");
    make("install-library", &prefix);
    assert_eq!(pkg_config(&prefix, &["--modversion"]), [VERSION]);

    let source = folder.path().join("program.c");
    fs::write(&source, PROGRAM).unwrap();
    let program = folder.path().join("program");
    let found = pkg_config(&prefix, &["--cflags", "--libs"]);
    compile(&source, &program, &found);
    let mut command = Command::new(&program);
    command.env("LD_LIBRARY_PATH", prefix.join("lib"));
    assert_eq!(run(&mut command).trim_end(), VERSION);

    let found = pkg_config(&prefix, &["--cflags", "--libs", "--static"]);
    // Where both are there the linker takes the shared library.
    fs::remove_file(prefix.join("lib/libexithand.so")).unwrap();
    compile(&source, &program, &found);
    assert_eq!(run(&mut Command::new(&program)).trim_end(), VERSION);
}

#[test]
fn nothing_is_left_after_uninstalling() {
    need!(Need::Program("make"));
    let prefix = tempfile::tempdir().unwrap();
    make("install-library", prefix.path());
    assert!(
        prefix
            .path()
            .join("share/man/man3/exithand_open.3")
            .exists()
    );
    make("uninstall", prefix.path());
    let mut folders = vec![prefix.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            assert!(path.is_dir(), "{}", path.display());
            folders.push(path);
        }
    }
}
