//! A Debian of its own, in which packages are installed and taken away.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use tempfile::TempDir;

use crate::dist::{tool, tree};
use crate::system;

/// What the packages depend on, and what the checks use: a C compiler, pkg-config, man, Python,
/// systemd-analyze and systemd-sysusers.
const INCLUDED: &str = "libc6-dev,man-db,pkgconf,python3,systemd,tcc";
/// What no script here comes near to.
const SECONDS: &str = "300";

/// The system, in a temporary folder.
#[derive(Debug)]
pub(super) struct Chroot {
    root: TempDir,
}

impl Chroot {
    /// Unpacks a minimal system, which is made by debootstrap where the cache has none.
    pub(super) fn unpack() -> anyhow::Result<Self> {
        let archive = system::archive(INCLUDED)?;
        let root = tempfile::tempdir().context("make a folder for the system")?;
        system::unpack(&archive, root.path())?;
        Ok(Self { root })
    }

    /// Runs a script inside, which must succeed, and returns what it printed.
    ///
    /// It has processes, mounts and a network of its own, which end with it, whatever happens. It has
    /// no systemd, and none of the host's devices but those that hold nothing.
    pub(super) fn run(&self, script: &str) -> anyhow::Result<String> {
        const SETUP: &str = r#"
            mount -t proc proc "$1/proc"
            mount -t tmpfs dev "$1/dev"
            for device in null zero full random urandom; do
                : > "$1/dev/$device"
                mount --bind "/dev/$device" "$1/dev/$device"
            done
            ln -s /proc/self/fd "$1/dev/fd"
            mkdir "$1/dev/pts"
            mount -t devpts -o newinstance,ptmxmode=0666 pts "$1/dev/pts"
            ln -s pts/ptmx "$1/dev/ptmx"
            mount -t tmpfs run "$1/run"
            mount -t tmpfs tmp "$1/tmp"
            [ ! -e "$2" ] || cp "$2"/* "$1/tmp"
            exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
                DEBIAN_FRONTEND=noninteractive chroot "$1" sh -euc "$3" 2>&1
        "#;
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=5", SECONDS])
            .args([
                "unshare",
                "--mount",
                "--propagation=private",
                "--pid",
                "--fork",
            ])
            .args([
                "--kill-child",
                "--ipc",
                "--uts",
                "--net",
                "sh",
                "-euc",
                SETUP,
                "sh",
            ])
            .arg(self.root.path())
            .arg(self.shared())
            .arg(script);
        tool::output(&mut command)
    }

    /// Has the next scripts find a copy of `file` in /tmp.
    pub(super) fn share(&self, file: &Path) -> anyhow::Result<()> {
        let name = file.file_name().context("a file without a name")?;
        tree::copy(file, &self.shared().join(name))
    }

    /// Has the next scripts find none of the files shared so far.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        fs::remove_dir_all(self.shared()).context("empty the folder of shared files")
    }

    fn shared(&self) -> PathBuf {
        self.root.path().join("srv/shared")
    }

    /// All paths of the system, but for those that any installation changes.
    pub(super) fn paths(&self) -> anyhow::Result<BTreeSet<String>> {
        // What dpkg and apt know and remember, caches, and copies of /etc/passwd and its like.
        const OTHERS: [&str; 7] = [
            "/var/lib/dpkg/",
            "/var/lib/apt/",
            "/var/log/",
            "/var/cache/",
            "/srv/shared",
            "/etc/.pwd.lock",
            "/etc/ld.so.cache",
        ];
        let is_backup = |path: &str| path.starts_with("/etc/") && path.ends_with('-');
        let entries = tree::walk(self.root.path())?.into_iter();
        let paths = entries.map(|it| format!("/{}", it.path.display()));
        Ok(paths
            .filter(|it| !is_backup(it) && !OTHERS.iter().any(|other| it.starts_with(other)))
            .collect())
    }
}
