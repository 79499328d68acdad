//! The name of a process, in a fixed place.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest name the kernel keeps.
const ROOM: usize = 15;

/// The name of a process: at most 15 bytes, any bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Name {
    bytes: [u8; ROOM],
    length: u8,
}

impl Name {
    /// Keeps the first 15 bytes of `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        let mut name = Self::default();
        for (place, byte) in name.bytes.iter_mut().zip(bytes) {
            *place = *byte;
            name.length += 1;
        }
        name
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Display for Name {
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

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Name {
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
