//! What a test can need of the machine.

use std::fmt;

use crate::{Hierarchy, probe};

/// One thing a test needs, probed by doing it, never by a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// Root outside of any user namespace.
    Root,
    /// A process run by an unprivileged user: this one, or one started by root.
    UnprivilegedUser,
    /// Starting processes as users of one's choice.
    OtherUsers,
    /// Core dumps, so that the core bit of a wait status can be seen.
    CoreDumps,
    /// `PIDFD_INFO_EXIT`: the wait status of a reaped process (Linux 6.15).
    PidfdInfoExit,
    /// Pidfds with inode numbers of their own (Linux 6.9).
    Pidfs,
    /// File handles of pidfds (Linux 6.14).
    PidfsHandles,
    /// Pidfds of threads (Linux 6.9).
    PidfdThread,
    /// `process_mrelease(2)` (Linux 5.15).
    ProcessMrelease,
    /// Making pid and mount namespaces, and mounting `/proc` there.
    PrivatePidNamespace,
    /// A `kernel.pid_max` for each pid namespace (Linux 6.14) that takes this value.
    PerNamespacePidMax(u32),
    /// A hard limit of at least so many descriptors.
    Descriptors(u64),
    /// A writable cgroup2 hierarchy.
    Cgroup2,
    /// A writable cgroup2 hierarchy with the memory controller.
    Cgroup2Memory,
    /// A writable cgroup v1 freezer.
    CgroupV1Freezer,
    /// A writable cgroup v1 memory controller.
    CgroupV1Memory,
    /// A writable cgroup v1 pids controller.
    CgroupV1Pids,
    /// Exit events from the netlink process connector.
    ProcConnector,
    /// Loading BPF programs that look at all of the machine, and the kernel's types for them.
    Bpf,
    /// Opening `/dev/fuse`.
    Fuse,
    /// A `/dev/fuse` that every user may open, in a namespace of its own.
    UserFuse,
    /// A program on the path.
    Program(&'static str),
}

impl Need {
    /// Whether this machine, and this user on it, gives what is needed.
    pub fn met(self) -> bool {
        match self {
            Self::Root => probe::root(),
            Self::UnprivilegedUser => !probe::effective_root() || probe::other_users(),
            Self::OtherUsers => probe::other_users(),
            Self::CoreDumps => probe::core_dumps(),
            Self::PidfdInfoExit => probe::pidfd_info_exit(),
            Self::Pidfs => probe::pidfs(),
            Self::PidfsHandles => probe::pidfs_handles(),
            Self::PidfdThread => probe::pidfd_thread(),
            Self::ProcessMrelease => probe::process_mrelease(),
            Self::PrivatePidNamespace => probe::private_pid_namespace(),
            Self::PerNamespacePidMax(pid_max) => probe::per_namespace_pid_max(pid_max),
            Self::Descriptors(wanted) => probe::descriptors(wanted),
            Self::Cgroup2 => probe::cgroup(Hierarchy::V2),
            Self::Cgroup2Memory => probe::cgroup2_memory(),
            Self::CgroupV1Freezer => probe::cgroup(Hierarchy::V1("freezer")),
            Self::CgroupV1Memory => probe::cgroup(Hierarchy::V1("memory")),
            Self::CgroupV1Pids => probe::cgroup(Hierarchy::V1("pids")),
            Self::ProcConnector => probe::proc_connector(),
            Self::Bpf => probe::bpf(),
            Self::Fuse => probe::fuse(),
            Self::UserFuse => probe::user_fuse(),
            Self::Program(name) => probe::program(name),
        }
    }

    /// A stable name, as written to the file of skips.
    pub fn key(self) -> String {
        match self {
            Self::PerNamespacePidMax(_) => "per-namespace-pid-max".to_owned(),
            Self::Descriptors(wanted) => format!("descriptors-{wanted}"),
            Self::Program(name) => format!("program-{name}"),
            _ => kebab(&format!("{self:?}")),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root in the initial user namespace"),
            Self::UnprivilegedUser => f.write_str("a process of an unprivileged user"),
            Self::OtherUsers => f.write_str("processes of other users, which only root can start"),
            Self::CoreDumps => f.write_str("core dumps (core limit, kernel.core_pattern)"),
            Self::PidfdInfoExit => f.write_str("PIDFD_INFO_EXIT (Linux 6.15)"),
            Self::Pidfs => f.write_str("pidfd inode numbers (Linux 6.9)"),
            Self::PidfsHandles => f.write_str("file handles of pidfds (Linux 6.14)"),
            Self::PidfdThread => f.write_str("PIDFD_THREAD (Linux 6.9)"),
            Self::ProcessMrelease => f.write_str("process_mrelease (Linux 5.15)"),
            Self::PrivatePidNamespace => {
                f.write_str("pid and mount namespaces with their own /proc")
            }
            Self::PerNamespacePidMax(pid_max) => {
                write!(
                    f,
                    "kernel.pid_max of {pid_max} in a pid namespace (Linux 6.14)"
                )
            }
            Self::Descriptors(wanted) => write!(f, "a hard limit of {wanted} descriptors"),
            Self::Cgroup2 => f.write_str("a writable cgroup2 hierarchy"),
            Self::Cgroup2Memory => f.write_str("the memory controller on a writable cgroup2"),
            Self::CgroupV1Freezer => f.write_str("a writable cgroup v1 freezer"),
            Self::CgroupV1Memory => f.write_str("a writable cgroup v1 memory controller"),
            Self::CgroupV1Pids => f.write_str("a writable cgroup v1 pids controller"),
            Self::ProcConnector => f.write_str("the process connector (CONFIG_PROC_EVENTS, root)"),
            Self::Bpf => f.write_str("BPF (CAP_BPF, CAP_PERFMON, /sys/kernel/btf/vmlinux)"),
            Self::Fuse => f.write_str("/dev/fuse"),
            Self::UserFuse => f.write_str("root who may make a /dev/fuse for users"),
            Self::Program(name) => write!(f, "the program {name}"),
        }
    }
}

/// `pidfd-info-exit` for `PidfdInfoExit`.
fn kebab(name: &str) -> String {
    let mut key = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !key.is_empty() {
            key.push('-');
        }
        key.push(letter.to_ascii_lowercase());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_stable() {
        for (need, key) in [
            (Need::Root, "root"),
            (Need::PidfdInfoExit, "pidfd-info-exit"),
            (Need::Cgroup2, "cgroup2"),
            (Need::CgroupV1Memory, "cgroup-v1-memory"),
            (Need::PerNamespacePidMax(310), "per-namespace-pid-max"),
            (Need::Descriptors(5000), "descriptors-5000"),
            (Need::Program("groff"), "program-groff"),
        ] {
            assert_eq!(need.key(), key);
        }
    }
}
