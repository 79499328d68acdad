//! Regular expressions on names and command lines.

use std::str::FromStr;

use regex::bytes::{RegexBuilder, RegexSet, RegexSetBuilder};

use super::Facts;

/// The longest name the kernel keeps of a process, in bytes; kernel threads may have longer ones.
const COMM_MAX_BYTES: usize = 15;

/// What makes the length of a match differ from that of the expression.
const LENGTH_VARYING: [char; 12] = ['\\', '+', '*', '?', '(', ')', '|', '[', ']', '{', '^', '$'];

/// A regular expression, known to be well-formed and not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

/// The text is no regular expression to select by.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// An empty expression would match every process of the machine.
    #[error("the expression is empty and would match every process: write . if that is meant")]
    Empty,
    /// It is malformed; the message shows where.
    #[error(transparent)]
    Malformed(#[from] regex::Error),
}

/// How much of the text must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extent {
    /// Some part of it.
    #[default]
    Part,
    /// All of it.
    Whole,
}

/// Whether `A` matches `a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Case {
    /// No.
    #[default]
    Distinct,
    /// Yes.
    Ignored,
}

/// Regular expressions, of which one must match.
#[derive(Debug, Clone)]
pub struct Patterns {
    set: RegexSet,
    sources: Vec<Pattern>,
}

impl Pattern {
    /// Returns the expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        // Checked before anything is put around it, so that the message shows what was written.
        RegexBuilder::new(text).build()?;
        Ok(Self(text.to_owned()))
    }
}

impl Pattern {
    /// Says whether this is a plain word that is longer than a process's name can be.
    fn is_too_long_for_a_name(&self) -> bool {
        self.0.len() > COMM_MAX_BYTES && !self.0.contains(LENGTH_VARYING)
    }
}

impl Patterns {
    /// Compiles the expressions. As in `pgrep`, a dot matches a line feed too; text that is not
    /// UTF-8 is matched byte by byte with `(?-u)`.
    ///
    /// # Errors
    ///
    /// [`PatternError::Malformed`]: all together they are larger than a regular expression may be.
    pub fn new(sources: Vec<Pattern>, extent: Extent, case: Case) -> Result<Self, PatternError> {
        let texts = sources.iter().map(|Pattern(text)| match extent {
            Extent::Part => text.clone(),
            Extent::Whole => format!(r"\A(?:{text})\z"),
        });
        let set = RegexSetBuilder::new(texts)
            .case_insensitive(case == Case::Ignored)
            .dot_matches_new_line(true)
            .build()?;
        Ok(Self { set, sources })
    }

    /// Says whether one of the expressions matches the name of a process.
    pub fn match_name(&self, facts: &Facts) -> bool {
        self.set.is_match(&facts.comm)
    }

    /// Says whether one of the expressions matches the command line of a process.
    pub fn match_command_line(&self, facts: &Facts) -> bool {
        self.set.is_match(&facts.command_line())
    }

    /// Returns a word that no process can have as its name, for being too long: worth a hint when
    /// nothing matched.
    pub fn too_long_for_a_name(&self) -> Option<&str> {
        self.sources
            .iter()
            .find(|pattern| pattern.is_too_long_for_a_name())
            .map(|Pattern(text)| text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(texts: &[&str], extent: Extent, case: Case, text: &[u8]) -> bool {
        let sources = texts.iter().map(|text| text.parse().unwrap()).collect();
        Patterns::new(sources, extent, case)
            .unwrap()
            .set
            .is_match(text)
    }

    #[test]
    fn matches_a_part_or_the_whole() {
        let part = |text, name: &[u8]| matches(&[text], Extent::Part, Case::Distinct, name);
        let whole = |text, name: &[u8]| matches(&[text], Extent::Whole, Case::Distinct, name);
        assert!(part("at", b"cat") && !whole("at", b"cat") && whole("cat", b"cat"));
        assert!(
            whole("a|cat", b"cat") && !whole("a|ca", b"cat"),
            "alternatives stay together"
        );
        assert!(!whole("cat", b"cat\n"), "a line feed is part of the name");
        assert!(whole("c.t", b"c\nt"));
        assert!(part("^cat$", b"cat") && !part("^at", b"cat"));
    }

    #[test]
    fn one_of_several_is_enough() {
        let any = |name: &[u8]| matches(&["cat", "dog"], Extent::Whole, Case::Distinct, name);
        assert!(any(b"cat") && any(b"dog") && !any(b"catdog"));
    }

    #[test]
    fn tells_case_only_if_asked() {
        assert!(!matches(&["CAT"], Extent::Part, Case::Distinct, b"cat"));
        assert!(matches(&["CAT"], Extent::Part, Case::Ignored, b"cat"));
    }

    #[test]
    fn matches_names_that_are_not_utf8() {
        let part = |text| matches(&[text], Extent::Part, Case::Distinct, b"x\xff)y");
        assert!(part("x") && part(r"\)y") && part(r"(?-u:x\xff)") && part("(?s-u:x.)"));
        assert!(!part("x."), "a dot is a character, which this byte is not");
    }

    #[test]
    fn shows_where_an_expression_is_malformed() {
        let message = "ab(c".parse::<Pattern>().unwrap_err().to_string();
        assert!(message.contains("ab(c\n      ^"), "{message}");
        assert!(
            "a)(b".parse::<Pattern>().is_err(),
            "not even with parentheses around it"
        );
        assert_eq!("".parse::<Pattern>(), Err(PatternError::Empty));
    }

    #[test]
    fn knows_words_that_are_no_name() {
        let long = |text: &str| text.parse::<Pattern>().unwrap().is_too_long_for_a_name();
        assert!(long("systemd-journald") && !long("systemd-journal"));
        assert!(!long("a|b|c|d|e|f|g|h|i|j"));
    }
}
