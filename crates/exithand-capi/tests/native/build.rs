//! Builds the shared library and C programs, once for all tests of this process.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;

/// The folder of this crate, which holds the header and the C of the tests.
pub(crate) const CRATE: &str = env!("CARGO_MANIFEST_DIR");
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What a good program passes without a word.
pub(crate) const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-Werror", "-pedantic"];

/// Returns the static library that cargo built beside this test: the newest, for there may be others
/// of other features and flags.
pub(crate) fn archive() -> PathBuf {
    let test = env::current_exe().unwrap();
    let built = fs::read_dir(test.parent().unwrap()).unwrap();
    let archives = built.map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        name.starts_with("libexithand_capi") && path.extension().is_some_and(|it| it == "a")
    });
    archives
        .max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap())
        .expect("cargo builds the archive with the tests")
}

/// Returns the folder that holds libexithand.so; it is linked by the first test that asks.
pub(crate) fn libraries() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let mut link = Command::new(Path::new(CRATE).join("link-shared"));
            run(link.arg(archive()).arg(VERSION).arg(folder.path()));
            folder
        })
        .path()
}

/// Runs a program that must succeed without a word on its error stream.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let (stdout, stderr) = run_aloud(command);
    assert_eq!(stderr, "", "{command:?}");
    stdout
}

/// Runs a program that must succeed, and returns what it said on its two streams.
#[track_caller]
pub(crate) fn run_aloud(command: &mut Command) -> (String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    let [stdout, stderr] = [stdout, stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    assert!(status.success(), "{command:?}: {status}\n{stdout}{stderr}");
    (stdout, stderr)
}

/// Compiles one C or C++ file to `program`, with all warnings on, against the header; `args` say what
/// to link.
#[track_caller]
pub(crate) fn compile(compiler: &str, source: &Path, program: &Path, args: &[&str]) {
    run(&mut compiler_for(compiler, source, program, args));
}

/// The command of [`compile`].
pub(crate) fn compiler_for(
    compiler: &str,
    source: &Path,
    program: &Path,
    args: &[&str],
) -> Command {
    let mut command = Command::new(compiler);
    command.args(STRICT).args(["-g", "-O1", "-I", CRATE]);
    command.arg(source).arg("-o").arg(program).args(args);
    command
}

/// The arguments that link against libexithand.so where the tests have put it.
pub(crate) fn linked_to_shared() -> [String; 4] {
    let folder = libraries().display();
    [
        format!("-L{folder}"),
        "-lexithand".to_owned(),
        format!("-Wl,-rpath,{folder}"),
        "-pthread".to_owned(),
    ]
}
