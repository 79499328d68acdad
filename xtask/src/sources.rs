//! The text files of the repository, and the form of xtask's own lists.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Folders that hold what tools made.
const NOT_OURS: [&str; 4] = ["target", "corpus", "artifacts", "__pycache__"];

/// A text file, by its path from the root of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Reads every file below `root` whose name ends in one of `extensions`, sorted by path.
///
/// Hidden folders and what tools made are left out.
pub(crate) fn read(root: &Path, extensions: &[&str]) -> anyhow::Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let entry = entry.with_context(|| format!("list {}", folder.display()))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || NOT_OURS.contains(&name.as_str()) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if has_extension(&name, extensions) {
                sources.push(read_one(root, &entry.path())?);
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn has_extension(name: &str, extensions: &[&str]) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, end)| extensions.contains(&end))
}

fn read_one(root: &Path, path: &PathBuf) -> anyhow::Result<Source> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let path = path
        .strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned();
    Ok(Source { path, text })
}

/// The lines of a policy file that say something: no comments, no blank lines.
pub(crate) fn policy_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Whether `path` matches `pattern`, in which `*` stands for one name and `**` for any number.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    matches_names(&pattern, &path)
}

fn matches_names(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["**", rest @ ..], _) => (0..=path.len()).any(|skip| matches_names(rest, &path[skip..])),
        (["*", pattern @ ..], [_, path @ ..]) => matches_names(pattern, path),
        ([a, pattern @ ..], [b, path @ ..]) => a == b && matches_names(pattern, path),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{matches, policy_lines};

    #[test]
    fn matches_names_and_runs_of_names() {
        for (pattern, path, expected) in [
            ("crates/*/src/sys.rs", "crates/exithand/src/sys.rs", true),
            (
                "crates/*/src/sys.rs",
                "crates/exithand/src/wait/sys.rs",
                false,
            ),
            ("crates/*/src/**/sys.rs", "crates/exithand/src/sys.rs", true),
            (
                "crates/*/src/**/sys.rs",
                "crates/exithand/src/wait/sys.rs",
                true,
            ),
            (
                "crates/*/src/**/sys/**",
                "crates/exithand/src/sys/info.rs",
                true,
            ),
            (
                "crates/*/src/**/sys/**",
                "crates/exithand/src/system/info.rs",
                false,
            ),
            ("crates/a/**", "crates/b/src/lib.rs", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn policy_lines_leave_out_comments() {
        assert_eq!(
            policy_lines("# why\n\na\nb  \n").collect::<Vec<_>>(),
            ["a", "b"]
        );
    }
}
