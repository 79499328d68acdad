//! Compares what is shown with what was printed.

use std::collections::BTreeMap;

use super::Layout;
use super::pieces::{Piece, pieces};

/// Compares the output of an example's commands, and remembers which number stands for which.
#[derive(Debug, Default)]
pub(super) struct Matcher<'a> {
    any: Vec<&'a str>,
    layout: Layout,
    numbers: BTreeMap<String, String>,
}

impl<'a> Matcher<'a> {
    pub(super) fn new(any: &[&'a str], layout: Layout) -> Self {
        Self {
            any: any.to_vec(),
            layout,
            numbers: BTreeMap::new(),
        }
    }

    /// Says whether all lines are the same, but for placeholders and blanks.
    pub(super) fn matches(&mut self, shown: &[&str], printed: &str) -> bool {
        match self.layout {
            Layout::Lines => {
                let printed: Vec<String> = printed.lines().map(squeeze).collect();
                self.lines(shown, &printed)
            }
            Layout::Reflowed => {
                let shown = squeeze(&shown.join(" "));
                self.lines(&[&shown], &[squeeze(printed)])
            }
        }
    }

    fn lines(&mut self, shown: &[&str], printed: &[String]) -> bool {
        match (shown, printed) {
            ([], rest) => rest.is_empty(),
            (["...", shown @ ..], printed) => {
                (0..=printed.len()).any(|skipped| self.lines(shown, &printed[skipped..]))
            }
            ([line, shown @ ..], [first, printed @ ..]) => {
                let any = self.any.clone();
                let shown_line = squeeze(line);
                let same = self.line(&pieces(&shown_line, &any), first)
                    || self.line(&pieces(&not_yet_started(&shown_line), &any), first);
                same && self.lines(shown, printed)
            }
            (_, []) => false,
        }
    }

    fn line(&mut self, shown: &[Piece<'_>], printed: &str) -> bool {
        match shown {
            [] => printed.is_empty(),
            [Piece::Text(text), rest @ ..] => printed
                .strip_prefix(text)
                .is_some_and(|printed| self.line(rest, printed)),
            [Piece::Number(number), rest @ ..] => {
                let digits = printed.bytes().take_while(u8::is_ascii_digit).count();
                let (found, after) = printed.split_at(digits);
                if digits == 0 {
                    return false;
                }
                let is_new = !self.numbers.contains_key(*number);
                let known = self.numbers.entry((*number).to_owned());
                let same = known.or_insert_with(|| found.to_owned()) == found;
                let matches = same && self.line(rest, after);
                // What was tried in vain must not stand for anything.
                if is_new && !matches {
                    self.numbers.remove(*number);
                }
                matches
            }
            [Piece::Anything, rest @ ..] => {
                let mut ends = printed.char_indices().map(|(at, _)| at);
                ends.any(|at| self.line(rest, &printed[at..])) || self.line(rest, "")
            }
        }
    }
}

/// Puts the shell's name in the place of a process's, which is the second word of a result.
fn not_yet_started(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    if let [_, name, ..] = &mut words[..] {
        *name = "sh";
    }
    words.join(" ")
}

/// Leaves one blank where there are several, and none at the ends.
fn squeeze(line: &str) -> String {
    line.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_long_number_is_any_number_but_always_the_same() {
    let same = |shown: &[&str], printed: &str| Matcher::default().matches(shown, printed);
    assert!(same(&["4242  sleep", "4242:918273"], "17 sleep\n17:5\n"));
    assert!(!same(&["4242  sleep", "4242:918273"], "17 sleep\n18:5\n"));
    assert!(!same(&["4242"], "x") && !same(&["4242"], "") && !same(&[], "x"));
    assert!(same(&["killed 9"], "killed 9\n") && !same(&["killed 9"], "killed 15\n"));
    assert!(same(&["a", "...", "d"], "a\nb\nc\nd\n") && same(&["...", "d"], "d\n"));
    assert!(same(&["a ... c"], "a b c") && !same(&["a ... c"], "a b d"));
    assert!(same(&["4242  sleep  alive"], "17 sh alive") && !same(&["a b c"], "a x c"));
    assert!(same(&["a..."], "a") && same(&["a ...b"], "a /x/b"));
    // The first number that fits may be the wrong one.
    assert!(same(&["... 4242 x 4242"], "a 5 b 6 x 6"));
}

#[test]
fn what_may_vary_and_where_lines_break() {
    let mut matcher = Matcher::new(&["2 s", "a moment ago"], Layout::Reflowed);
    assert!(matcher.matches(
        &["ended a moment ago after", "2 s."],
        "ended now\nafter 871us.\n"
    ));
    assert!(!matcher.matches(
        &["ended a moment ago after", "2 s."],
        "ended now\nbefore 871us.\n"
    ));
}
