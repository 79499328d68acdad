//! Other people's text, made fit for a terminal and for one line.

/// Returns `bytes` with everything that could move a cursor or break the line escaped.
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                letter if letter.is_control() => text.extend(letter.escape_default()),
                letter => text.push(letter),
            }
        }
        for byte in chunk.invalid() {
            text.extend(std::ascii::escape_default(*byte).map(char::from));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn leaves_text_alone_and_disarms_the_rest() {
        assert_eq!(printable(b"nginx: worker"), "nginx: worker");
        assert_eq!(printable("caf\u{e9}".as_bytes()), "caf\u{e9}");
        assert_eq!(printable(b"a\x1b[31m\nb"), "a\\u{1b}[31m\\nb");
        assert_eq!(printable(b"\xff"), "\\xff");
    }
}
