//! Where cgroup hierarchies are mounted, and which directories a path may mean.

use std::path::{Path, PathBuf};

/// Which interface the files of a hierarchy have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// cgroup2, alone or beside v1.
    V2,
    /// A v1 hierarchy with the freezer.
    V1Freezer,
    /// Another v1 hierarchy.
    V1,
}

/// One mounted hierarchy, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) version: Version,
    /// The cgroup that is seen at the mount point.
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// Where the cgroup `path` would be seen; `None` outside of what is mounted.
    fn place(&self, path: &Path) -> Option<PathBuf> {
        let below = path.strip_prefix(&self.root).ok()?;
        Some(if below.as_os_str().is_empty() {
            self.point.clone()
        } else {
            self.point.join(below)
        })
    }

    /// Says whether a file lies in this mount.
    fn contains(&self, file: &Path) -> bool {
        file.starts_with(&self.point)
    }
}

/// Reads the text of `/proc/PID/mountinfo`; cgroup2 comes first, then the freezer.
pub(crate) fn parse(mountinfo: &str) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = mountinfo.lines().filter_map(parse_line).collect();
    mounts.sort_by_key(|mount| mount.version);
    mounts
}

fn parse_line(line: &str) -> Option<Mount> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(3);
    let (root, point) = (unescape(mount.next()?), unescape(mount.next()?));
    let mut filesystem = filesystem.split(' ');
    let (kind, options) = (filesystem.next()?, filesystem.nth(1)?);
    let version = match kind {
        "cgroup2" => Version::V2,
        "cgroup" if options.split(',').any(|option| option == "freezer") => Version::V1Freezer,
        "cgroup" => Version::V1,
        _ => return None,
    };
    Some(Mount {
        version,
        root,
        point,
    })
}

/// Undoes the kernel's `\040` for a blank and its like.
fn unescape(text: &str) -> PathBuf {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after
            .get(..3)
            .and_then(|code| u8::from_str_radix(code, 8).ok());
        plain.push(code.map_or('\\', char::from));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    plain.push_str(rest);
    PathBuf::from(plain)
}

/// Lists the directories that a path may mean, best first: a file path as it stands, then the
/// cgroup of that name in each hierarchy.
///
/// `file` is the path as seen from the working directory.
pub(crate) fn candidates(path: &Path, file: &Path, mounts: &[Mount]) -> Vec<(PathBuf, Version)> {
    let as_file = mounts.iter().filter(|mount| mount.contains(file));
    // The innermost mount is the one that is seen.
    let as_file = as_file.max_by_key(|mount| mount.point.as_os_str().len());
    let as_file = as_file.map(|mount| (file.to_owned(), mount.version));
    let name = Path::new("/").join(path);
    let as_name = mounts
        .iter()
        .filter_map(|mount| Some((mount.place(&name)?, mount.version)));
    as_file.into_iter().chain(as_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
99 31 0:38 /part/one /mnt/one\\040cgroup rw - cgroup2 cgroup2 rw,nsdelegate
";

    fn meant(path: &str) -> Vec<(String, Version)> {
        let candidates = candidates(Path::new(path), Path::new(path), &parse(HYBRID));
        candidates
            .into_iter()
            .map(|(path, it)| (path.display().to_string(), it))
            .collect()
    }

    fn pairs(expected: &[(&str, Version)]) -> Vec<(String, Version)> {
        expected
            .iter()
            .map(|(path, version)| ((*path).to_owned(), *version))
            .collect()
    }

    #[test]
    fn a_name_is_looked_up_in_every_hierarchy_cgroup2_first() {
        let expected = [
            ("/sys/fs/cgroup/unified/a/b", Version::V2),
            ("/sys/fs/cgroup/freezer/a/b", Version::V1Freezer),
            ("/sys/fs/cgroup/memory/a/b", Version::V1),
        ];
        assert_eq!(meant("/a/b"), pairs(&expected));
        assert_eq!(meant("a/b"), pairs(&expected));
    }

    #[test]
    fn a_file_path_means_its_own_hierarchy_first() {
        let meant = meant("/sys/fs/cgroup/freezer/a");
        assert_eq!(
            meant[0],
            ("/sys/fs/cgroup/freezer/a".to_owned(), Version::V1Freezer)
        );
    }

    #[test]
    fn a_mount_of_a_part_shows_that_part_only() {
        let meant = meant("/part/one/two");
        assert!(
            meant.contains(&("/mnt/one cgroup/two".to_owned(), Version::V2)),
            "{meant:?}"
        );
        assert!(
            !self::meant("/part")
                .iter()
                .any(|(path, _)| path.starts_with("/mnt"))
        );
    }

    #[test]
    fn no_cgroups_no_candidates() {
        let mounts = parse("23 1 0:5 / /proc rw - proc proc rw\n");
        assert_eq!(candidates(Path::new("/a"), Path::new("/a"), &mounts), []);
    }
}
