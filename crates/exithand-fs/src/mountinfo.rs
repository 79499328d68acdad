//! The list of mounts.

use std::path::Path;

use crate::mount::TYPE;

/// Says whether exithand files are mounted on `path`, on top of whatever else.
pub fn is_mounted(path: &Path) -> bool {
    let list = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    topmost_type(&list, path.as_os_str().as_encoded_bytes()).is_some_and(|it| it == TYPE.as_bytes())
}

/// Returns the filesystem type of the last mount on `path`.
fn topmost_type<'a>(list: &'a [u8], path: &[u8]) -> Option<&'a [u8]> {
    let mut lines = list.rsplit(|byte| *byte == b'\n');
    lines.find_map(|line| {
        let mut words = line.split(|byte| *byte == b' ');
        let point = words.nth(4)?;
        // Optional fields, of any number, end with a dash.
        let kind = words.skip_while(|word| *word != b"-").nth(1)?;
        (unescape(point) == path).then_some(kind)
    })
}

/// Blanks, tabs, newlines and backslashes stand as three octal digits.
fn unescape(word: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|it| std::str::from_utf8(it).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let (b'\\', Some(code)) = (byte, code) {
            plain.push(code);
            rest = &after[3..];
        } else {
            plain.push(*byte);
            rest = after;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[u8] = b"22 1 0:21 / /proc rw,nosuid shared:5 - proc proc rw
40 22 0:50 / /run/exit\\040hand rw - ext4 /dev/sda1 rw
41 40 0:51 / /run/exit\\040hand rw shared:1 master:2 - fuse.exithand exithand rw
half a line
";

    #[test]
    fn finds_the_topmost_mount() {
        assert_eq!(topmost_type(LIST, b"/proc"), Some(b"proc".as_slice()));
        assert_eq!(topmost_type(LIST, b"/run/exit hand"), Some(TYPE.as_bytes()));
        assert_eq!(topmost_type(LIST, b"/run"), None);
        assert_eq!(topmost_type(b"", b"/"), None);
    }
}
