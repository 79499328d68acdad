//! What ended together with a process.

use std::collections::BTreeMap;

use exithand::Outcome;
use exithand_recorder::{ExitRecord, Filter, Pattern, WallTime};

use super::names::link;
use super::usage::listed;
use crate::text::printable;

/// "In the same second": as far before and after.
const VICINITY_NS: i64 = 1_000_000_000;

/// Whom a process belongs with: those of its container or unit, else the children of its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circle<'a> {
    /// Those of this container.
    Container(&'a str),
    /// Those of this unit.
    Unit(&'a str),
    /// Children of the process with this pid.
    Parent(u32),
}

/// Says whom a process belongs with; `None` where it is not known.
pub fn circle(record: &ExitRecord) -> Option<Circle<'_>> {
    let place = &record.place;
    let container = place.container.as_deref().map(Circle::Container);
    let unit = place.unit.as_deref().map(Circle::Unit);
    let parent = record.parent.as_ref().map(|it| Circle::Parent(it.pid));
    container.or(unit).or(parent)
}

impl Circle<'_> {
    /// Asks for what ended within a second of `ended` and may be in the circle.
    pub fn nearby(self, ended: WallTime) -> Filter {
        let moved = |by: i64| {
            let unix_ns = ended.unix_ns.saturating_add(by);
            Some(WallTime { unix_ns })
        };
        let mut filter = Filter {
            since: moved(-VICINITY_NS),
            until: moved(VICINITY_NS),
            ..Filter::default()
        };
        match self {
            Self::Container(id) => filter.containers.push(Pattern::exactly(id)),
            Self::Unit(unit) => filter.units.push(Pattern::exactly(unit)),
            Self::Parent(_) => {}
        }
        filter
    }

    fn has(self, record: &ExitRecord) -> bool {
        match self {
            Self::Container(id) => record.place.container.as_deref() == Some(id),
            Self::Unit(unit) => record.place.unit.as_deref() == Some(unit),
            Self::Parent(pid) => record.parent.as_ref().is_some_and(|it| it.pid == pid),
        }
    }
}

/// Says what else of the circle ended in the same second; `None` if nothing did.
pub(super) fn sentence(record: &ExitRecord, nearby: &[ExitRecord]) -> Option<String> {
    let circle = circle(record)?;
    let near = |other: &&ExitRecord| {
        let distance = other.ended.unix_ns.abs_diff(record.ended.unix_ns);
        other.token != record.token && distance <= VICINITY_NS.unsigned_abs() && circle.has(other)
    };
    let others: Vec<&ExitRecord> = nearby.iter().filter(near).collect();
    let whose = match (circle, others.len()) {
        (Circle::Container(_), _) => "of its container".to_owned(),
        (Circle::Unit(unit), _) => format!("of {}", printable(unit.as_bytes())),
        (Circle::Parent(_), 1) => "child of the same parent".to_owned(),
        (Circle::Parent(_), _) => "children of the same parent".to_owned(),
    };
    let how = how(&others)?;
    let count = match (others.len(), circle) {
        (1, Circle::Parent(_)) => "1 other".to_owned(),
        (count, Circle::Parent(_)) => format!("{count} other"),
        (1, _) => "1 other".to_owned(),
        (count, _) => format!("{count} others"),
    };
    Some(format!("{count} {whose} ended in the same second, {how}."))
}

/// Says how several ended, in as few words as are true.
fn how(others: &[&ExitRecord]) -> Option<String> {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for other in others {
        *kinds.entry(end(other)).or_default() += 1;
    }
    let all = match others.len() {
        1 => "",
        2 => "both ",
        _ => "all ",
    };
    let mut counted: Vec<(String, usize)> = kinds.into_iter().collect();
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    match &counted[..] {
        [(end, _)] => Some(format!("{all}{end}")),
        kinds => {
            let each = kinds.iter().map(|(end, count)| format!("{count} {end}"));
            listed(&each.collect::<Vec<_>>())
        }
    }
}

fn end(record: &ExitRecord) -> String {
    match (record.outcome, &record.killer, &record.oom) {
        (Outcome::Killed { .. }, _, Some(_)) => "killed for want of memory".to_owned(),
        (Outcome::Killed { signal, .. }, Some(killer), None) if killer.code <= 0 => {
            format!("killed by {signal} from {}", link(&killer.comm, killer.pid))
        }
        (Outcome::Killed { signal, .. }, ..) => format!("killed by {signal}"),
        (Outcome::Exited(status), ..) => format!("with exit status {status}"),
        (Outcome::Unknown { .. }, ..) => "nobody knows how".to_owned(),
    }
}
