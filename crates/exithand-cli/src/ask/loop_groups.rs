//! Crash loops of one program, told together.

use std::collections::HashMap;
use std::ffi::OsStr;

use super::amount::rough_ns;
use super::crash_loop::CrashLoop;
use super::scene::Scene;
use super::tale::program;
use crate::text::printable;

/// How many lines of crash loops a person is told at once.
pub const SHOWN_MAX: usize = 10;

/// All loops of one name in one unit, whichever container or user they were of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopGroup {
    /// How many loops.
    pub loops: usize,
    /// All of them as one: the sum of the failures, the first and the last of them, the longest run.
    pub all: CrashLoop,
}

/// Puts loops together, those that failed most often first.
pub fn loop_groups(loops: &[CrashLoop]) -> Vec<LoopGroup> {
    let mut groups: Vec<LoopGroup> = Vec::new();
    let mut places: HashMap<(&OsStr, Option<&str>), usize> = HashMap::new();
    for it in loops {
        let key = (it.name.as_os_str(), it.unit.as_deref());
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.add(it),
            None => groups.push(LoopGroup {
                loops: 1,
                all: it.clone(),
            }),
        }
    }
    groups.sort_by_key(|it| (std::cmp::Reverse(it.all.times), it.all.first));
    groups
}

impl LoopGroup {
    fn add(&mut self, more: &CrashLoop) {
        let all = &mut self.all;
        self.loops += 1;
        all.times += more.times;
        if more.last > all.last {
            all.last = more.last;
            all.outcome = more.outcome;
        }
        all.first = all.first.min(more.first);
        all.longest_ns = all.longest_ns.max(more.longest_ns);
    }

    /// Says what fails, how often and how soon.
    pub fn words(&self, scene: &Scene) -> String {
        let all = &self.all;
        if self.loops == 1 {
            return all.words(scene);
        }
        let unit = all.unit.as_deref().map_or_else(String::new, |unit| {
            format!(" of {}", printable(unit.as_bytes()))
        });
        format!(
            "{}{unit} failed {} times in {} loops between {} and {}, within {} of its start each time",
            program(&all.name),
            all.times,
            self.loops,
            scene.local(all.first),
            scene.local(all.last),
            rough_ns(all.longest_ns),
        )
    }
}

/// Writes the lines for people: [`SHOWN_MAX`] at most, and how many there are beside them.
pub fn lines(loops: &[CrashLoop], scene: &Scene) -> Vec<String> {
    let groups = loop_groups(loops);
    let shown = groups.iter().take(SHOWN_MAX);
    let mut lines: Vec<String> = shown
        .map(|it| format!("crash loop: {}", it.words(scene)))
        .collect();
    match groups.len().saturating_sub(SHOWN_MAX) {
        0 => {}
        1 => lines.push("and 1 crash loop more: --json has all".to_owned()),
        more => lines.push(format!("and {more} crash loops more: --json has all")),
    }
    lines
}

#[cfg(test)]
mod tests {
    use exithand::Outcome;

    use super::*;
    use crate::ask::scene::tests::{at, scene};

    fn found(name: &str, unit: Option<&str>, times: usize, minute: u8) -> CrashLoop {
        CrashLoop {
            name: name.into(),
            unit: unit.map(str::to_owned),
            times,
            first: at(&format!("2026-11-24T12:{minute:02}:00Z")),
            last: at(&format!("2026-11-24T12:{minute:02}:30Z")),
            longest_ns: u64::from(minute) * 1_000_000_000,
            outcome: Outcome::Exited(minute),
        }
    }

    #[test]
    fn loops_of_one_program_are_one_line() {
        let loops = [
            found("app", Some("web.service"), 9, 20),
            found("app", None, 8, 5),
            found("app", Some("web.service"), 7, 10),
            found("job", Some("web.service"), 20, 7),
        ];
        assert_eq!(
            lines(&loops, &scene()),
            [
                "crash loop: job of web.service failed 20 times in a row between \
                 2026-11-24 13:07:00 and 2026-11-24 13:07:30, within 7s of its start each time",
                "crash loop: app of web.service failed 16 times in 2 loops between \
                 2026-11-24 13:10:00 and 2026-11-24 13:20:30, within 20s of its start each time",
                "crash loop: app failed 8 times in a row between \
                 2026-11-24 13:05:00 and 2026-11-24 13:05:30, within 5s of its start each time",
            ]
        );
        let groups = loop_groups(&loops);
        assert_eq!(groups[1].all.outcome, Outcome::Exited(20), "the last end");
    }

    #[test]
    fn many_loops_are_cut_and_counted() {
        let all: Vec<CrashLoop> = (0..12)
            .map(|number| found(&format!("app{number}"), None, 5 + number, 1))
            .collect();
        let told = lines(&all, &scene());
        assert_eq!(told.len(), SHOWN_MAX + 1);
        assert!(
            told[0].starts_with("crash loop: app11 failed 16 times"),
            "{told:?}"
        );
        assert_eq!(told[SHOWN_MAX], "and 2 crash loops more: --json has all");
        let told = lines(&all[1..], &scene());
        assert_eq!(told[SHOWN_MAX], "and 1 crash loop more: --json has all");
        assert_eq!(lines(&all[2..], &scene()).len(), SHOWN_MAX);
    }
}
