//! The paragraph that `why` prints: what happened to one process.

mod advice;
mod company;
mod fold;
mod head;
mod identity;
mod killer;
mod names;
mod usage;

#[cfg(test)]
pub(crate) mod tests;

use exithand_recorder::{ExitRecord, Gap};

pub use company::{Circle, circle};
pub(crate) use names::shell_word;
pub use names::{command_line, link, program};

use super::amount::counted;
use super::crash_loop::CrashLoop;
use super::gap;
use super::scene::Scene;

/// All that is known about one end.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The record.
    pub record: &'a ExitRecord,
    /// What else ended at about the same time; it may contain the record itself.
    pub nearby: &'a [ExitRecord],
    /// The gaps that may hide something of it.
    pub gaps: &'a [Gap],
    /// The gaps after it, which may hide a later end.
    pub later_gaps: &'a [Gap],
    /// The crash loop it is part of.
    pub crash_loop: Option<&'a CrashLoop>,
    /// Whether the reader may know all of it.
    pub details: Details,
}

/// Whether the reader of a record may know all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Details {
    /// All that is known was told.
    Told,
    /// The recorder keeps them from this user.
    Withheld,
}

/// Tells a case: a paragraph, and then what to look at next.
pub fn tell(case: &Case<'_>, scene: &Scene) -> String {
    let record = case.record;
    let sentences = [
        Some(head::sentence(record, scene)),
        head::hint(record),
        identity::sentence(record, scene),
        (case.details == Details::Told)
            .then(|| killer::sentence(record, scene))
            .flatten(),
        usage::sentence(record),
        company::sentence(record, case.nearby),
        case.crash_loop.map(|it| it.sentence(scene)),
    ];
    let gaps = case.gaps.iter().map(|it| gap::sentence(it, scene));
    let sentences = sentences.into_iter().flatten().chain(gaps);
    let text: Vec<String> = sentences.chain(doubts(case, scene)).collect();
    let mut told = fold::fold(&text.join(" "), scene.width);
    told.push('\n');
    for advice in advice::advice(record, case.crash_loop, scene) {
        told.push_str(&advice.to_string());
    }
    told
}

/// Says what else the reader might have wanted to know.
fn doubts(case: &Case<'_>, scene: &Scene) -> Vec<String> {
    let mut doubts = Vec::new();
    if case.details == Details::Withheld {
        let whose = case
            .record
            .uid
            .map_or_else(|| "its user".to_owned(), |uid| scene.user(uid));
        doubts.push(format!(
            "The rest is told to {whose} and root only, unless the recorder runs with --details."
        ));
    }
    if let Some(last) = case.later_gaps.last() {
        let more = match case.later_gaps.len() {
            1 => String::new(),
            count => format!(
                ", and {} before",
                counted(u64::try_from(count - 1).unwrap_or(u64::MAX), "other gap")
            ),
        };
        doubts.push(format!(
            "A later end may be missing: {}{more}.",
            gap::words(last, scene)
        ));
    }
    doubts
}
