//! Boots of a machine, told apart.

use std::fmt;
use std::fs;
use std::str::FromStr;

use rustix::io::Errno;

use crate::Error;

/// The random id the kernel gives each boot.
///
/// Source: `/proc/sys/kernel/random/boot_id`, `random(4)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootId([u8; 16]);

impl BootId {
    /// Returns the id of the running boot.
    ///
    /// # Errors
    ///
    /// [`Error::Syscall`] where `/proc` is not mounted or hides it.
    pub fn current() -> Result<Self, Error> {
        const CALL: &str = "read /proc/sys/kernel/random/boot_id";
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(|error| {
            Error::from_call(CALL, Errno::from_io_error(&error).unwrap_or(Errno::IO))
        })?;
        text.trim_end()
            .parse()
            .map_err(|ParseBootIdError(_)| Error::from_call(CALL, Errno::INVAL))
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let dash = if matches!(at, 4 | 6 | 8 | 10) {
                "-"
            } else {
                ""
            };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

/// The text is no boot id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no boot id: write it as /proc/sys/kernel/random/boot_id shows it")]
pub struct ParseBootIdError(String);

impl FromStr for BootId {
    type Err = ParseBootIdError;

    /// Reads the 36 characters of a UUID.
    fn from_str(text: &str) -> Result<Self, ParseBootIdError> {
        let refuse = || ParseBootIdError(text.to_owned());
        let mut id = Self([0; 16]);
        let groups: Vec<&str> = text.split('-').collect();
        let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        let digits: Vec<u8> = groups.concat().into_bytes();
        if lengths != [8, 4, 4, 4, 12] || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(refuse());
        }
        for (byte, pair) in id.0.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_not_ascii| refuse())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_not_hex| refuse())?;
        }
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_running_boot_as_the_kernel_prints_it() {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        assert_eq!(BootId::current().unwrap().to_string(), text.trim_end());
    }

    #[test]
    fn refuses_what_is_no_boot_id() {
        for text in [
            "",
            "-",
            "----",
            "0f3c1b2a",
            "0f3c1b2a-4d5e-4f60-8a7b-0c1d2e3f4a5g",
        ] {
            assert!(text.parse::<BootId>().is_err(), "{text:?}");
        }
    }
}
