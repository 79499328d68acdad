//! Which systemd unit and which container a cgroup stands for. Pure: reads the path and nothing else.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::Place;

/// What makes a word the name of a unit that has processes of its own.
const UNIT_TYPES: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];
/// What engines put before a container's id, in the name of a scope or of a cgroup.
const ENGINES: [&str; 6] = [
    "docker-",
    "libpod-",
    "cri-containerd-",
    "crio-",
    "containerd-",
    "podman-",
];
/// The folders below which an engine keeps one cgroup for each container, by its id alone.
const ENGINE_FOLDERS: [&str; 4] = ["docker", "libpod_parent", "kubepods", "actions_job"];
/// The bytes of a container's id in hexadecimal.
const ID_CHARS: usize = 64;

/// Reads unit and container off the path of a cgroup, as `/proc/PID/cgroup` shows it.
pub fn place(cgroup: OsString) -> Place {
    let words = words(&cgroup);
    let (unit, container) = (unit(&words), container(&words));
    Place {
        cgroup: Some(cgroup),
        unit,
        container,
    }
}

fn words(cgroup: &OsStr) -> Vec<&str> {
    // Units and containers have names of text; a word that is none is neither.
    cgroup
        .as_bytes()
        .split(|byte| *byte == b'/')
        .filter(|word| !word.is_empty())
        .map(|word| str::from_utf8(word).unwrap_or_default())
        .collect()
}

/// The unit that is meant when one says where a process runs: the innermost, whose cgroup may have
/// further ones below that are no units; inside a user's manager the user's unit.
fn unit(words: &[&str]) -> Option<String> {
    words
        .iter()
        .rev()
        .map(|word| unescaped(word))
        .find(|word| is_unit(word))
        .map(str::to_owned)
}

/// The name of a cgroup that would clash with a file of the kernel begins with an underscore.
fn unescaped(word: &str) -> &str {
    word.strip_prefix('_').unwrap_or(word)
}

fn is_unit(word: &str) -> bool {
    let has_type = UNIT_TYPES
        .iter()
        .any(|ending| word.len() > ending.len() && word.ends_with(ending));
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    has_type && word.len() < 256 && word.bytes().all(is_allowed)
}

/// The innermost container: one may run inside another.
fn container(words: &[&str]) -> Option<String> {
    (0..words.len())
        .rev()
        .find_map(|at| container_at(&words[..=at]))
}

fn container_at(path: &[&str]) -> Option<String> {
    let (word, above) = path.split_last()?;
    let bare = word.strip_suffix(".scope").unwrap_or(word);
    if let Some(id) = ENGINES.iter().find_map(|engine| bare.strip_prefix(engine)) {
        // Podman's own monitor has `libpod-conmon-ID.scope`.
        return is_id(id).then(|| id.to_owned());
    }
    let folder = above.last().copied().unwrap_or_default();
    let in_engine = above.iter().any(|it| {
        ENGINE_FOLDERS.contains(it) || it.starts_with("kubepods-") || it.starts_with("kubepods.")
    });
    if is_id(bare) && in_engine {
        return Some(bare.to_owned());
    }
    // LXC 4 and later; the monitor of a container is outside of it.
    if let Some(name) = word.strip_prefix("lxc.payload.") {
        return (!name.is_empty()).then(|| name.to_owned());
    }
    if folder == "lxc.payload" || folder == "lxc" {
        return Some((*word).to_owned());
    }
    // What systemd-machined registers: nspawn, virtual machines.
    if folder == "machine.slice" {
        return machine(word);
    }
    None
}

/// The name of a machine: `machine-NAME.scope`, `systemd-nspawn@NAME.service`.
fn machine(word: &str) -> Option<String> {
    let scope = word
        .strip_prefix("machine-")
        .and_then(|rest| rest.strip_suffix(".scope"));
    let nspawn = word
        .strip_prefix("systemd-nspawn@")
        .and_then(|rest| rest.strip_suffix(".service"));
    let name = unescape(scope.or(nspawn)?);
    (!name.is_empty()).then_some(name)
}

/// Undoes systemd's `\xNN`.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after
            .strip_prefix(b"x")
            .filter(|_| *first == b'\\')
            .and_then(|digits| str::from_utf8(digits.get(..2)?).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = escaped {
            bytes.push(byte);
            rest = &rest[4..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_not_text| text.to_owned())
}

fn is_id(text: &str) -> bool {
    text.len() == ID_CHARS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn of(path: &str) -> (Option<String>, Option<String>) {
        let Place {
            unit, container, ..
        } = place(path.into());
        (unit, container)
    }

    #[test]
    fn reads_units() {
        for (path, expected) in [
            ("/", None),
            ("/user.slice", None),
            ("/init.scope", Some("init.scope")),
            ("/system.slice/nginx.service", Some("nginx.service")),
            (
                "/system.slice/nginx.service/worker/3",
                Some("nginx.service"),
            ),
            (
                "/system.slice/system-getty.slice/getty@tty1.service",
                Some("getty@tty1.service"),
            ),
            (
                "/user.slice/user-1000.slice/session-2.scope",
                Some("session-2.scope"),
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/init.scope",
                Some("init.scope"),
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte-spawn-1.scope",
                Some("vte-spawn-1.scope"),
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice",
                Some("user@1000.service"),
            ),
            (
                "/system.slice/_cgroup.procs.service",
                Some("cgroup.procs.service"),
            ),
            (
                "/system.slice/dev-disk-by\\x2duuid.swap",
                Some("dev-disk-by\\x2duuid.swap"),
            ),
            ("/system.slice/run-u1.mount", Some("run-u1.mount")),
            ("/.service", None),
            ("/a b.service", None),
        ] {
            assert_eq!(of(path).0.as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn reads_containers() {
        for (path, expected) in [
            ("/system.slice/docker-ID.scope", Some(ID)),
            ("/system.slice/docker-ID.scope/init.scope", Some(ID)),
            ("/docker/ID", Some(ID)),
            ("/docker/ID/system.slice/cron.service", Some(ID)),
            ("/machine.slice/libpod-ID.scope/container", Some(ID)),
            ("/machine.slice/libpod-conmon-ID.scope", None),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
                Some(ID),
            ),
            ("/libpod_parent/libpod-ID", Some(ID)),
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-ID.scope",
                Some(ID),
            ),
            (
                "/kubepods.slice/kubepods-besteffort.slice/crio-ID.scope",
                Some(ID),
            ),
            ("/kubepods/burstable/pod1/ID", Some(ID)),
            ("/lxc.payload.web1/system.slice/a.service", Some("web1")),
            ("/lxc.monitor.web1", None),
            ("/lxc/web1", Some("web1")),
            ("/machine.slice/machine-deb\\x2d12.scope", Some("deb-12")),
            ("/machine.slice/systemd-nspawn@deb.service", Some("deb")),
            ("/system.slice/docker-short.scope", None),
            ("/system.slice/ID", None),
            ("/system.slice/docker.service", None),
        ] {
            let path = path.replace("ID", ID);
            assert_eq!(of(&path).1.as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_name_that_is_no_text_is_neither() {
        let path = OsStr::from_bytes(b"/system.slice/\xff.service/x").to_owned();
        let place = place(path.clone());
        assert_eq!((place.unit, place.container), (None, None));
        assert_eq!(place.cgroup, Some(path));
    }
}
