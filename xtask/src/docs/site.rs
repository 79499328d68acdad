//! What makes the documents of the repository hold together.

use std::collections::BTreeMap;

use super::markdown::{Link, Outline, outline};
use crate::sources::Source;

/// The list of the site's pages.
const SUMMARY: &str = "SUMMARY.md";
/// How a page takes in another file.
const INCLUDE: (&str, &str) = ("{{#include ", "}}");
/// Links to other places; these are not followed.
const ELSEWHERE: [&str; 2] = ["https://", "mailto:"];

/// Says which links lead nowhere, and which pages of `site` the summary does not list.
///
/// `read` gives the text of a file that is included, and `exists` looks for one that is linked to.
pub(super) fn faults(
    site: &str,
    texts: &[Source],
    read: &dyn Fn(&str) -> Option<String>,
    exists: &dyn Fn(&str) -> bool,
) -> Vec<String> {
    let mut faults = Vec::new();
    let mut outlines = BTreeMap::new();
    for Source { path, text } in texts {
        let text = if is_below(site, path) {
            expand(path, text, read, &mut faults)
        } else {
            text.clone()
        };
        outlines.insert(path.as_str(), outline(&text));
    }
    for (path, outline) in &outlines {
        for Link { line, target } in &outline.links {
            if let Some(fault) = link_fault(site, path, target, &outlines, exists) {
                faults.push(format!("{path}:{line}: {target}: {fault}"));
            }
        }
    }
    faults.extend(summary_faults(site, &outlines));
    faults
}

/// Puts the files that a page includes in their places.
fn expand(
    path: &str,
    text: &str,
    read: &dyn Fn(&str) -> Option<String>,
    faults: &mut Vec<String>,
) -> String {
    let mut expanded = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        let included = line.strip_prefix(INCLUDE.0);
        match included.and_then(|it| it.strip_suffix(INCLUDE.1)) {
            Some(file) => match read(&resolve(path, file)) {
                Some(text) => expanded.push_str(&text),
                None => faults.push(format!("{path}:{number}: {file}: no such file")),
            },
            None => expanded.push_str(line),
        }
        expanded.push('\n');
    }
    expanded
}

fn link_fault(
    site: &str,
    from: &str,
    target: &str,
    outlines: &BTreeMap<&str, Outline>,
    exists: &dyn Fn(&str) -> bool,
) -> Option<String> {
    if ELSEWHERE.iter().any(|it| target.starts_with(it)) {
        return None;
    }
    if target.contains("://") {
        return Some("only https is linked to".to_owned());
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = match file {
        "" => from.to_owned(),
        file => resolve(from, file),
    };
    if !exists(&path) {
        return Some("no such file".to_owned());
    }
    if is_below(site, from) && !is_below(site, &path) {
        return Some(format!("the book has nothing outside {site}"));
    }
    let known = outlines.get(path.as_str());
    let has_anchor = anchor.is_empty() || known.is_some_and(|it| it.anchors.contains(anchor));
    (!has_anchor).then(|| format!("no heading of that name in {path}"))
}

fn summary_faults(site: &str, outlines: &BTreeMap<&str, Outline>) -> Vec<String> {
    let summary = format!("{site}/{SUMMARY}");
    let Some(listed) = outlines.get(summary.as_str()) else {
        return vec![format!("{summary}: no such file")];
    };
    let listed = listed.links.iter().map(|it| resolve(&summary, &it.target));
    let listed: Vec<String> = listed.collect();
    let pages = outlines
        .keys()
        .filter(|it| is_below(site, it) && **it != summary);
    pages
        .filter_map(|page| match listed.iter().filter(|it| it == page).count() {
            0 => Some(format!("{summary}: {page} is missing")),
            1 => None,
            _ => Some(format!("{summary}: {page} is there more than once")),
        })
        .collect()
}

fn is_below(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|it| it.starts_with('/'))
}

/// The path, from the root of the repository, of `target` as the document `from` writes it.
fn resolve(from: &str, target: &str) -> String {
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut names: Vec<&str> = Vec::new();
    for name in folder.split('/').chain(target.split('/')) {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|it| *it != "..") => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    names.join("/")
}

#[cfg(test)]
mod tests {
    use super::{faults, resolve};
    use crate::sources::Source;

    /// The faults of documents that are given by path and text.
    fn check(documents: &[(&str, &str)]) -> Vec<String> {
        let source = |(path, text): &(&str, &str)| Source {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        let texts: Vec<Source> = documents.iter().map(source).collect();
        let find = |path: &str| texts.iter().find(|it| it.path == path);
        let read = |path: &str| find(path).map(|it| it.text.clone());
        faults("site", &texts, &read, &|path| find(path).is_some())
    }

    #[test]
    fn accepts_what_holds_together() {
        let good = check(&[
            (
                "site/SUMMARY.md",
                "- [a](a.md)\n- [b](sub/b.md)\n- [c](c.md)\n",
            ),
            (
                "site/a.md",
                "# A\n[b](sub/b.md#b-b) [c](c.md#c) [me](#a) [w](https://x.org)\n",
            ),
            ("site/sub/b.md", "# B b\n[a](../a.md)\n"),
            ("site/c.md", "{{#include ../c.md}}\n"),
            ("c.md", "# C\n[a](site/a.md)\n"),
        ]);
        // What is included is also read from where it is included.
        assert_eq!(good, ["site/c.md:2: site/a.md: no such file"]);
    }

    #[test]
    fn reports_each_fault_with_its_place() {
        let bad = check(&[
            ("site/SUMMARY.md", "[a](a.md)\n[a](a.md)\n"),
            (
                "site/a.md",
                "# A\n[x](x.md)\n[h](#h)\n[o](../o.md)\n[w](http://x.org)\n{{#include no.rs}}\n",
            ),
            ("site/lost.md", "# L\n"),
            ("o.md", "[a](site/a.md#b)\n"),
        ]);
        assert_eq!(
            bad,
            [
                "site/a.md:6: no.rs: no such file",
                "o.md:1: site/a.md#b: no heading of that name in site/a.md",
                "site/a.md:2: x.md: no such file",
                "site/a.md:3: #h: no heading of that name in site/a.md",
                "site/a.md:4: ../o.md: the book has nothing outside site",
                "site/a.md:5: http://x.org: only https is linked to",
                "site/SUMMARY.md: site/a.md is there more than once",
                "site/SUMMARY.md: site/lost.md is missing",
            ]
        );
    }

    #[test]
    fn resolves_paths() {
        for (from, target, path) in [
            ("a.md", "b.md", "b.md"),
            ("s/a.md", "b/c.md", "s/b/c.md"),
            ("s/t/a.md", "../../b.md", "b.md"),
            ("a.md", "../b.md", "../b.md"),
        ] {
            assert_eq!(resolve(from, target), path, "{from} {target}");
        }
    }
}
