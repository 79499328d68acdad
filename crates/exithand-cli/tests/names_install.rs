//! Making the links.
#![expect(clippy::unwrap_used, reason = "all of it is test code")]

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use exithand_cli::names::Name;
use exithand_cli::names::install::{Before, Error, InTheWay, install};

fn program() -> PathBuf {
    fs::canonicalize(env::current_exe().unwrap()).unwrap()
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn all_names() -> Vec<String> {
    let mut names: Vec<String> = Name::ALL.iter().map(Name::to_string).collect();
    names.sort();
    names
}

#[test]
fn makes_all_links_and_makes_them_again() {
    let directory = tempfile::tempdir().unwrap();
    for before in [Before::Nothing, Before::SameLink] {
        let installed = install(directory.path(), InTheWay::Refuse).unwrap();
        assert_eq!(names_in(directory.path()), all_names(), "and nothing else");
        for link in installed {
            assert_eq!(link.before, before);
            assert_eq!(fs::read_link(&link.link).unwrap(), program());
        }
    }
}

#[test]
fn a_link_to_a_file_of_the_programs_name_is_ours() {
    let directory = tempfile::tempdir().unwrap();
    let moved = Path::new("/nonexistent").join(program().file_name().unwrap());
    symlink(moved, directory.path().join("getino")).unwrap();
    let installed = install(directory.path(), InTheWay::Refuse).unwrap();
    let getino = installed
        .iter()
        .find(|it| it.link.ends_with("getino"))
        .unwrap();
    assert_eq!(getino.before, Before::OwnLink);
    assert_eq!(fs::read_link(&getino.link).unwrap(), program());
}

#[test]
fn what_is_not_ours_stays_unless_forced() {
    let directory = tempfile::tempdir().unwrap();
    let (file, link) = (
        directory.path().join("waitpid"),
        directory.path().join("pwait"),
    );
    fs::write(&file, "theirs").unwrap();
    symlink("/bin/true", &link).unwrap();
    let refused = install(directory.path(), InTheWay::Refuse).unwrap_err();
    assert!(
        matches!(&refused, Error::InTheWay(paths) if paths.len() == 2),
        "{refused}"
    );
    assert_eq!(
        names_in(directory.path()),
        ["pwait", "waitpid"],
        "nothing was made"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "theirs");

    install(directory.path(), InTheWay::Replace).unwrap();
    assert_eq!(fs::read_link(&file).unwrap(), program());
    assert_eq!(fs::read_link(&link).unwrap(), program());
}

#[test]
fn a_directory_in_the_way_is_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("pwait")).unwrap();
    let refused = install(directory.path(), InTheWay::Replace).unwrap_err();
    assert!(matches!(refused, Error::Directory(_)), "{refused}");
    assert_eq!(names_in(directory.path()), ["pwait"]);
}

#[test]
fn a_missing_directory_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("bin");
    let refused = install(&missing, InTheWay::Refuse).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("no directory {}: make it first", missing.display())
    );
    assert!(!missing.exists());
}

#[test]
fn a_directory_that_takes_no_links_gets_none() {
    // Nobody may make links in `/proc`, not even root.
    let refused = install(Path::new("/proc"), InTheWay::Refuse).unwrap_err();
    assert!(matches!(refused, Error::Link { .. }), "{refused}");
}
