//! Cgroup files, and what a cgroup's path tells.

use crate::number::field;

/// Counters of a cgroup2's `memory.events`.
///
/// Source: `Documentation/admin-guide/cgroup-v2.rst`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryEvents {
    /// Times the usage was about to go over `memory.high`.
    pub high: u64,
    /// Times the usage was about to go over `memory.max`.
    pub max: u64,
    /// Times nothing could be reclaimed at the limit.
    pub oom: u64,
}

impl MemoryEvents {
    /// Parses the text of `memory.events`; a missing line counts 0.
    pub fn parse(text: &[u8]) -> Self {
        let read = |key: &str| field(text, key.as_bytes()).unwrap_or(0);
        Self {
            high: read("high "),
            max: read("max "),
            oom: read("oom "),
        }
    }
}

/// Returns the path in `/proc/PID/cgroup` that says most: that of cgroup2 if it is not the root,
/// else that of the v1 hierarchy of memory, or of systemd.
pub(crate) fn cgroup_of(text: &[u8]) -> &[u8] {
    let path = |controller: &[u8]| {
        text.split(|byte| *byte == b'\n').find_map(|line| {
            let mut parts = line.splitn(3, |byte| *byte == b':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            // The line of cgroup2 names no controller.
            let mut listed = controllers.split(|byte| *byte == b',');
            (listed.any(|it| it == controller) && path != b"/").then_some(path)
        })
    };
    path(b"")
        .or_else(|| path(b"name=systemd"))
        .or_else(|| path(b"memory"))
        .unwrap_or(b"/")
}

/// Returns the innermost part of a cgroup's path that names a unit of systemd.
pub fn unit_of(path: &[u8]) -> Option<&[u8]> {
    const KINDS: [&[u8]; 3] = [b".service", b".scope", b".slice"];
    path.split(|byte| *byte == b'/')
        .rev()
        .find(|part| KINDS.iter().any(|kind| part.ends_with(kind)))
}

/// Returns the id of the container a cgroup's path names: at least 32 hexadecimal digits, as
/// Docker, Podman, containerd and Kubernetes use.
pub fn container_of(path: &[u8]) -> Option<&[u8]> {
    path.split(|byte| matches!(byte, b'/' | b'-' | b'.' | b':'))
        .rev()
        .find(|part| part.len() >= 32 && part.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_path_that_says_most() {
        for (text, path) in [
            ("0::/user.slice/a.scope\n", "/user.slice/a.scope"),
            ("4:memory:/box/1\n1:cpu:/\n0::/\n", "/box/1"),
            (
                "9:name=systemd:/x.service\n4:memory:/box\n0::/\n",
                "/x.service",
            ),
            ("0::/\n", "/"),
            ("", "/"),
            ("0::/odd:name\n", "/odd:name"),
        ] {
            assert_eq!(cgroup_of(text.as_bytes()), path.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn finds_units_and_containers() {
        let text = |found: Option<&[u8]>| found.map(|it| String::from_utf8_lossy(it).into_owned());
        let id = "0123456789abcdef0123456789abcdef";
        for (path, unit, container) in [
            (
                "/system.slice/nginx.service".to_owned(),
                Some("nginx.service"),
                None,
            ),
            (
                "/user.slice/user-1.slice/app.scope/sub".to_owned(),
                Some("app.scope"),
                None,
            ),
            (
                format!("/system.slice/docker-{id}.scope"),
                Some("docker-0123456789abcdef0123456789abcdef.scope"),
                Some(id),
            ),
            (format!("/docker/{id}"), None, Some(id)),
            ("/".to_owned(), None, None),
        ] {
            assert_eq!(text(unit_of(path.as_bytes())).as_deref(), unit, "{path}");
            assert_eq!(
                text(container_of(path.as_bytes())).as_deref(),
                container,
                "{path}"
            );
        }
    }

    #[test]
    fn reads_memory_events() {
        let events = MemoryEvents::parse(b"low 0\nhigh 3\nmax 2\noom 1\noom_kill 1\n");
        assert_eq!((events.high, events.max, events.oom), (3, 2, 1));
    }
}
