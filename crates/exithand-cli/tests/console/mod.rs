//! Console examples in a document: what they say, how they are run, what counts as the same.
//!
//! A block of the kind `console` is an example. A line after `$ ` is a command, the lines below it
//! are what it prints, on either standard output or standard error. All commands of a block run in
//! one shell, in a folder that is empty but for the document's files. What a reader need not see
//! stands in comments above the block, a line each:
//!
//! | comment | means |
//! |---|---|
//! | `<!-- before: COMMAND -->` | runs before the first command; the example fails where it exits |
//! | `<!-- root -->`, `<!-- recorder -->`, `<!-- pod -->` | who can run it, and where: see [`Who`] |
//! | `<!-- any: TEXT -->` | this text stands for any text |
//! | `<!-- reflowed -->` | where lines break does not matter |
//! | `<!-- file: NAME -->` | the block is no example but a file of this name, for the examples below it |
//! | `<!-- not run: REASON -->` | the block is neither |
//!
//! A number of four or more digits stands for whatever number was printed there, the same one
//! wherever it comes back in the block. In a command, `4242` is the variable `n4242`, which a
//! `before` sets. `...` stands for any text in a line, and alone in a line for any lines. How many
//! blanks there are does not matter. A process that the shell has just started may still be called
//! `sh`, whatever its name is a moment later.

mod matcher;
mod pieces;
mod run;

use std::iter;
use std::mem;
use std::thread;

/// A document, as far as it can be run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Document<'a> {
    pub(crate) examples: Vec<Example<'a>>,
    /// The first lines of blocks that are neither run, nor a file, nor say why not.
    pub(crate) unexplained: Vec<&'a str>,
}

/// One command and what it is said to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step<'a> {
    pub(crate) command: &'a str,
    pub(crate) shown: Vec<&'a str>,
}

/// Who can run an example, and where it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Who {
    #[default]
    Anybody,
    Root,
    /// Root, with a recorder and a `/run` of its own.
    Recorder,
    /// Root, in a pid namespace of its own, as the containers of a pod share one.
    Pod,
}

/// What counts as the same where lines break elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Layout {
    #[default]
    Lines,
    Reflowed,
}

/// A file that the document shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: String,
}

/// One block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Example<'a> {
    pub(crate) who: Who,
    pub(crate) layout: Layout,
    pub(crate) any: Vec<&'a str>,
    pub(crate) before: Vec<&'a str>,
    pub(crate) files: Vec<File<'a>>,
    pub(crate) steps: Vec<Step<'a>>,
}

/// What the comments above a block make of it.
#[derive(Debug, Default)]
enum Use<'a> {
    #[default]
    AsItsKind,
    File(&'a str),
    NotRun,
}

impl<'a> Document<'a> {
    /// Finds all examples of a document.
    pub(crate) fn parse(text: &'a str) -> Self {
        let mut document = Self::default();
        let mut example = Example::default();
        let mut files: Vec<File<'a>> = Vec::new();
        let mut purpose = Use::default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(comment) = comment(line) {
                match comment.split_once(": ").unwrap_or((comment, "")) {
                    ("before", command) => example.before.push(command),
                    ("any", text) => example.any.push(text),
                    ("file", name) => purpose = Use::File(name),
                    ("not run", _) => purpose = Use::NotRun,
                    ("root", _) => example.who = Who::Root,
                    ("recorder", _) => example.who = Who::Recorder,
                    ("pod", _) => example.who = Who::Pod,
                    ("reflowed", _) => example.layout = Layout::Reflowed,
                    _ => {}
                }
            } else if let Some(kind) = line.strip_prefix("```") {
                let block: Vec<&str> = lines.by_ref().take_while(|it| *it != "```").collect();
                match mem::take(&mut purpose) {
                    Use::File(name) => {
                        let text = block.iter().flat_map(|it| [*it, "\n"]).collect();
                        files.push(File { name, text });
                    }
                    Use::NotRun => {}
                    Use::AsItsKind if kind == "console" => {
                        example.steps = steps(block);
                        example.files.clone_from(&files);
                        document.examples.push(mem::take(&mut example));
                    }
                    Use::AsItsKind => document.unexplained.push(line),
                }
            }
        }
        document
    }

    /// Runs the examples that `who` can run, all at once; says how what they printed differs.
    pub(crate) fn differences(&self, who: Who) -> Vec<String> {
        thread::scope(|scope| {
            let examples = self.examples.iter().filter(|it| it.who == who);
            let running: Vec<_> = examples
                .map(|example| scope.spawn(move || run::difference(example)))
                .collect();
            let join = |it: thread::ScopedJoinHandle<'_, Option<String>>| it.join().unwrap();
            running.into_iter().filter_map(join).collect()
        })
    }
}

fn comment(line: &str) -> Option<&str> {
    line.strip_prefix("<!-- ")?.strip_suffix(" -->")
}

fn steps<'a>(block: impl IntoIterator<Item = &'a str>) -> Vec<Step<'a>> {
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

#[test]
fn finds_examples_and_what_comes_before() {
    let text =
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
        before: vec!["sleep 9 &"],
        steps: vec![first, second],
        ..Example::default()
    };
    let examples = iter::once(example).collect();
    let unexplained = Vec::new();
    let document = Document {
        examples,
        unexplained,
    };
    assert_eq!(Document::parse(text), document);
}

#[test]
fn files_are_there_for_the_examples_below_them() {
    let text = "<!-- file: Makefile -->\n```make\na:\n\tb\n```\n\
                <!-- reflowed -->\n<!-- any: 13:42 -->\n```console\n$ make\n```\n\
                <!-- not run: it is a picture -->\n```text\n```\n```sh\nx\n```\n";
    let document = Document::parse(text);
    let [example] = &document.examples[..] else {
        panic!("{document:?}");
    };
    let file = File {
        name: "Makefile",
        text: "a:\n\tb\n".to_owned(),
    };
    assert_eq!(example.files, [file]);
    assert_eq!(
        (example.layout, &example.any[..]),
        (Layout::Reflowed, &["13:42"][..])
    );
    assert_eq!(document.unexplained, ["```sh"]);
}
