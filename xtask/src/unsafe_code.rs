//! Finds every `unsafe` and says whether it stands where it may.
//!
//! Works on tokens, so that macros are seen too and words in comments and strings are not.

use std::str::FromStr;

use anyhow::anyhow;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::sources::{self, Source};
use crate::{Verdict, cargo};

/// The files that may hold `unsafe`, one pattern a line.
const ALLOWED: &str = include_str!("../unsafe-paths.txt");

/// One `unsafe`.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    line: usize,
    /// `block`, `fn`, `impl`, `trait`, `extern`, `attribute`.
    what: &'static str,
}

/// Prints every `unsafe`, good or bad.
pub(crate) fn run() -> anyhow::Result<Verdict> {
    let mut bad = 0;
    let mut total = 0;
    for (source, findings) in scan_all()? {
        let allowed = is_allowed(&source.path);
        for Finding { line, what } in findings {
            let verdict = if allowed { "allowed" } else { "NOT ALLOWED" };
            println!("{}:{line}\t{what}\t{verdict}", source.path);
            total += 1;
            bad += usize::from(!allowed);
        }
    }
    println!("{total} in all, {bad} where they may not be (see xtask/unsafe-paths.txt)");
    Ok(Verdict::good_if(bad == 0))
}

/// Says where `unsafe` stands that may not stand there.
pub(crate) fn faults() -> anyhow::Result<Vec<String>> {
    let found = scan_all()?
        .into_iter()
        .filter(|(source, _)| !is_allowed(&source.path));
    let describe = |path: &str, finding: &Finding| {
        let Finding { line, what } = finding;
        format!("{path}:{line}: unsafe {what} outside the files of xtask/unsafe-paths.txt")
    };
    Ok(found
        .flat_map(|(source, findings)| {
            findings
                .iter()
                .map(|it| describe(&source.path, it))
                .collect::<Vec<_>>()
        })
        .collect())
}

fn is_allowed(path: &str) -> bool {
    sources::policy_lines(ALLOWED).any(|pattern| sources::matches(pattern, path))
}

fn scan_all() -> anyhow::Result<Vec<(Source, Vec<Finding>)>> {
    sources::read(cargo::root(), &["rs"])?
        .into_iter()
        .map(|source| {
            let findings = scan(&source.text).map_err(|err| anyhow!("{}: {err}", source.path))?;
            Ok((source, findings))
        })
        .collect()
}

fn scan(text: &str) -> Result<Vec<Finding>, proc_macro2::LexError> {
    let mut findings = Vec::new();
    scan_tokens(TokenStream::from_str(text)?, &mut findings);
    Ok(findings)
}

fn scan_tokens(tokens: TokenStream, findings: &mut Vec<Finding>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => scan_tokens(group.stream(), findings),
            TokenTree::Ident(ident) if ident == "unsafe" => {
                let line = ident.span().start().line;
                findings.push(Finding {
                    line,
                    what: what_follows(tokens.peek()),
                });
            }
            _ => {}
        }
    }
}

fn what_follows(next: Option<&TokenTree>) -> &'static str {
    match next {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => "block",
        Some(TokenTree::Group(_)) => "attribute",
        Some(TokenTree::Ident(word)) if word == "fn" => "fn",
        Some(TokenTree::Ident(word)) if word == "impl" => "impl",
        Some(TokenTree::Ident(word)) if word == "trait" => "trait",
        Some(TokenTree::Ident(word)) if word == "extern" => "extern",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::{is_allowed, scan};

    #[test]
    fn finds_every_kind_by_line() {
        let text = "fn a() {\n unsafe { b() }\n}\nunsafe fn b() {}\nunsafe impl Send for C {}\n\
                    unsafe extern \"C\" {}\n#[unsafe(no_mangle)]\nfn d() {}\n\
                    macro_rules! e { () => { f(unsafe { b() }) } }";
        let found: Vec<_> = scan(text)
            .unwrap()
            .into_iter()
            .map(|it| (it.line, it.what))
            .collect();
        let expected = [
            (2, "block"),
            (4, "fn"),
            (5, "impl"),
            (6, "extern"),
            (7, "attribute"),
            (9, "block"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn passes_over_words_that_are_not_code() {
        let text = "//! unsafe { a() }\n// unsafe fn\n/// unsafe impl\nfn a() { b(\"unsafe {}\") }\n\
                    #![deny(unsafe_code)]";
        assert_eq!(scan(text).unwrap(), []);
    }

    #[test]
    fn knows_where_it_may_stand() {
        assert!(is_allowed("crates/exithand/src/sys.rs"));
        assert!(is_allowed("crates/exithand/src/sys/info.rs"));
        assert!(is_allowed("crates/exithand-capi/src/lib.rs"));
        assert!(!is_allowed("crates/exithand/src/handle.rs"));
        assert!(!is_allowed("xtask/src/main.rs"));
    }
}
