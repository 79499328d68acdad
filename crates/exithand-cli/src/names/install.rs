//! Makes the links by whose names the program plays the tools.

use std::env;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process;

use super::Name;

/// What to do about a file in the way that is not our own link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InTheWay {
    /// Leave it, and make no link at all.
    Refuse,
    /// Put the link in its place.
    Replace,
}

/// What became of one link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The link.
    pub link: PathBuf,
    /// What it points to.
    pub program: PathBuf,
    /// What was there before.
    pub before: Before,
}

/// What was found where a link is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// This very link, which stays.
    SameLink,
    /// A link to this program, or to a file of its name, in other words.
    OwnLink,
    /// Something else.
    Other,
    /// A directory, which no link can take the place of.
    Directory,
}

impl fmt::Display for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = match self.before {
            Before::Nothing => "made",
            Before::SameLink => "was there already",
            Before::OwnLink => "was ours, made anew",
            Before::Other | Before::Directory => "replaced what was there",
        };
        let (link, program) = (self.link.display(), self.program.display());
        write!(f, "{link} -> {program}: {done}")
    }
}

/// Why no link was made, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program cannot say where it is.
    #[error("the running program is not found in any directory: it was removed or replaced")]
    NoProgram(#[source] io::Error),
    /// The directory is missing, or is none.
    #[error("no directory {}: make it first", .0.display())]
    NoDirectory(PathBuf),
    /// These are not our links.
    #[error("{} in the way, nothing was changed: move it, or say --force", list(.0))]
    InTheWay(Vec<PathBuf>),
    /// A directory has the name of a link.
    #[error("{} is a directory, nothing was changed: move it", .0.display())]
    Directory(PathBuf),
    /// A link cannot be made, which `--force` would not change.
    #[error("cannot make the link {}", .link.display())]
    Link {
        /// The link.
        link: PathBuf,
        /// The reason.
        #[source]
        error: io::Error,
    },
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let verb = if paths.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", paths.join(", "))
}

/// Makes a link in `directory` for each name, to the running program by its absolute path.
///
/// Each link appears at once or not at all, and none before all could be made.
///
/// # Errors
///
/// [`Error`]; except for [`Error::Link`] where the directory changed meanwhile, nothing was
/// changed.
pub fn install(directory: &Path, in_the_way: InTheWay) -> Result<Vec<Installed>, Error> {
    let program = env::current_exe()
        .and_then(fs::canonicalize)
        .map_err(Error::NoProgram)?;
    install_links_to(&program, directory, in_the_way)
}

fn install_links_to(
    program: &Path,
    directory: &Path,
    in_the_way: InTheWay,
) -> Result<Vec<Installed>, Error> {
    if !directory.is_dir() {
        return Err(Error::NoDirectory(directory.to_owned()));
    }
    let plan: Vec<Installed> = Name::ALL
        .into_iter()
        .map(|name| {
            let link = directory.join(name.as_str());
            Installed {
                before: look(&link, program),
                program: program.to_owned(),
                link,
            }
        })
        .collect();
    refuse(&plan, in_the_way)?;
    let waiting = make_waiting(&plan)?;
    for (made, installed) in &waiting {
        fs::rename(&made.0, &installed.link).map_err(|error| Error::Link {
            link: installed.link.clone(),
            error,
        })?;
    }
    Ok(plan)
}

/// Looks at what is where a link is to be.
fn look(link: &Path, program: &Path) -> Before {
    let Ok(found) = fs::symlink_metadata(link) else {
        return Before::Nothing;
    };
    match fs::read_link(link) {
        Ok(target) if target == program => Before::SameLink,
        // Also a link to where the program was before it moved.
        Ok(target) if target.file_name() == program.file_name() => Before::OwnLink,
        Ok(_) if is_same_file(link, program) => Before::OwnLink,
        Err(_) if found.is_dir() => Before::Directory,
        Ok(_) | Err(_) => Before::Other,
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path| fs::metadata(path).map(|found| (found.dev(), found.ino()));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

fn refuse(plan: &[Installed], in_the_way: InTheWay) -> Result<(), Error> {
    let found = |before| plan.iter().filter(move |it| it.before == before);
    if let Some(directory) = found(Before::Directory).next() {
        return Err(Error::Directory(directory.link.clone()));
    }
    let others: Vec<PathBuf> = found(Before::Other).map(|it| it.link.clone()).collect();
    match in_the_way {
        InTheWay::Refuse if !others.is_empty() => Err(Error::InTheWay(others)),
        InTheWay::Refuse | InTheWay::Replace => Ok(()),
    }
}

/// A link under a name of its own, removed again unless it was renamed.
struct Waiting(PathBuf);

impl Drop for Waiting {
    fn drop(&mut self) {
        // After the rename there is nothing of this name, and that is right.
        drop(fs::remove_file(&self.0));
    }
}

/// Makes all new links beside their places.
fn make_waiting(plan: &[Installed]) -> Result<Vec<(Waiting, &Installed)>, Error> {
    plan.iter()
        .filter(|installed| installed.before != Before::SameLink)
        .map(|installed| {
            let name = installed.link.file_name().unwrap_or_default();
            let name = format!(".{}.{}", name.display(), process::id());
            let waiting = installed.link.with_file_name(name);
            symlink(&installed.program, &waiting).map_err(|error| Error::Link {
                link: installed.link.clone(),
                error,
            })?;
            Ok((Waiting(waiting), installed))
        })
        .collect()
}
