//! Records as aligned columns.

use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use exithand::Outcome;
use exithand_recorder::{ExitRecord, Gap};

use super::amount::rough_ns;
use super::gap;
use super::rows::Row;
use super::scene::Scene;
use super::sent::{Sent, sent};
use super::tale::{link, program};
use crate::text::printable;

/// The headings, and the least width of each column: it fits most of what comes later.
const COLUMNS: [(&str, usize); 8] = [
    ("ENDED", 19),
    ("PID", 7),
    ("USER", 8),
    ("NAME", 15),
    ("OUTCOME", 15),
    ("RUNTIME", 7),
    ("KILLER", 14),
    ("UNIT", 0),
];
/// Which column shows how it ended.
const OUTCOME: usize = 4;
/// The columns of numbers.
const TO_THE_RIGHT: [usize; 2] = [1, 5];
/// The widest that one long name may make a column.
const WIDEST: usize = 32;

type Cells = [String; COLUMNS.len()];

/// Prints rows; the columns fit the first rows and stay as they are.
#[derive(Debug)]
pub struct Table {
    widths: Option<[usize; COLUMNS.len()]>,
}

impl Table {
    /// Makes a table that has no columns yet.
    pub fn new() -> Self {
        Self { widths: None }
    }

    /// Prints `rows`, below headings if they are the first.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn print(
        &mut self,
        rows: &[Row<'_>],
        scene: &Scene,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let lines: Vec<(&Row<'_>, Option<Cells>)> = rows
            .iter()
            .map(|row| match row {
                Row::Record(record) => (row, Some(cells(record, scene))),
                Row::Gap(_) => (row, None),
            })
            .collect();
        let widths = match self.widths {
            Some(widths) => widths,
            None if lines.is_empty() => return Ok(()),
            None => {
                let widths = fit(lines.iter().filter_map(|(_, cells)| cells.as_ref()));
                self.widths = Some(widths);
                let headings = COLUMNS.map(|(name, _)| name.to_owned());
                print_cells(&headings, &widths, Style::new(), out)?;
                widths
            }
        };
        for (row, cells) in lines {
            match (row, cells) {
                (Row::Record(record), Some(cells)) => {
                    print_cells(&cells, &widths, style(record.outcome), out)?;
                }
                (Row::Gap(gap), _) => print_gap(gap, scene, out)?,
                (Row::Record(_), None) => {}
            }
        }
        Ok(())
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

fn print_gap(gap: &Gap, scene: &Scene, out: &mut impl Write) -> io::Result<()> {
    let style = AnsiColor::Yellow.on_default();
    writeln!(out, "{style}-- {}{style:#}", gap::words(gap, scene))
}

fn print_cells(
    cells: &Cells,
    widths: &[usize; COLUMNS.len()],
    style: Style,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut line = String::new();
    for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let width = *width;
        let padded = if TO_THE_RIGHT.contains(&at) {
            format!("{cell:>width$}")
        } else {
            format!("{cell:width$}")
        };
        let padded = if at + 1 == cells.len() { cell } else { &padded };
        let written = if at == OUTCOME {
            write!(line, "{style}{padded}{style:#}")
        } else {
            write!(line, "{padded}")
        };
        // Writing to a string cannot fail.
        written.unwrap_or_default();
        if at + 1 < cells.len() {
            line.push_str("  ");
        }
    }
    writeln!(out, "{}", line.trim_end())
}

fn fit<'a>(lines: impl Iterator<Item = &'a Cells>) -> [usize; COLUMNS.len()] {
    let mut widths = COLUMNS.map(|(_, width)| width);
    for cells in lines {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count()).min(WIDEST.max(*width));
        }
    }
    widths
}

fn cells(record: &ExitRecord, scene: &Scene) -> Cells {
    let dash = || "-".to_owned();
    let outcome = match (record.outcome, &record.oom) {
        (Outcome::Unknown { .. }, _) => "unknown".to_owned(),
        (outcome, Some(oom)) => format!("{outcome} oom:{}", oom.scope.as_str()),
        (outcome, None) => outcome.to_string(),
    };
    [
        scene.local(record.ended),
        record.pid().map_or_else(dash, |pid| pid.to_string()),
        record.uid.map_or_else(dash, |uid| scene.user(uid)),
        program(&record.comm),
        outcome,
        record.runtime_ns.map_or_else(dash, rough_ns),
        killer(record).unwrap_or_else(dash),
        record
            .place
            .unit
            .as_deref()
            .map_or_else(dash, |unit| printable(unit.as_bytes())),
    ]
}

fn killer(record: &ExitRecord) -> Option<String> {
    if record.oom.is_some() {
        return Some("kernel".to_owned());
    }
    let killer = record.killer.as_ref()?;
    Some(match sent(killer.signal, killer.code) {
        Sent::Kernel(_) => "kernel".to_owned(),
        Sent::Fault { code, .. } => code.unwrap_or("fault").to_owned(),
        Sent::Call(_) if record.pid() == Some(killer.pid) => "itself".to_owned(),
        Sent::Call(_) | Sent::LowMemory(_) => link(&killer.comm, killer.pid),
    })
}

fn style(outcome: Outcome) -> Style {
    match outcome {
        Outcome::Exited(0) => AnsiColor::Green.on_default(),
        Outcome::Exited(_) | Outcome::Killed { .. } => AnsiColor::Red.on_default(),
        Outcome::Unknown { .. } => AnsiColor::Yellow.on_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::scene::tests::{at, scene};
    use crate::ask::tale::tests::record;
    use exithand::Signal;
    use exithand_recorder::{Killer, LossCause};

    fn printed(rows: &[Row<'_>]) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        Table::new().print(rows, &scene(), &mut out).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn columns_are_aligned_and_gaps_are_rows() {
        let mut killed = record(
            "sleep",
            Outcome::Killed {
                signal: Signal::TERM,
                core_dumped: false,
            },
        );
        killed.uid = Some(33);
        killed.runtime_ns = Some(61_000_000_000);
        killed.place.unit = Some("nginx.service".to_owned());
        killed.killer = Some(Killer {
            pid: 1,
            comm: "systemd".into(),
            uid: Some(0),
            exe: None,
            unit: None,
            signal: Signal::TERM,
            code: 0,
            chain: Vec::new(),
        });
        let plain = record("a\u{1b}[2J", Outcome::Exited(0));
        let gap = Gap {
            from: at("2026-11-24T12:42:05Z"),
            to: at("2026-11-24T12:42:06Z"),
            lost: Some(3),
            cause: LossCause::RingFull,
        };
        let rows = [Row::Record(&killed), Row::Gap(&gap), Row::Record(&plain)];
        assert_eq!(
            printed(&rows),
            "\
ENDED                    PID  USER      NAME             OUTCOME          RUNTIME  KILLER          UNIT
2026-11-24 13:42:07     4242  www-data  sleep            killed 15 TERM      1m1s  systemd(1)      nginx.service
-- 3 records were lost between 2026-11-24 13:42:05 and 2026-11-24 13:42:06 (the kernel's buffer was full)
2026-11-24 13:42:07     4242  -         a\\u{1b}[2J       exited 0               -  -               -
"
        );
    }

    #[test]
    fn nothing_prints_nothing() {
        assert_eq!(printed(&[]), "");
    }

    #[test]
    fn one_long_name_does_not_push_everything_away() {
        let long = record(&"x".repeat(200), Outcome::Exited(0));
        let text = printed(&[Row::Record(&long)]);
        let heading = text.lines().next().unwrap();
        assert!(heading.len() < 140, "{heading}");
    }
}
