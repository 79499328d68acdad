//! Names that need not be UTF-8.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Makes text of a name: bytes that are not UTF-8 become `\xff`; all else stays as it is.
pub fn readable(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        let escaped = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
        text.extend(escaped);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_text_is_changed() {
        for (bytes, text) in [
            (&b"make"[..], "make"),
            (b"a\\xffb", "a\\xffb"),
            (b"\xffa\xc3", "\\xffa\\xc3"),
            ("gr\u{f6}\u{df}er\n".as_bytes(), "gr\u{f6}\u{df}er\n"),
            (b"", ""),
        ] {
            assert_eq!(readable(OsStr::from_bytes(bytes)), text);
        }
    }
}
