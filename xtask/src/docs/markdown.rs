//! What a Markdown document links to, and what can be linked to in it.

use std::collections::{BTreeMap, BTreeSet};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A document's anchors and links.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    /// The names of its headings, as GitHub and mdbook make them.
    pub(super) anchors: BTreeSet<String>,
    pub(super) links: Vec<Link>,
}

/// A link or an image.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) line: usize,
    pub(super) target: String,
}

/// Reads a document.
pub(super) fn outline(text: &str) -> Outline {
    let mut outline = Outline::default();
    let mut given: BTreeMap<String, usize> = BTreeMap::new();
    let mut heading: Option<String> = None;
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(words) | Event::Code(words) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&words);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let name = anchor(&heading.take().unwrap_or_default());
                let earlier = given.entry(name.clone()).or_default();
                outline.anchors.insert(match *earlier {
                    0 => name,
                    again => format!("{name}-{again}"),
                });
                *earlier += 1;
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                let line = text[..range.start].matches('\n').count() + 1;
                let target = dest_url.into_string();
                outline.links.push(Link { line, target });
            }
            _ => {}
        }
    }
    outline
}

/// The name of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|it| match it {
        ' ' => Some('-'),
        '-' | '_' => Some(it),
        _ => it.is_alphanumeric().then_some(it),
    });
    kept.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::{Link, anchor, outline};

    #[test]
    fn names_headings_as_renderers_do() {
        for (heading, name) in [
            ("3. Tokens", "3-tokens"),
            ("kill -0 loops", "kill--0-loops"),
            ("tail --pid", "tail---pid"),
            ("Do I need root?", "do-i-need-root"),
            ("What if `pidfd_open`", "what-if-pidfd_open"),
        ] {
            assert_eq!(anchor(heading), name, "{heading}");
        }
    }

    #[test]
    fn finds_links_images_and_headings_but_not_in_code() {
        let text = "# A `b`\n\n[x](y.md#z) `[no](no.md)`\n\n| t |\n|---|\n| ![p](q.svg) |\n\n\
                    ```\n[no](no.md)\n# no\n```\n\n## A b\n";
        let outline = outline(text);
        let link = |line, target: &str| Link {
            line,
            target: target.to_owned(),
        };
        assert_eq!(outline.links, [link(3, "y.md#z"), link(7, "q.svg")]);
        assert_eq!(
            outline.anchors.into_iter().collect::<Vec<_>>(),
            ["a-b", "a-b-1"]
        );
    }
}
