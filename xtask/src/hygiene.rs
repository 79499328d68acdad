//! Small rules about text that no other tool holds us to.

use crate::sources::Source;

/// Files that are read as text, and must look alike in every editor.
pub(crate) const TEXT: [&str; 15] = [
    "rs", "toml", "md", "txt", "tsv", "sh", "c", "cpp", "h", "py", "1", "3", "5", "7", "8",
];

/// Prose may use any letter; code and policy may not, so that what is read is what is compiled.
const PROSE: &str = "md";

/// The most lines a file of Rust may have; a longer one holds two concepts.
const MAX_LINES: usize = 800;

/// Words that mean unfinished work. Split, so that this file does not hold them itself.
const UNFINISHED: [&str; 4] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("to", "do!("),
    concat!("#[ig", "nore"),
];

/// Says what is wrong with the text of `source`.
pub(crate) fn faults(source: &Source) -> Vec<String> {
    let Source { path, text } = source;
    let extension = path.rsplit_once('.').map_or("", |(_, it)| it);
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.split('\n')) {
        let mut fault = |what: &str| faults.push(format!("{path}:{number}: {what}"));
        if line.ends_with([' ', '\t', '\r']) {
            fault("white space at the end of the line");
        }
        if extension != PROSE
            && let Some(odd) = line.chars().find(|it| !it.is_ascii())
        {
            fault(&format!(
                "{odd:?} is not ASCII; in a string write {}",
                odd.escape_unicode()
            ));
        }
        if extension == "rs" {
            for word in UNFINISHED.iter().filter(|it| line.contains(**it)) {
                fault(&format!("{word} does not belong in finished code"));
            }
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        faults.push(format!("{path}: no newline at the end of the file"));
    }
    let lines = text.lines().count();
    if extension == "rs" && lines > MAX_LINES {
        faults.push(format!(
            "{path}: {lines} lines, more than {MAX_LINES}: split it by concept"
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::{MAX_LINES, UNFINISHED, faults};
    use crate::sources::Source;

    fn check(path: &str, text: &str) -> Vec<String> {
        faults(&Source {
            path: path.to_owned(),
            text: text.to_owned(),
        })
    }

    #[test]
    fn accepts_clean_text() {
        assert_eq!(check("a.rs", "fn a() {}\n"), Vec::<String>::new());
        assert_eq!(check("a.md", "caf\u{e9}\n"), Vec::<String>::new());
        assert_eq!(check("a.rs", ""), Vec::<String>::new());
    }

    #[test]
    fn names_the_line_and_the_fault() {
        assert_eq!(
            check("a.rs", "a\nb \n"),
            ["a.rs:2: white space at the end of the line"]
        );
        assert_eq!(
            check("a.toml", "a"),
            ["a.toml: no newline at the end of the file"]
        );
        let odd = check("a.rs", "// caf\u{e9}\n");
        assert!(
            odd[0].contains("not ASCII") && odd[0].contains("\\u{e9}"),
            "{odd:?}"
        );
        for word in UNFINISHED {
            assert_eq!(check("a.rs", &format!("{word}\n")).len(), 1, "{word}");
        }
        assert_eq!(check("a.rs", &"\n".repeat(MAX_LINES + 1)).len(), 1);
    }
}
