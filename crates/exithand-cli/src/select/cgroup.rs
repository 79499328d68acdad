//! Cgroups: where a process is, and which cgroup a word means.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Where a process is in one hierarchy: a line of `/proc/PID/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The controllers of a v1 hierarchy, with commas between them; empty for v2.
    pub controllers: Vec<u8>,
    /// The path from the root of the hierarchy, or of our cgroup namespace.
    pub path: Vec<u8>,
}

/// Which hierarchies a choice is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hierarchy {
    /// All of them: v2 and every v1 controller.
    Any,
    /// The v2 hierarchy.
    Unified,
    /// The v1 hierarchy whose mount has these options; its controllers are among them.
    Legacy(Vec<Vec<u8>>),
}

/// A cgroup, and with it everything below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupChoice {
    /// Where the path is looked for.
    pub hierarchy: Hierarchy,
    /// The names on the way from the root.
    pub names: Vec<Vec<u8>>,
}

/// A cgroup hierarchy mounted in the filesystem: a line of `/proc/self/mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// v2, or v1 and its options.
    pub hierarchy: Hierarchy,
    /// The cgroup that shows at the mount point.
    pub root: Vec<Vec<u8>>,
    /// The mount point.
    pub point: Vec<Vec<u8>>,
}

/// The word names no cgroup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CgroupError {
    /// There is no name in it.
    #[error("the cgroup is empty: write a path such as /system.slice, or / for all of them")]
    Empty,
    /// It lies where cgroups are mounted, but beside them.
    #[error("{0:?} lies in no mounted cgroup hierarchy: see `grep cgroup /proc/mounts`")]
    NotMounted(std::ffi::OsString),
}

/// Where cgroups are mounted by convention.
const CONVENTIONAL: [&[u8]; 3] = [b"sys", b"fs", b"cgroup"];

/// What the kernel appends to the path of a v2 cgroup that was removed under a zombie.
const DELETED: &[u8] = b" (deleted)";

impl CgroupChoice {
    /// Finds out which cgroup a word means: `/system.slice`, `system.slice`, or a path in the
    /// filesystem such as `/sys/fs/cgroup/system.slice`, which also says which hierarchy. `real` is
    /// the word with its symbolic links resolved, if it is such a path.
    ///
    /// # Errors
    ///
    /// The word is empty, or lies below `/sys/fs/cgroup` where no hierarchy is mounted.
    pub fn resolve(word: &OsStr, real: &OsStr, mounts: &[Mount]) -> Result<Self, CgroupError> {
        if word.is_empty() {
            return Err(CgroupError::Empty);
        }
        let names = split_path(word.as_bytes());
        let place = split_path(real.as_bytes());
        let mount = mounts
            .iter()
            .filter(|mount| real.as_bytes().starts_with(b"/") && place.starts_with(&mount.point))
            .max_by_key(|mount| mount.point.len());
        match mount {
            Some(mount) => Ok(Self {
                hierarchy: mount.hierarchy.clone(),
                names: [&mount.root, &place[mount.point.len()..]].concat(),
            }),
            None if names.starts_with(&CONVENTIONAL.map(<[u8]>::to_owned)) => {
                Err(CgroupError::NotMounted(word.to_owned()))
            }
            None => Ok(Self {
                hierarchy: Hierarchy::Any,
                names,
            }),
        }
    }

    /// Says whether a process that is there is in the chosen cgroup or below it.
    pub fn holds(&self, membership: &Membership) -> bool {
        let in_hierarchy = match &self.hierarchy {
            Hierarchy::Any => true,
            Hierarchy::Unified => membership.controllers.is_empty(),
            Hierarchy::Legacy(options) => {
                !membership.controllers.is_empty()
                    && membership
                        .controllers
                        .split(|byte| *byte == b',')
                        .all(|controller| options.iter().any(|option| option == controller))
            }
        };
        in_hierarchy && self.leads_to(&membership.path)
    }

    fn leads_to(&self, path: &[u8]) -> bool {
        let at = |path: &[u8]| split_path(path).starts_with(&self.names);
        at(path) || path.strip_suffix(DELETED).is_some_and(at)
    }
}

/// Splits a path into names; double and trailing slashes and dots mean nothing.
fn split_path(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .map(<[u8]>::to_owned)
        .collect()
}

/// Reads `/proc/PID/cgroup`: lines of `HIERARCHY:CONTROLLERS:PATH`.
pub(super) fn parse_memberships(text: &[u8]) -> Vec<Membership> {
    // Nothing is escaped here; the kernel lets no cgroup have a line feed in its name.
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let mut fields = line.splitn(3, |byte| *byte == b':').skip(1);
            Some(Membership {
                controllers: fields.next()?.to_owned(),
                path: fields.next()?.to_owned(),
            })
        })
        .collect()
}

/// Reads the cgroup mounts from `/proc/self/mountinfo`.
pub(super) fn parse_mounts(mountinfo: &[u8]) -> Vec<Mount> {
    mountinfo
        .split(|byte| *byte == b'\n')
        .filter_map(parse_mount)
        .collect()
}

/// Reads `ID PARENT DEVICE ROOT POINT OPTIONS [TAG...] - TYPE SOURCE SUPER_OPTIONS`.
fn parse_mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ').skip(3);
    let root = split_path(&unescape(fields.next()?));
    let point = split_path(&unescape(fields.next()?));
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let kind = fields.next()?;
    let options = fields.nth(1)?;
    let hierarchy = match kind {
        b"cgroup2" => Hierarchy::Unified,
        b"cgroup" => {
            let options = options.split(|byte| *byte == b',');
            Hierarchy::Legacy(options.map(<[u8]>::to_owned).collect())
        }
        _ => return None,
    };
    Some(Mount {
        hierarchy,
        root,
        point,
    })
}

