//! What this kernel and these privileges allow.
#![expect(unsafe_code, reason = "functions with C names")]

use std::ffi::{CStr, c_char, c_int};

use exithand::Errno;
use exithand::probe::{self, Answer, Feature};

use crate::boundary::put;
use crate::guard::guard;

/// Opening a process by pid, and waiting for its end. Since Linux 5.3.
pub const EXITHAND_FEATURE_OPEN: c_int = 1;
/// Sending signals through handles. Since Linux 5.1.
pub const EXITHAND_FEATURE_SIGNAL: c_int = 2;
/// The outcome of the caller's own children. Since Linux 5.4.
pub const EXITHAND_FEATURE_CHILD_STATUS: c_int = 3;
/// The outcome of any process after the reap. Since Linux 6.15.
pub const EXITHAND_FEATURE_EXIT_INFO: c_int = 4;
/// The outcome of a zombie from /proc. Since Linux 5.17.
pub const EXITHAND_FEATURE_ZOMBIE_STATUS: c_int = 5;
/// Waiting for the reap. Since Linux 6.9.
pub const EXITHAND_FEATURE_REAP: c_int = 6;
/// Tokens by inode. Since Linux 6.9.
pub const EXITHAND_FEATURE_INODE_TOKEN: c_int = 7;
/// Opening a token without its pid. Since Linux 6.14.
pub const EXITHAND_FEATURE_OPEN_BY_INODE: c_int = 8;
/// Handles for single threads. Since Linux 6.9.
pub const EXITHAND_FEATURE_THREAD: c_int = 9;
/// Freeing the memory of a killed process at once. Since Linux 5.15.
pub const EXITHAND_FEATURE_RELEASE_MEMORY: c_int = 10;

/// Tries a feature on the running kernel, and returns 1 if it works here, and 0 if the kernel does not
/// have it or /proc does not show it. Some start a thread that ends at once.
///
/// -EINVAL: there is no such feature. -EPERM, -EACCES: a sandbox hides it. Others: it is unclear.
#[unsafe(no_mangle)]
pub extern "C" fn exithand_probe(feature: c_int) -> c_int {
    guard(|| match probe::one(feature_of(feature)?) {
        Answer::Yes => Ok(1),
        Answer::Blocked(errno) | Answer::Unclear(errno) => Err(errno),
        _ => Ok(0),
    })
}

/// Tries a feature, and says in words what it is and whether it works here: "wait for the reap: no:
/// came with Linux 6.9". Returns the length. EXITHAND_TEXT_SIZE is enough.
///
/// -EINVAL: there is no such feature. -ERANGE: `size` is too small. -EFAULT: `buffer` is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn exithand_probe_text(
    feature: c_int,
    buffer: *mut c_char,
    size: usize,
) -> c_int {
    guard(|| {
        let feature = feature_of(feature)?;
        let text = format!("{feature}: {}", probe::one(feature));
        // SAFETY: C passes null, or a buffer of this size, as its header asks for.
        unsafe { put(&text, buffer, size) }
    })
}

/// Returns the version of the library, as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn exithand_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    CStr::from_bytes_with_nul(VERSION.as_bytes())
        .unwrap_or_default()
        .as_ptr()
}

/// Features are numbered from 1, in the order in which the library lists them.
fn feature_of(feature: c_int) -> Result<Feature, Errno> {
    let at = usize::try_from(feature)
        .ok()
        .and_then(|it| it.checked_sub(1));
    let found = at.and_then(|at| Feature::ALL.get(at)).copied();
    found.ok_or(Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_features() {
        for (number, feature) in [
            (EXITHAND_FEATURE_OPEN, Feature::Open),
            (EXITHAND_FEATURE_SIGNAL, Feature::Signal),
            (EXITHAND_FEATURE_CHILD_STATUS, Feature::ChildStatus),
            (EXITHAND_FEATURE_EXIT_INFO, Feature::ExitInfo),
            (EXITHAND_FEATURE_ZOMBIE_STATUS, Feature::ZombieStatus),
            (EXITHAND_FEATURE_REAP, Feature::Reap),
            (EXITHAND_FEATURE_INODE_TOKEN, Feature::InodeToken),
            (EXITHAND_FEATURE_OPEN_BY_INODE, Feature::OpenByInode),
            (EXITHAND_FEATURE_THREAD, Feature::Thread),
            (EXITHAND_FEATURE_RELEASE_MEMORY, Feature::ReleaseMemory),
        ] {
            assert_eq!(feature_of(number), Ok(feature));
        }
        assert_eq!(feature_of(0), Err(Errno::INVAL));
        assert_eq!(feature_of(11), Err(Errno::INVAL));
    }
}
