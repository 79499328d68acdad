//! The name of a process, and other short texts, in a fixed place.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a process: at most 15 bytes, any bytes.
pub type Name = Text<15>;

/// The name of a function of the kernel, as far as it fits.
pub type Symbol = Text<48>;

/// At most `ROOM` bytes, any bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text<const ROOM: usize> {
    bytes: [u8; ROOM],
    length: u8,
}

impl<const ROOM: usize> Default for Text<ROOM> {
    fn default() -> Self {
        Self {
            bytes: [0; ROOM],
            length: 0,
        }
    }
}

impl<const ROOM: usize> Text<ROOM> {
    /// Keeps as much of the beginning of `bytes` as fits.
    pub fn new(bytes: &[u8]) -> Self {
        let mut text = Self::default();
        for (place, byte) in text.bytes.iter_mut().zip(bytes) {
            *place = *byte;
            text.length += 1;
        }
        text
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl<const ROOM: usize> fmt::Display for Text<ROOM> {
    /// Prints what cannot harm a terminal; other bytes as question marks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.as_bytes().utf8_chunks() {
            for letter in chunk.valid().chars() {
                let shown = if letter.is_control() { '?' } else { letter };
                fmt::Write::write_char(f, shown)?;
            }
            if !chunk.invalid().is_empty() {
                f.write_str("?")?;
            }
        }
        Ok(())
    }
}

impl<const ROOM: usize> fmt::Debug for Text<ROOM> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl<const ROOM: usize> Serialize for Text<ROOM> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const ROOM: usize> Deserialize<'de> for Text<ROOM> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self::new(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_fits_and_prints_what_is_harmless() {
        for (bytes, shown) in [
            (&b"make"[..], "make"),
            (b"a-name-that-is-too-long", "a-name-that-is-"),
            (b"\x1b[31m", "?[31m"),
            (b"a\xffb", "a?b"),
            (b"", ""),
        ] {
            assert_eq!(Name::new(bytes).to_string(), shown);
        }
    }
}
