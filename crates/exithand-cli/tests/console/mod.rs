//! Console examples in a document: what they say, how they are run, what counts as the same.
//!
//! A block of the kind `console` is an example. A line after `$ ` is a command, the lines below it
//! are what it prints, on either standard output or standard error. All commands of a block run in
//! one shell, in an empty folder. What a reader need not see stands in comments above the block:
//! `<!-- before: COMMAND -->`, one for each command. `<!-- root -->` says who can run it.
//!
//! A number of four or more digits stands for whatever number was printed there, the same one
//! wherever it comes back in the block. In a command, `4242` is the variable `n4242`, which a
//! `before` sets. `...` stands for any text in a line, and alone in a line for any lines. How many
//! blanks there are does not matter; below `<!-- wrapped -->`, nor where lines end. A process that the shell has just started may still be called
//! `sh`, whatever its name is a moment later.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Digits from which on a number is a placeholder.
const PLACEHOLDER_DIGITS: usize = 4;
/// Ends what a command printed.
const MARK: &str = "\u{1}exithand-readme\u{1}";

/// One command and what it is said to print.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step<'a> {
    pub(crate) command: &'a str,
    pub(crate) shown: Vec<&'a str>,
}

/// Who can run an example.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Who {
    #[default]
    Anybody,
    Root,
}

/// Whether it matters where lines end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Lines {
    #[default]
    Kept,
    Wrapped,
}

/// One block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Example<'a> {
    pub(crate) who: Who,
    pub(crate) lines: Lines,
    pub(crate) before: Vec<&'a str>,
    pub(crate) steps: Vec<Step<'a>>,
}

impl<'a> Example<'a> {
    /// Finds all examples of a document.
    pub(crate) fn parse_all(document: &'a str) -> Vec<Self> {
        let mut examples = Vec::new();
        let mut example = Self::default();
        let mut lines = document.lines();
        while let Some(line) = lines.next() {
            if let Some(rest) = line.strip_prefix("<!-- before: ") {
                let command = rest.strip_suffix(" -->").expect("one line");
                example.before.push(command);
            } else if line == "<!-- root -->" {
                example.who = Who::Root;
            } else if line == "<!-- wrapped -->" {
                example.lines = Lines::Wrapped;
            } else if line == "```console" {
                let block = lines.by_ref().take_while(|it| *it != "```");
                example.steps = steps(block);
                examples.push(std::mem::take(&mut example));
            }
        }
        examples
    }

    /// Runs the example in `folder`, with `bin` first in the path; returns what each command
    /// printed. Whatever it left running is ended.
    pub(crate) fn run(&self, folder: &Path, bin: &Path) -> Vec<String> {
        let mut path = vec![bin.to_owned()];
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        path.extend(std::env::split_paths(&inherited));
        let printed = folder.join(".printed");
        let out = File::create(&printed).unwrap();
        let status = Command::new("sh")
            .args(["-c", &self.script()])
            .current_dir(folder)
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stderr(out.try_clone().unwrap())
            .stdout(out)
            // A process group of its own, which the script ends at its end.
            .process_group(0)
            .status()
            .unwrap();
        assert!(status.success(), "{status}: {self:?}");
        let printed = fs::read_to_string(printed).unwrap();
        let mut parts: Vec<String> = printed.split(MARK).map(str::to_owned).collect();
        // After the last mark comes nothing, and before the first what `before` printed.
        parts.pop();
        parts.drain(..parts.len().min(1));
        parts
    }

    fn script(&self) -> String {
        // The status stays what it was, so that an example can ask for it.
        let mark = format!("mark() {{ s=$?; printf '%s' '{MARK}'; return $s; }}\n");
        let end = "trap 'trap \"\" TERM; kill -s TERM 0; exit 0' EXIT\n";
        let before = self.before.iter().map(|it| format!("{it}\n"));
        let steps = self.steps.iter();
        let steps = steps.map(|it| format!("{}\nmark\n", with_variables(it.command)));
        let (before, steps): (String, String) = (before.collect(), steps.collect());
        format!("{end}{mark}{before}mark\n{steps}")
    }
}

fn steps<'a>(block: impl Iterator<Item = &'a str>) -> Vec<Step<'a>> {
    let mut steps: Vec<Step<'a>> = Vec::new();
    for line in block {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                let shown = Vec::new();
                steps.push(Step { command, shown });
            }
            (None, Some(step)) => step.shown.push(line),
            (None, None) => panic!("an example begins with a command, not {line:?}"),
        }
    }
    steps
}

/// Puts variables in the place of numbers that are placeholders.
fn with_variables(command: &str) -> String {
    let mut text = String::new();
    for piece in pieces(command) {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Number(&'a str),
    Anything,
}

/// Splits a line into text and placeholders.
fn pieces(line: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = line;
    let mut begin = 0;
    while begin < rest.len() {
        let here = &rest[begin..];
        let digits = here.bytes().take_while(u8::is_ascii_digit).count();
        let (piece, length) = match digits {
            _ if here.starts_with("...") => (Piece::Anything, 3),
            PLACEHOLDER_DIGITS.. => (Piece::Number(&here[..digits]), digits),
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

/// Compares what is shown with what was printed, and remembers which number stands for which.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    numbers: BTreeMap<String, String>,
}

impl Matcher {
    /// Says whether all lines are the same, but for placeholders and blanks.
    pub(crate) fn matches(&mut self, shown: &[&str], printed: &str) -> bool {
        let printed: Vec<String> = printed.lines().map(squeeze).collect();
        self.lines(shown, &printed)
    }

    /// The same, wherever lines end.
    pub(crate) fn matches_wrapped(&mut self, shown: &[&str], printed: &str) -> bool {
        let shown = squeeze(&shown.join(" "));
        self.line(&pieces(&shown), &squeeze(printed))
    }

    fn lines(&mut self, shown: &[&str], printed: &[String]) -> bool {
        match (shown, printed) {
            ([], rest) => rest.is_empty(),
            (["...", shown @ ..], printed) => {
                (0..=printed.len()).any(|skipped| self.lines(shown, &printed[skipped..]))
            }
            ([line, shown @ ..], [first, printed @ ..]) => {
                let shown_line = squeeze(line);
                let same = self.line(&pieces(&shown_line), first)
                    || self.line(&pieces(&not_yet_started(&shown_line)), first);
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
                let known = self.numbers.entry((*number).to_owned());
                digits > 0 && known.or_insert_with(|| found.to_owned()) == found && {
                    self.line(rest, after)
                }
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
fn finds_examples_and_what_comes_before() {
    let document =
        "# x\n<!-- root -->\n<!-- before: sleep 9 & -->\n```console\n$ a 4242\n1\n2\n$ b\n```\n";
    let first = Step {
        command: "a 4242",
        shown: vec!["1", "2"],
    };
    let second = Step {
        command: "b",
        shown: vec![],
    };
    let example = Example {
        who: Who::Root,
        lines: Lines::Kept,
        before: vec!["sleep 9 &"],
        steps: vec![first, second],
    };
    assert_eq!(Example::parse_all(document), [example]);
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
    let wrapped =
        |shown: &[&str], printed: &str| Matcher::default().matches_wrapped(shown, printed);
    assert!(wrapped(&["a ... 4242", "c"], "a b\nx 17 c\n") && !wrapped(&["a", "c"], "a b c"));
    assert_eq!(with_variables("wait 4242 137"), "wait ${n4242} 137");
}
