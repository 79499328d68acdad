//! What processes are called in a text.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use exithand_recorder::Argv;

use crate::text::printable;

/// The longest command line that is told, in letters.
const LONGEST: usize = 160;

/// Names a process by its program, or says that it has no name.
pub fn program(comm: &OsStr) -> String {
    if comm.is_empty() {
        "a process".to_owned()
    } else {
        printable(comm.as_bytes())
    }
}

/// Names one of several: `bash(4100)`.
pub fn link(comm: &OsStr, pid: u32) -> String {
    format!("{}({pid})", program(comm))
}

/// Writes a command line on one line, as a shell would read it, and cut where it is too long.
pub fn command_line(argv: &Argv) -> String {
    let words = argv.words.iter().map(|word| shell_word(word));
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None if argv.truncated => format!("{line} ..."),
        None => line,
    }
}

/// Writes a word as a shell would read it, as far as it can be printed at all.
pub(crate) fn shell_word(word: &OsStr) -> String {
    let word = printable(word.as_bytes());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"%+,-./:=@_^".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&[u8]], truncated: bool) -> Argv {
        let words = words.iter().map(|it| OsStr::from_bytes(it).to_owned());
        Argv {
            words: words.collect(),
            truncated,
        }
    }

    #[test]
    fn a_command_line_can_be_pasted_and_does_no_harm() {
        for (words, text) in [
            (
                &[&b"nginx"[..], b"-g", b"daemon off;"][..],
                "nginx -g 'daemon off;'",
            ),
            (&[b"sh", b"-c", b"it's"], r"sh -c 'it'\''s'"),
            (&[b"echo", b"", b"$HOME"], "echo '' '$HOME'"),
            (&[b"a\x1b[2J\nb", b"\xff"], r"'a\u{1b}[2J\nb' '\xff'"),
            (&[], ""),
        ] {
            assert_eq!(command_line(&argv(words, false)), text);
        }
    }

    #[test]
    fn a_long_command_line_is_cut() {
        let long = command_line(&argv(&["\u{e9}".repeat(500).as_bytes()], false));
        assert_eq!(long.chars().count(), LONGEST + 3);
        assert_eq!(command_line(&argv(&[b"a"], true)), "a ...");
    }
}