/// Undoes the octal escapes of mountinfo, such as `\040` for a blank.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        if let ([b'\\', _, _, _, after @ ..], Some(byte)) = (rest, octal(rest)) {
            plain.push(byte);
            rest = after;
        } else {
            plain.push(*first);
            rest = after;
        }
    }
    plain
}

/// Reads `\NNN` at the start of the text.
fn octal(text: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(text.get(1..4)?).ok()?;
    u8::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &[u8] = b"\
        22 1 0:20 / /proc rw,relatime - proc proc rw\n\
        30 22 0:25 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        31 30 0:26 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n\
        32 30 0:27 /docker/a /sys/fs/cgroup/cpu,cpuacct rw shared:1 master:2 - cgroup cgroup rw,cpu,cpuacct\n\
        33 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
        34 30 0:29 / /mnt/my\\040cgroups rw - cgroup2 none rw\n";

    fn choice(word: &str) -> CgroupChoice {
        let word = OsStr::new(word);
        CgroupChoice::resolve(word, word, &parse_mounts(MOUNTINFO)).unwrap()
    }

    fn at(controllers: &str, path: &str) -> Membership {
        Membership {
            controllers: controllers.into(),
            path: path.into(),
        }
    }

    #[test]
    fn reads_memberships_of_both_versions() {
        let text = b"12:cpu,cpuacct:/a:b\n1:name=systemd:/user.slice\n0::/\xff\\040x\n";
        let expected = [
            at("cpu,cpuacct", "/a:b"),
            at("name=systemd", "/user.slice"),
            Membership {
                controllers: Vec::new(),
                path: b"/\xff\\040x".to_vec(),
            },
        ];
        assert_eq!(parse_memberships(text), expected);
        assert_eq!(parse_memberships(b""), []);
    }

    #[test]
    fn a_path_means_all_hierarchies_and_everything_below() {
        for word in ["/a/b", "a/b", "/a/b/", "//a/./b"] {
            let choice = choice(word);
            for path in ["/a/b", "/a/b/c", "/a/b (deleted)", "/a/b/c (deleted)"] {
                assert!(choice.holds(&at("", path)), "{word} {path}");
                assert!(choice.holds(&at("memory", path)), "{word} {path}");
            }
            for path in ["/", "/a", "/a/bc", "/x/a/b", "/a/b c"] {
                assert!(!choice.holds(&at("", path)), "{word} {path}");
            }
        }
        assert!(choice("/").holds(&at("", "/")) && choice("/").holds(&at("", "/a")));
    }

    #[test]
    fn a_name_may_really_end_in_deleted() {
        assert!(choice("/a (deleted)").holds(&at("", "/a (deleted)")));
        assert!(!choice("/a (deleted)").holds(&at("", "/a")));
    }

    #[test]
    fn a_path_in_the_filesystem_says_which_hierarchy() {
        let unified = choice("/sys/fs/cgroup/unified/a");
        assert!(unified.holds(&at("", "/a/b")));
        assert!(!unified.holds(&at("cpu,cpuacct", "/a/b")));
        let systemd = choice("/sys/fs/cgroup/systemd/a");
        assert!(systemd.holds(&at("name=systemd", "/a")));
        assert!(!systemd.holds(&at("", "/a")) && !systemd.holds(&at("cpu,cpuacct", "/a")));
        let below_root = choice("/sys/fs/cgroup/cpu,cpuacct/b");
        assert!(below_root.holds(&at("cpu,cpuacct", "/docker/a/b")));
        assert!(!below_root.holds(&at("cpu,cpuacct", "/b")));
        assert!(
            choice("/mnt/my cgroups/x").holds(&at("", "/x")),
            "a blank in the mount point"
        );
        assert!(
            choice("/sys/fs/cgroup/unified").holds(&at("", "/")),
            "the root itself"
        );
    }

    #[test]
    fn says_what_is_no_cgroup() {
        let mounts = parse_mounts(MOUNTINFO);
        let error = |word: &str| {
            let word = OsStr::new(word);
            CgroupChoice::resolve(word, word, &mounts).unwrap_err()
        };
        assert_eq!(error(""), CgroupError::Empty);
        for word in ["/sys/fs/cgroup", "/sys/fs/cgroup/memory/a"] {
            assert_eq!(error(word), CgroupError::NotMounted(word.into()));
        }
    }

    #[test]
    fn follows_symbolic_links() {
        let word = OsStr::new("/sys/fs/cgroup/cpu/b");
        let real = OsStr::new("/sys/fs/cgroup/cpu,cpuacct/b");
        let choice = CgroupChoice::resolve(word, real, &parse_mounts(MOUNTINFO)).unwrap();
        assert!(choice.holds(&at("cpu,cpuacct", "/docker/a/b")));
    }

    #[test]
    fn leaves_backslashes_alone_that_escape_nothing() {
        for (text, plain) in [
            (&b"a\\x2db"[..], &b"a\\x2db"[..]),
            (b"\\040", b" "),
            (b"\\04", b"\\04"),
            (b"\\", b"\\"),
            (b"\\999\\134", b"\\999\\"),
            (b"\\777", b"\\777"),
        ] {
            assert_eq!(unescape(text), plain);
        }
    }
}
