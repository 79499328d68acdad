//! Why the probes cannot be used, in words that say what would help.

use std::error::Error;
use std::fmt;
use std::io;

use aya::{BtfError, EbpfError, programs::ProgramError};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, capabilities};

/// Why the probes cannot be used here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BpfError {
    /// The kernel does not describe its types.
    #[error(
        "this kernel does not describe its types (no /sys/kernel/btf/vmlinux): use one built with \
         CONFIG_DEBUG_INFO_BTF"
    )]
    NoBtf,
    /// What describes them cannot be read, or is not understood.
    #[error("cannot read the kernel's types in /sys/kernel/btf/vmlinux")]
    UnreadableBtf(#[source] io::Error),
    /// A capability is missing.
    #[error(
        "probes need {missing}: run as root, or grant it (AmbientCapabilities= in a systemd unit)"
    )]
    NotPermitted {
        /// `CAP_BPF`, `CAP_PERFMON` or both.
        missing: Missing,
    },
    /// The capabilities are there, and the call is refused nevertheless.
    #[error(
        "the system call bpf is refused although CAP_BPF and CAP_PERFMON are there: a sandbox \
         (seccomp), a user namespace or kernel lockdown is in the way; allow bpf, or run outside"
    )]
    Blocked(#[source] io::Error),
    /// The kernel has no such tracepoint.
    #[error("this kernel has no tracepoint {0}: probes need Linux 5.8 or later")]
    NoTracepoint(&'static str),
    /// The object inside this program is not what this program expects.
    #[error("the probes lack {0}: this is a bug")]
    Incomplete(&'static str),
    /// The kernel does not take a probe.
    #[error("the kernel does not take the probe {probe}: {why}")]
    Refused {
        /// Which.
        probe: &'static str,
        /// What the kernel says, in one line.
        why: String,
    },
    /// The ring cannot be mapped.
    #[error("cannot map the ring of the probes")]
    Ring(#[source] io::Error),
    /// The id of the running boot cannot be read.
    #[error(transparent)]
    Boot(#[from] exithand::Error),
}

/// Which capabilities are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    bpf: bool,
    perfmon: bool,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.bpf, self.perfmon) {
            (true, true) => "CAP_BPF and CAP_PERFMON",
            (true, false) => "CAP_BPF",
            _ => "CAP_PERFMON",
        })
    }
}

/// Says which capabilities are missing, before the kernel says only no.
pub(super) fn check_capabilities() -> Result<(), BpfError> {
    // Where this cannot be told, the kernel will.
    let Ok(sets) = capabilities(None) else {
        return Ok(());
    };
    let held = sets.effective;
    let lacks = |one: CapabilitySet| !held.intersects(one | CapabilitySet::SYS_ADMIN);
    let missing = Missing {
        bpf: lacks(CapabilitySet::BPF),
        perfmon: lacks(CapabilitySet::PERFMON),
    };
    if missing.bpf || missing.perfmon {
        return Err(BpfError::NotPermitted { missing });
    }
    Ok(())
}

/// Sorts what went wrong while loading.
pub(super) fn from_load(error: &EbpfError) -> BpfError {
    refused("the object", error)
}

/// Sorts what went wrong with one probe.
pub(super) fn from_program(probe: &'static str, error: &ProgramError) -> BpfError {
    if let ProgramError::Btf(BtfError::UnknownBtfTypeName { .. }) = error {
        return BpfError::NoTracepoint(probe);
    }
    refused(probe, error)
}

fn refused(probe: &'static str, error: &(dyn Error + 'static)) -> BpfError {
    let errno = errno_in(error);
    match errno {
        // The verifier's own refusals come with a log, and with EACCES or EINVAL.
        Some(errno @ (Errno::PERM | Errno::NOSYS)) => BpfError::Blocked(errno.into()),
        Some(Errno::NOENT) => BpfError::NoTracepoint(probe),
        _ => BpfError::Refused {
            probe,
            why: one_line(error),
        },
    }
}

fn errno_in(error: &(dyn Error + 'static)) -> Option<Errno> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(errno) = error
            .downcast_ref::<io::Error>()
            .and_then(Errno::from_io_error)
        {
            return Some(errno);
        }
        next = error.source();
    }
    None
}

/// How the lines begin with which a verifier's log ends: figures.
const COUNTS: [&str; 3] = ["processed", "stack depth", "verification time"];

/// The chain of causes, and of a verifier's log the line that says what it objects to.
fn one_line(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let first = lines.next().unwrap_or_default().to_owned();
        let objection = lines.rfind(|line| !COUNTS.iter().any(|it| line.starts_with(it)));
        parts.push(first);
        parts.extend(objection.map(str::to_owned));
        next = error.source();
    }
    parts.dedup();
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_missing() {
        for (bpf, perfmon, expected) in [
            (
                true,
                true,
                "probes need CAP_BPF and CAP_PERFMON: run as root",
            ),
            (true, false, "probes need CAP_BPF: run as root"),
            (false, true, "probes need CAP_PERFMON: run as root"),
        ] {
            let missing = Missing { bpf, perfmon };
            let text = BpfError::NotPermitted { missing }.to_string();
            assert!(text.starts_with(expected), "{text}");
        }
    }

    #[test]
    fn a_refusal_without_a_reason_is_a_block() {
        let error = io::Error::from(Errno::PERM);
        assert!(matches!(refused("x", &error), BpfError::Blocked(_)));
        let error = io::Error::other("a\nb: bad access\nstack depth 80\nprocessed 5 insns");
        let told = refused("x", &error).to_string();
        assert_eq!(
            told,
            "the kernel does not take the probe x: a: b: bad access"
        );
    }
}
