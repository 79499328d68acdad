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
    /// The crash loop it is part of.
    pub crash_loop: Option<&'a CrashLoop>,
}

/// Tells a case: a paragraph, and then what to look at next.
pub fn tell(case: &Case<'_>, scene: &Scene) -> String {
    let record = case.record;
    let sentences = [
        Some(head::sentence(record, scene)),
        head::hint(record),
        identity::sentence(record, scene),
        killer::sentence(record, scene),
        usage::sentence(record),
        company::sentence(record, case.nearby),
        case.crash_loop.map(|it| it.sentence(scene)),
    ];
    let gaps = case.gaps.iter().map(|it| gap::sentence(it, scene));
    let text: Vec<String> = sentences.into_iter().flatten().chain(gaps).collect();
    let mut told = fold::fold(&text.join(" "), scene.width);
    told.push('\n');
    for advice in advice::advice(record, case.crash_loop, scene) {
        told.push_str(&advice.to_string());
    }
    told
}
