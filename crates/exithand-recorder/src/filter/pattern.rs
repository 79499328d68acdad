//! Names with stars.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use serde::{Deserialize, Serialize};

use super::file_name;

/// A name, or several: `*` stands for any text, `\*` for a star and `\\` for a backslash.
///
/// The whole name must match. Every text is a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

enum Piece {
    Any,
    Byte(u8),
}

impl Pattern {
    /// Makes a pattern of a text in which stars stand for any text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Makes a pattern that only `text` itself matches.
    pub fn exactly(text: &str) -> Self {
        Self(text.replace('\\', "\\\\").replace('*', "\\*"))
    }

    /// Returns the text it was made of.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether `name` matches.
    pub fn matches(&self, name: &[u8]) -> bool {
        let pieces = self.pieces();
        // The last star, and how much of the name is left to what follows it.
        let mut retry: Option<(usize, usize)> = None;
        let (mut piece, mut at) = (0, 0);
        loop {
            match (pieces.get(piece), name.get(at)) {
                (Some(Piece::Any), _) => {
                    retry = Some((piece + 1, at));
                    piece += 1;
                }
                (Some(Piece::Byte(wanted)), Some(found)) if wanted == found => {
                    piece += 1;
                    at += 1;
                }
                (None, None) => return true,
                (_, None) => return false,
                _ => {
                    let Some((after, from)) = retry else {
                        return false;
                    };
                    retry = Some((after, from + 1));
                    (piece, at) = (after, from + 1);
                }
            }
        }
    }

    /// Returns the one name that matches; `None` where several do.
    pub fn literal(&self) -> Option<Vec<u8>> {
        self.pieces()
            .into_iter()
            .map(|piece| match piece {
                Piece::Any => None,
                Piece::Byte(byte) => Some(byte),
            })
            .collect()
    }

    /// Says whether a program's name matches, or that of its file.
    pub(crate) fn matches_program(&self, comm: &OsStr, exe: Option<&OsStr>) -> bool {
        self.matches(comm.as_bytes())
            || exe.is_some_and(|exe| self.matches(file_name(exe).as_bytes()))
    }

    fn pieces(&self) -> Vec<Piece> {
        let mut bytes = self.0.bytes().peekable();
        let mut pieces = Vec::with_capacity(self.0.len());
        while let Some(byte) = bytes.next() {
            pieces.push(match byte {
                b'*' => Piece::Any,
                b'\\' => Piece::Byte(
                    bytes
                        .next_if(|it| matches!(it, b'*' | b'\\'))
                        .unwrap_or(byte),
                ),
                byte => Piece::Byte(byte),
            });
        }
        pieces
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, name, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("nginx", "nginx", true),
            ("nginx", "nginx.service", false),
            ("nginx*", "nginx.service", true),
            ("*.service", "nginx.service", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("a**c", "ac", true),
            (r"a\*c", "a*c", true),
            (r"a\*c", "abc", false),
            (r"a\\c", r"a\c", true),
            (r"a\c", r"a\c", true),
            ("*a", "aab", false),
        ] {
            let matches = Pattern::new(pattern).matches(name.as_bytes());
            assert_eq!(matches, expected, "{pattern:?} on {name:?}");
        }
    }

    #[test]
    fn an_exact_pattern_has_one_name() {
        for name in ["", "a", "*", r"\", r"\*", r"a\\*b"] {
            let pattern = Pattern::exactly(name);
            assert!(pattern.matches(name.as_bytes()), "{name:?}");
            assert_eq!(pattern.literal(), Some(name.as_bytes().to_vec()));
        }
        assert_eq!(Pattern::new("a*").literal(), None);
    }
}
