//! The C and C++ programs of `tests/c`, which compare with `waitpid(2)`: run plainly, under valgrind,
//! with the address sanitizer, and linked statically.

use std::path::Path;
use std::process::Command;

use exithand_testkit::{Need, need};

use crate::build::{CRATE, archive, compile, compiler_for, linked_to_shared, run, run_aloud};

const PROGRAMS: [&str; 5] = [
    "outcomes.c",
    "bad_input.c",
    "sets.c",
    "names.c",
    "wrapper.cpp",
];

/// A C compiler and the C++ compiler that goes with it.
type Compilers = [&'static str; 2];
const GCC: Compilers = ["gcc", "g++"];
const CLANG: Compilers = ["clang-14", "clang++-14"];

/// Compiles each program and runs it below `wrapper`.
fn run_all([c, cpp]: Compilers, args: &[&str], wrapper: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    for name in PROGRAMS {
        let source = Path::new(CRATE).join("tests/c").join(name);
        let is_cpp = source.extension().is_some_and(|it| it == "cpp");
        let compiler = if is_cpp { cpp } else { c };
        let program = folder.path().join(name.replace('.', "-"));
        compile(compiler, &source, &program, args);
        match wrapper {
            [] => drop(run(&mut Command::new(&program))),
            // The wrapper may have something to say that is no fault of the program.
            [wrapper, args @ ..] => {
                run_aloud(Command::new(wrapper).args(args).arg(&program));
            }
        }
    }
}

fn run_shared(compilers: Compilers, more: &[&str], wrapper: &[&str]) {
    let linked = linked_to_shared();
    let mut args: Vec<&str> = more.to_vec();
    args.extend(linked.iter().map(String::as_str));
    run_all(compilers, &args, wrapper);
}

#[test]
fn programs_of_gcc_agree_with_waitpid() {
    run_shared(GCC, &[], &[]);
}

#[test]
fn programs_of_clang_agree_with_waitpid() {
    need!(Need::Program("clang-14"));
    run_shared(CLANG, &[], &[]);
}

#[test]
fn programs_of_older_standards_agree_with_waitpid() {
    let folder = tempfile::tempdir().unwrap();
    let linked = linked_to_shared();
    for (compiler, standard, name) in [
        ("gcc", "-std=gnu99", "outcomes.c"),
        ("g++", "-std=gnu++14", "wrapper.cpp"),
    ] {
        let source = Path::new(CRATE).join("tests/c").join(name);
        let program = folder.path().join(name.replace('.', "-"));
        let mut args = vec![standard];
        args.extend(linked.iter().map(String::as_str));
        compile(compiler, &source, &program, &args);
        run(&mut Command::new(&program));
    }
}

#[test]
fn valgrind_finds_no_error_and_no_leak() {
    need!(Need::Program("valgrind"));
    let wrapper = [
        "valgrind",
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        "--show-leak-kinds=all",
        "--errors-for-leak-kinds=all",
    ];
    run_shared(GCC, &[], &wrapper);
}

#[test]
fn the_address_sanitizer_finds_nothing() {
    run_shared(GCC, &["-fsanitize=address,undefined"], &[]);
}

#[test]
fn the_archive_can_be_linked_instead() {
    let archive = archive();
    let archive = archive.to_str().unwrap();
    run_all(GCC, &[archive, "-pthread", "-lpthread", "-ldl", "-lm"], &[]);
}

#[test]
fn a_program_can_be_wholly_static() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive();
    let source = Path::new(CRATE).join("tests/c/outcomes.c");
    let program = folder.path().join("static");
    let args = [
        "-static",
        archive.to_str().unwrap(),
        "-lpthread",
        "-ldl",
        "-lm",
    ];
    // The linker warns of what Rust's standard library could do, and this library does not.
    run_aloud(&mut compiler_for("gcc", &source, &program, &args));
    run(&mut Command::new(&program));
}
