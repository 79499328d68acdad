//! Compares the translation with glibc itself, which bash asks with `=~`.

use std::io::Write;
use std::process::{Command, Stdio};

use proptest::prelude::{Strategy, prop};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use regex::bytes::RegexBuilder;

use super::to_regex;

/// Texts to match: what the random expressions are made of, and more.
const TEXTS: [&str; 12] = [
    "", "a", "b", "aa", "ab", "ba", "a)", "a-b", "]", "\\", "&", "aab.",
];

/// Reads a line with an expression, then a text; answers 0 (matches), 1 (does not) or 2 (no
/// regular expression).
const ASK_GLIBC: &str = r"
export LC_ALL=C
while IFS= read -r expression && IFS= read -r text; do
    [[ $text =~ $expression ]] 2>/dev/null
    echo $?
done";

fn answers_of_glibc(questions: &[(String, &str)]) -> Vec<char> {
    let mut bash = Command::new("bash")
        .args(["-c", ASK_GLIBC])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash is needed to ask glibc");
    let mut stdin = bash.stdin.take().unwrap();
    let lines: Vec<String> = questions
        .iter()
        .map(|(expression, text)| format!("{expression}\n{text}\n"))
        .collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.concat().as_bytes()));
    let output = bash.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    answers
        .lines()
        .map(|line| line.chars().next().unwrap())
        .collect()
}

fn our_answers(expression: &str) -> [char; TEXTS.len()] {
    let Ok(translated) = to_regex(expression) else {
        return ['2'; TEXTS.len()];
    };
    let regex = RegexBuilder::new(&translated)
        .dot_matches_new_line(true)
        .build()
        .unwrap_or_else(|error| panic!("{expression:?} became {translated:?}: {error}"));
    TEXTS.map(|text| {
        if regex.is_match(text.as_bytes()) {
            '0'
        } else {
            '1'
        }
    })
}

/// Compares all answers; returns how many there were of each kind.
fn compare(expressions: &[String]) -> [usize; 3] {
    let questions: Vec<(String, &str)> = expressions
        .iter()
        .flat_map(|expression| TEXTS.map(|text| (expression.clone(), text)))
        .collect();
    let glibc = answers_of_glibc(&questions);
    let ours: Vec<char> = expressions.iter().flat_map(|it| our_answers(it)).collect();
    assert_eq!(glibc.len(), ours.len());
    let differing: Vec<String> = questions
        .iter()
        .zip(glibc.iter().zip(&ours))
        .filter(|(_, (glibc, ours))| glibc != ours)
        .map(|(question, (glibc, ours))| format!("{question:?}: glibc {glibc}, we {ours}"))
        .collect();
    assert!(differing.is_empty(), "{differing:#?}");
    ['0', '1', '2'].map(|answer| ours.iter().filter(|it| **it == answer).count())
}

#[test]
fn known_traps_are_read_as_glibc_reads_them() {
    let expressions = [
        "a)",
        "a+?b",
        "(a|b)*+",
        "[a&&b]",
        "[]a]",
        "[^]a]",
        "[a\\]",
        "[a-]",
        "[-a]",
        "[[.-.]]",
        "[[=a=]b]",
        "[[:alpha:]]+$",
        "a{2}",
        "a{,1}b",
        "a{1,}",
        "a{}",
        "a{1",
        "a{x}",
        "a{2,1}",
        "a{32768}",
        "*a",
        "^*a",
        "(*a)",
        "a|*",
        "()",
        "(|a)",
        "a||b",
        "\\.",
        "\\)",
        "\\<a\\>",
        "\\ba",
        "a\\'",
        "\\`a",
        "\\w+",
        "a}",
        "{1}",
        "(?:a)",
        "(?i)a",
        "[z-a]",
        "[[:foo:]]",
        "[a",
        "(a",
        "a\\",
        "#",
        "a b",
        "^a$",
        "a^b",
        "a$b",
        "[[.ab.]]",
        "[a-a]",
        "(^a)",
        "(a$)|b",
    ];
    compare(&expressions.map(str::to_owned));
}

#[test]
fn random_expressions_are_read_as_glibc_reads_them() {
    const EXPRESSIONS: usize = 1_000;
    let piece = prop::sample::select(vec![
        "a",
        "b",
        ".",
        "*",
        "+",
        "?",
        "|",
        "(",
        ")",
        "^",
        "$",
        "[",
        "[^",
        "]",
        "-",
        "&",
        "{",
        "}",
        "{1}",
        "{0,2}",
        ",",
        "1",
        "[ab]",
        "[a-b]",
        "[[:alpha:]]",
        "\\.",
        "\\\\",
        "\\w",
        "\\W",
        "#",
    ]);
    let expression = prop::collection::vec(piece, 1..9).prop_map(|pieces| pieces.concat());
    let mut runner = TestRunner::deterministic();
    let expressions: Vec<String> = (0..EXPRESSIONS)
        .map(|_| expression.new_tree(&mut runner).unwrap().current())
        // A backslash before a digit would be a back-reference.
        .filter(|expression| !expression.contains("\\1"))
        .collect();
    let answers = compare(&expressions);
    let each = answers.iter().all(|count| *count > EXPRESSIONS);
    assert!(
        each,
        "hardly any expression tells the two apart: {answers:?}"
    );
}

#[test]
fn says_what_glibc_says() {
    for (expression, refused) in [
        ("*a", "Invalid preceding regular expression"),
        ("a{1", "Unmatched \\{"),
        ("a{x}", "Invalid content of \\{\\}"),
        ("[a", "Unmatched [, [^, [:, [., or [="),
        ("[[:foo:]]", "Invalid character class name"),
        ("[z-a]", "Invalid range end"),
        ("(a", "Unmatched ( or \\("),
        ("a\\", "Trailing backslash"),
        ("(a)\\1", "back-references are not supported"),
    ] {
        assert_eq!(to_regex(expression), Err(refused), "{expression:?}");
    }
}
