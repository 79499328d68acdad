//! Lists of words as one text that a person can read.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Joins words by blanks. In a word, a blank is written `\ `, a line feed `\n`, a backslash `\\`, a
/// NUL `\0`; a word that is empty is `\e`.
pub(crate) fn join<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> Vec<u8> {
    let mut text = Vec::new();
    for (index, word) in words.into_iter().enumerate() {
        if index > 0 {
            text.push(b' ');
        }
        let bytes = word.as_ref().as_bytes();
        if bytes.is_empty() {
            text.extend_from_slice(b"\\e");
        }
        for byte in bytes {
            match byte {
                b' ' | b'\\' => text.extend_from_slice(&[b'\\', *byte]),
                b'\n' => text.extend_from_slice(b"\\n"),
                0 => text.extend_from_slice(b"\\0"),
                byte => text.push(*byte),
            }
        }
    }
    text
}

/// Takes apart what [`join`] made; any text is some list.
pub(crate) fn split(text: &[u8]) -> Vec<OsString> {
    if text.is_empty() {
        return Vec::new();
    }
    let mut words = Vec::new();
    let mut word = Vec::new();
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' => words.push(OsString::from_vec(std::mem::take(&mut word))),
            b'\\' => match bytes.next() {
                Some(b'n') => word.push(b'\n'),
                Some(b'0') => word.push(0),
                Some(b'e') => {}
                Some(byte) => word.push(byte),
                None => word.push(b'\\'),
            },
            byte => word.push(byte),
        }
    }
    words.push(OsString::from_vec(word));
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_like_a_command_line() {
        let text = |words: &[&str]| String::from_utf8(join(words)).unwrap();
        assert_eq!(text(&[]), "");
        assert_eq!(text(&[""]), r"\e");
        assert_eq!(text(&["sh", "-c", "echo hi"]), r"sh -c echo\ hi");
        assert_eq!(text(&["a\nb", r"c\d"]), r"a\nb c\\d");
    }

    proptest! {
        #[test]
        fn splits_what_it_joined(words: Vec<Vec<u8>>) {
            let words: Vec<OsString> = words.into_iter().map(OsString::from_vec).collect();
            prop_assert_eq!(split(&join(&words)), words);
        }

        #[test]
        fn splits_anything(text: Vec<u8>) {
            let words = split(&text);
            prop_assert_eq!(split(&join(&words)), words);
        }
    }
}
