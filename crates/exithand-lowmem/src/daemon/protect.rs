//! What the killer does so that it works when memory is gone.

use std::fs;

use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getrlimit, setpriority_process};

/// The `oom_score_adj` that is asked for.
const ADJ: &str = "-1000";
/// Memory may be locked by anybody up to a limit, beyond which allocation fails: worse than not
/// to lock. So it is locked only where there is no such limit.
const CAP_IPC_LOCK: u64 = 1 << 14;

/// Protects this process as far as is permitted, and returns what is not, and what would help.
pub(super) fn protect() -> Vec<String> {
    let mut degraded = Vec::new();
    if !may_lock() {
        let text = "memory is not locked: run as root, or give CAP_IPC_LOCK";
        degraded.push(text.to_owned());
    }
    if let Err(error) = fs::write("/proc/self/oom_score_adj", ADJ) {
        degraded.push(format!(
            "the kernel may choose exithand itself: oom_score_adj stays as it is ({error}): give \
             CAP_SYS_RESOURCE, or OOMScoreAdjust=-1000 in the unit"
        ));
    }
    if let Err(errno) = setpriority_process(None, -20) {
        degraded.push(format!(
            "exithand runs at ordinary priority ({errno}): give CAP_SYS_NICE, or Nice=-20 in the unit"
        ));
    }
    degraded
}

/// Keeps in memory whatever is touched from now on, if that is permitted.
///
/// # Errors
///
/// As `mlockall(2)`.
pub(super) fn lock() -> Result<(), Errno> {
    if may_lock() {
        mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)?;
    }
    Ok(())
}

fn may_lock() -> bool {
    let unlimited = getrlimit(Resource::Memlock).current.is_none();
    let status = fs::read("/proc/self/status").unwrap_or_default();
    let caps = crate::number::after(&status, b"CapEff:").and_then(crate::number::hexadecimal);
    unlimited || caps.is_some_and(|caps| caps & CAP_IPC_LOCK != 0)
}
