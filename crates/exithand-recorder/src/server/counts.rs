//! What was seen and lost, counted.

use std::collections::BTreeMap;

use exithand::Outcome;

use crate::keeper::Keeper;
use crate::{Event, ExitRecord, LossCause};

/// How many units get a count of their own; the rest are counted together.
const UNITS_MAX: usize = 200;

/// What was seen since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) exits: u64,
    pub(crate) oom_kills: u64,
    lost: BTreeMap<&'static str, u64>,
    /// By unit, then by outcome.
    pub(crate) by_unit: BTreeMap<String, [u64; 4]>,
    pub(crate) dropped_subscribers: u64,
}

/// The words for the four columns of a unit's counts.
pub(crate) const KINDS: [&str; 4] = ["success", "failure", "signal", "unknown"];

impl Counts {
    pub(crate) fn note(&mut self, event: &Event) {
        match event {
            Event::Exit(record) => self.note_exit(record),
            Event::Gap(gap) => self.note_lost(gap.cause, gap.lost.unwrap_or_default()),
        }
    }

    pub(crate) fn note_lost(&mut self, cause: LossCause, count: u64) {
        *self.lost.entry(cause.as_str()).or_default() += count;
    }

    /// Returns what was lost, by cause; what the store refused included.
    pub(crate) fn lost(&self, keeper: &Keeper) -> BTreeMap<&'static str, u64> {
        let causes = [
            LossCause::RingFull,
            LossCause::SocketFull,
            LossCause::StoreBehind,
        ];
        let mut lost: BTreeMap<_, _> = causes.iter().map(|it| (it.as_str(), 0)).collect();
        lost.extend(self.lost.iter().map(|(cause, lost)| (*cause, *lost)));
        *lost.entry(LossCause::StoreBehind.as_str()).or_default() += keeper.refused();
        lost
    }

    fn note_exit(&mut self, record: &ExitRecord) {
        self.exits += 1;
        self.oom_kills += u64::from(record.oom.is_some());
        let kind = match record.outcome {
            Outcome::Exited(0) => 0,
            Outcome::Exited(_) => 1,
            Outcome::Killed { .. } => 2,
            Outcome::Unknown { .. } => 3,
        };
        let unit = record.place.unit.as_deref().unwrap_or_default();
        if let Some(counts) = self.by_unit.get_mut(unit) {
            counts[kind] += 1;
            return;
        }
        let name = if self.by_unit.len() < UNITS_MAX {
            unit
        } else {
            "(other)"
        };
        self.by_unit.entry(name.to_owned()).or_default()[kind] += 1;
    }
}
