//! Tokens: names that no later process can have.
#![expect(unsafe_code, reason = "functions with C names, and strings from C")]

use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;

use exithand::{Errno, Token};
use rustix::process::RawPid;

use crate::boundary::{fill, hold, put, text};
use crate::guard::guard;

/// Bytes that are enough for every token, its null byte included.
pub const EXITHAND_TOKEN_SIZE: usize = 80;
/// The token as it is printed: PID:INODE, or PID~STARTTIME before Linux 6.9.
pub const EXITHAND_TOKEN_PLAIN: c_int = 0;
/// The token as it is saved: with the id of the running boot, so that it stays unmistakable after the
/// next one.
pub const EXITHAND_TOKEN_STORED: c_int = 1;

/// What a token says.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ExithandTokenParts {
    /// The inode number on pidfs; 0 in a token of a kernel before 6.9.
    pub inode: u64,
    /// The start time in clock ticks since boot; 0 in a token with an inode.
    pub start_ticks: u64,
    /// The pid, in the pid namespace of whoever made the token; 0 where it had none there.
    pub pid: RawPid,
    /// 1 in a token with the id of a boot, else 0.
    pub has_boot: c_int,
    /// Zeros, for what later versions may tell.
    pub reserved: [u64; 4],
}
const _: () = assert!(size_of::<ExithandTokenParts>() == 56);

/// Writes the token of the process, in the form EXITHAND_TOKEN_PLAIN or EXITHAND_TOKEN_STORED, and
/// returns its length. EXITHAND_TOKEN_SIZE is enough. Works after the end, too; once the process was
/// reaped the pid in it is 0, so take the token while it lives.
///
/// -EBADF: no handle. -EINVAL: there is no such form. -ERANGE: `size` is too small. -EFAULT: `buffer`
/// is null. -ENOENT: the id of the boot cannot be read, as /proc is not there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn exithand_token(
    handle: c_int,
    form: c_int,
    buffer: *mut c_char,
    size: usize,
) -> c_int {
    guard(|| {
        let plain = hold(handle)?.token();
        let token = match form {
            EXITHAND_TOKEN_PLAIN => plain,
            EXITHAND_TOKEN_STORED => plain.with_boot_id().map_err(|error| error.errno())?,
            _ => return Err(Errno::INVAL),
        };
        // SAFETY: C passes null, or a buffer of this size, as its header asks for.
        unsafe { put(&token.to_string(), buffer, size) }
    })
}

/// Takes a token apart, and returns 0. Says nothing about whether the process lives.
///
/// -EINVAL: that is no token. -EFAULT: a pointer is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn exithand_token_parse(
    token: *const c_char,
    parts: Option<&mut MaybeUninit<ExithandTokenParts>>,
) -> c_int {
    guard(|| {
        // SAFETY: C passes a string or null, as its header asks for.
        let token = parse(unsafe { text(token) }?)?;
        let found = ExithandTokenParts {
            inode: token.inode().unwrap_or(0),
            start_ticks: token.start_ticks().unwrap_or(0),
            pid: token.pid().map_or(0, |pid| pid.as_raw_nonzero().get()),
            has_boot: token.boot_id().is_some().into(),
            reserved: [0; 4],
        };
        fill(parts, found).map(|()| 0)
    })
}

/// Returns 1 where both tokens name the same process, else 0. One with the id of a boot and one
/// without are the same if the rest is.
///
/// -EINVAL: one of them is no token. -EFAULT: one of them is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn exithand_token_same(one: *const c_char, other: *const c_char) -> c_int {
    guard(|| {
        // SAFETY: C passes strings or null, as its header asks for.
        let [one, other] = unsafe { [text(one)?, text(other)?] };
        Ok(parse(one)?.is_same_process(&parse(other)?).into())
    })
}

fn parse(token: &str) -> Result<Token, Errno> {
    token.parse().map_err(|_no_token| Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_fits() {
        let boot = "0f3c1b2a-4d5e-4f60-8a7b-0c1d2e3f4a5b";
        let longest = format!("{}~{}@{boot}", i32::MAX, u64::MAX);
        assert!(longest.parse::<Token>().is_ok());
        assert!(longest.len() < EXITHAND_TOKEN_SIZE);
    }
}
