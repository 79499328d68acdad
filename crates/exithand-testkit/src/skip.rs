//! Skips that are seen: printed, and written down for the caller of all tests to judge.

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use crate::Need;

/// Says that `test` is skipped because `need` is not met.
///
/// Prints one line, and appends `PROGRAM::TEST<TAB>NEED` to the file named by `EXITHAND_SKIPS`, if
/// that is set. `PROGRAM` is the name of the test program without cargo's hash.
///
/// # Panics
/// If the file cannot be written: a skip must not be lost.
#[track_caller]
#[expect(
    clippy::print_stdout,
    reason = "only print! is captured with the test's output"
)]
pub fn skip(test: &str, need: Need) {
    println!("SKIP {test}: needs {need}");
    if let Some(file) = env::var_os("EXITHAND_SKIPS") {
        let program = program_name(&env::current_exe().unwrap_or_default());
        let line = format!("{program}::{test}\t{}\n", need.key());
        append(Path::new(&file), &line).unwrap_or_else(|error| {
            panic!("append to EXITHAND_SKIPS {}: {error}", file.display());
        });
    }
}

/// One write with `O_APPEND`, so that lines of tests running at once do not mix.
fn append(file: &Path, line: &str) -> io::Result<()> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(file)?
        .write_all(line.as_bytes())
}

/// `wait` for `target/debug/deps/wait-0123456789abcdef`.
fn program_name(program: &Path) -> String {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    match name.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 => name.to_owned(),
        _ => name.into_owned(),
    }
}

/// Returns from the test, as skipped, unless all needs are met.
///
/// ```
/// # use exithand_testkit::{need, Need};
/// fn sees_the_thread_end() {
///     need!(Need::PidfdThread, Need::Root);
/// }
/// ```
#[macro_export]
macro_rules! need {
    ($($need:expr),+ $(,)?) => {$(
        let need: $crate::Need = $need;
        if !need.met() {
            $crate::skip($crate::test_name!(), need);
            return;
        }
    )+};
}

/// The name of the surrounding test function, as the test harness knows it: `module::name`.
#[macro_export]
macro_rules! test_name {
    () => {{
        fn here() {}
        $crate::test_path(std::any::type_name_of_val(&here))
    }};
}

/// `module::name` for `program::module::name::{{closure}}::here`.
#[doc(hidden)]
pub fn test_path(here: &'static str) -> &'static str {
    let path = here.strip_suffix("::here").unwrap_or(here);
    let path = path
        .split_once("::{{closure}}")
        .map_or(path, |(path, _)| path);
    path.split_once("::").map_or(path, |(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_surrounding_test() {
        assert_eq!(test_name!(), "skip::tests::names_the_surrounding_test");
        let inside = || test_name!();
        assert_eq!(inside(), "skip::tests::names_the_surrounding_test");
    }

    #[test]
    fn takes_only_a_hash_off_the_program_name() {
        for (program, name) in [
            ("/t/debug/deps/wait-0123456789abcdef", "wait"),
            ("/t/debug/deps/other-user-0123456789abcdef", "other-user"),
            ("/t/debug/other-user", "other-user"),
        ] {
            assert_eq!(program_name(Path::new(program)), name);
        }
    }
}
