//! Names of terminals, from the device numbers in `/proc`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;

/// The major numbers of `/dev/pts`, each with room for 256 minors.
const PTS_MAJORS: std::ops::RangeInclusive<u32> = 136..=143;

/// Returns the name of a terminal without `/dev/`; `MAJOR:MINOR` where the system has no name.
pub(super) fn name(major: u32, minor: u32) -> OsString {
    if PTS_MAJORS.contains(&major) {
        let number = minor + 256 * (major - PTS_MAJORS.start());
        return format!("pts/{number}").into();
    }
    let device = format!("{major}:{minor}");
    fs::read(format!("/sys/dev/char/{device}/uevent"))
        .ok()
        .and_then(|uevent| device_name(&uevent))
        .unwrap_or_else(|| device.into())
}

/// Finds `DEVNAME=` in the text of a sysfs `uevent` file.
fn device_name(uevent: &[u8]) -> Option<OsString> {
    uevent
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"DEVNAME="))
        .map(|name| OsString::from_vec(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_terminals() {
        assert_eq!(name(136, 3), "pts/3");
        assert_eq!(name(136, 1000), "pts/1000");
        assert_eq!(name(137, 0), "pts/256");
        assert_eq!(name(65_535, 77), "65535:77", "no such device");
    }

    #[test]
    fn reads_the_name_sysfs_gives() {
        let uevent = b"MAJOR=4\nMINOR=64\nDEVNAME=ttyS0\n";
        assert_eq!(device_name(uevent), Some("ttyS0".into()));
        assert_eq!(device_name(b"MAJOR=4\n"), None);
    }
}
