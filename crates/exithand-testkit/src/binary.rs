//! Finds the actor program, and builds it if need be.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

const NAME: &str = "exithand-actor";
/// Where this crate was when it was compiled; a machine that only runs the tests does not have it.
const CRATE: &str = env!("CARGO_MANIFEST_DIR");

/// The path of the actor program.
///
/// In this order: `EXITHAND_ACTOR`; the file beside the running test's target directory, unless the
/// sources are newer; the same file after `cargo build`. Tests of other crates get no such file from
/// cargo, which builds binaries only for the tests of their own crate.
pub(crate) fn actor_path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| match env::var_os("EXITHAND_ACTOR") {
        Some(path) => PathBuf::from(path),
        None => beside_this_test(),
    })
}

fn beside_this_test() -> PathBuf {
    let this = env::current_exe().expect("path of the running program");
    let profile = profile_directory(&this);
    let path = profile.join(NAME);
    if !is_current(&path).unwrap_or(false) {
        build(profile);
    }
    assert!(
        path.exists(),
        "no {}: set EXITHAND_ACTOR, or run cargo build -p exithand-testkit",
        path.display()
    );
    path
}

/// `target/debug` for `target/debug/deps/test-0123` and for `target/debug/program`.
fn profile_directory(program: &Path) -> &Path {
    let directory = program.parent().expect("a program lies in a directory");
    match directory.file_name() {
        Some(name) if name == "deps" || name == "examples" => {
            directory.parent().unwrap_or(directory)
        }
        _ => directory,
    }
}

/// Whether the program is there and no source file is newer.
fn is_current(program: &Path) -> io::Result<bool> {
    let built = fs::metadata(program)?.modified()?;
    let changed = newest(&Path::new(CRATE).join("src"));
    Ok(changed.is_none_or(|changed| changed <= built))
}

/// When the newest file below `directory` changed; `None` if there is none.
fn newest(directory: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(directory).ok()?;
    let times = entries.flatten().filter_map(|entry| {
        let is_directory = entry.file_type().ok()?.is_dir();
        if is_directory {
            newest(&entry.path())
        } else {
            entry.metadata().ok()?.modified().ok()
        }
    });
    times.max()
}

/// Cargo takes a lock on the target directory, so tests that start together build once.
fn build(profile: &Path) {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = profile
        .parent()
        .expect("a profile directory lies in a target directory");
    let profile = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--quiet",
        "--package",
        "exithand-testkit",
        "--bin",
        NAME,
    ]);
    command
        .args(["--profile", profile, "--target-dir"])
        .arg(target);
    let status = command.current_dir(CRATE).stdin(Stdio::null()).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "cargo could not build {NAME}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_profile_directory() {
        for (program, directory) in [
            ("/t/debug/deps/wait-0123", "/t/debug"),
            ("/t/debug/examples/hello", "/t/debug"),
            ("/t/release/exithand", "/t/release"),
        ] {
            assert_eq!(
                profile_directory(Path::new(program)),
                Path::new(directory),
                "{program}"
            );
        }
    }
}
