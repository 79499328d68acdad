//! The limit on open descriptors: every process that is waited for takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Returns the soft and the hard limit on descriptors; `None` is no limit.
pub fn descriptor_limits() -> (Option<u64>, Option<u64>) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    (current, maximum)
}

/// Raises the soft limit on descriptors to the hard one, which needs no privilege. Where that
/// fails the old limit stays, and whoever runs into it says so.
pub fn raise_descriptor_limit() {
    let (current, maximum) = descriptor_limits();
    if current != maximum {
        drop(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }));
    }
}
