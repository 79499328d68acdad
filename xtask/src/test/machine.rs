//! The kind of machine the tests run on, as far as skips depend on it.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, anyhow, bail};

use super::is_root;
use super::skips::Table;

/// What is asked of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) kernel: Kernel,
    pub(crate) user: User,
    /// The effective capabilities, a bit each.
    pub(crate) capabilities: u64,
    /// Those of the files the table asks for that are there.
    pub(crate) files: BTreeSet<PathBuf>,
}

/// Major and minor version of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kernel(u32, u32);

/// Who runs the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    Root,
    Other,
}

impl Machine {
    /// This machine, as the user we are.
    pub(crate) fn this(table: &Table) -> anyhow::Result<Self> {
        let user = if is_root() { User::Root } else { User::Other };
        let status = fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
        Ok(Self {
            user,
            capabilities: effective_capabilities(&status).context("no CapEff for ourselves")?,
            ..Self::unprivileged(table)?
        })
    }

    /// A virtual machine with a kernel of this release, in which these files are.
    pub(crate) fn virtual_one(
        release: &str,
        user: User,
        files: BTreeSet<PathBuf>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            kernel: release.parse()?,
            user,
            capabilities: match user {
                User::Root => u64::MAX,
                User::Other => 0,
            },
            files,
        })
    }

    /// This machine, as a user without any privilege.
    pub(crate) fn unprivileged(table: &Table) -> anyhow::Result<Self> {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")
            .context("read /proc/sys/kernel/osrelease")?;
        let files = table.files();
        Ok(Self {
            kernel: release.trim().parse()?,
            user: User::Other,
            capabilities: 0,
            files: files.filter(|it| it.exists()).map(Path::to_owned).collect(),
        })
    }
}

/// Reads the effective capabilities out of `/proc/PID/status`.
fn effective_capabilities(status: &str) -> Option<u64> {
    let hex = status.lines().find_map(|it| it.strip_prefix("CapEff:"))?;
    u64::from_str_radix(hex.trim(), 16).ok()
}

/// The bit of a capability, for those that tests may need.
pub(crate) fn capability(name: &str) -> anyhow::Result<u64> {
    let number = match name {
        "dac_override" => 1,
        "kill" => 5,
        "net_admin" => 12,
        "sys_ptrace" => 19,
        "sys_admin" => 21,
        "sys_resource" => 24,
        "perfmon" => 38,
        "bpf" => 39,
        "checkpoint_restore" => 40,
        _ => bail!("capability {name:?} is not one that xtask knows: add it to machine.rs"),
    };
    Ok(1 << number)
}

impl FromStr for Kernel {
    type Err = anyhow::Error;

    /// Parses `6.18`, and releases such as `6.18.44-cloud`.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        let number = |part: &str| {
            let digits = part
                .find(|it: char| !it.is_ascii_digit())
                .unwrap_or(part.len());
            part[..digits].parse().ok()
        };
        let mut parts = text.split('.');
        let version = parts
            .next()
            .and_then(number)
            .zip(parts.next().and_then(number));
        let (major, minor) = version.ok_or_else(|| anyhow!("{text:?} is no kernel version"))?;
        Ok(Self(major, minor))
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Kernel, Machine, Table, effective_capabilities};

    #[test]
    fn reads_kernel_releases() {
        for (text, kernel) in [
            ("6.18.44-fc-v595", Kernel(6, 18)),
            ("6.1.0-18-amd64", Kernel(6, 1)),
            ("6.19-rc1", Kernel(6, 19)),
            ("7.0", Kernel(7, 0)),
        ] {
            assert_eq!(text.parse::<Kernel>().unwrap(), kernel, "{text}");
        }
        for text in ["", "6", "six.one", "6."] {
            assert!(text.parse::<Kernel>().is_err(), "{text}");
        }
    }

    #[test]
    fn orders_kernels_by_number() {
        assert!(Kernel(6, 9) < Kernel(6, 15));
        assert!(Kernel(6, 15) < Kernel(7, 0));
    }

    #[test]
    fn reads_capabilities() {
        let status = "Name:\tsh\nCapPrm:\t000001ffffffffff\nCapEff:\t000001fffeffffff\n";
        assert_eq!(effective_capabilities(status), Some(0x01ff_feff_ffff));
        assert_eq!(effective_capabilities("Name:\tsh\n"), None);
    }

    #[test]
    fn this_machine_can_be_described() {
        Machine::this(&Table::of_hosts().unwrap()).unwrap();
    }
}
