//! A line of a document, taken apart: what stands for itself, and what for something else.

/// Digits from which on a number is a placeholder.
const PLACEHOLDER_DIGITS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    /// Some number, the same one wherever it comes back.
    Number(&'a str),
    /// Any text.
    Anything,
}

/// Splits a line into text and placeholders; each text of `any` is a placeholder, too.
pub(super) fn pieces<'a>(line: &'a str, any: &[&str]) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let mut rest = line;
    let mut begin = 0;
    while begin < rest.len() {
        let here = &rest[begin..];
        let digits = here.bytes().take_while(u8::is_ascii_digit).count();
        let text = any.iter().find(|it| here.starts_with(**it));
        let (piece, length) = match (text, digits) {
            (Some(text), _) => (Piece::Anything, text.len()),
            _ if here.starts_with("...") => (Piece::Anything, "...".len()),
            (None, PLACEHOLDER_DIGITS..) => (Piece::Number(&here[..digits]), digits),
            _ => {
                begin += digits.max(here.chars().next().map_or(1, char::len_utf8));
                continue;
            }
        };
        pieces.push(Piece::Text(&rest[..begin]));
        pieces.push(piece);
        rest = &here[length..];
        begin = 0;
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// Puts variables in the place of numbers that are placeholders.
pub(super) fn with_variables(command: &str) -> String {
    let mut text = String::new();
    for piece in pieces(command, &[]) {
        match piece {
            Piece::Number(number) => {
                text.push_str("${n");
                text.push_str(number);
                text.push('}');
            }
            Piece::Text(plain) => text.push_str(plain),
            Piece::Anything => text.push_str("..."),
        }
    }
    text
}

#[test]
fn takes_a_line_apart() {
    use Piece::{Anything, Number, Text};
    let line = "at 13:42:07 4242 ... x";
    assert_eq!(
        pieces(line, &["13:42:07"]),
        [
            Text("at "),
            Anything,
            Text(" "),
            Number("4242"),
            Text(" "),
            Anything,
            Text(" x")
        ]
    );
    assert_eq!(with_variables("wait 4242 137"), "wait ${n4242} 137");
}
