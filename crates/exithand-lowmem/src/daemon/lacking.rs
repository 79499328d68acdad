//! What the killer could do with, and has to do without.

use super::eyes::Eyes;
use super::scan::Scanner;

/// Says what this machine, or this user on it, lacks, and what would help.
pub(super) fn lacking(eyes: &Eyes, scanner: &Scanner) -> Vec<String> {
    let mut degraded = Vec::new();
    if !scanner.sees_cgroups() {
        degraded.push(
            "cgroup2 is not mounted: cgroups that are to die as one, or ask to be spared, are \
             not seen"
                .to_owned(),
        );
    }
    if !rustix::process::geteuid().is_root() {
        degraded.push(format!(
            "only processes of uid {} are watched over: run as root for all",
            rustix::process::geteuid().as_raw()
        ));
    }
    if !eyes.sees_pressure() {
        degraded.push(
            "the kernel tells no pressure: levels are looked at by the clock (boot with psi=1)"
                .to_owned(),
        );
    }
    degraded
}
