//! The table a benchmark prints.

use std::fmt;
use std::io::{Write, stdout};
use std::time::Duration;

/// The largest ratio to the baseline that is good enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// At most this.
    AtMost(f64),
    /// For information.
    None,
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(ratio) => write!(f, "<={ratio:.2}"),
            Self::None => f.write_str("-"),
        }
    }
}

/// Prints a row per measurement, at once: what, median, baseline, ratio, goal, met or missed.
///
/// To a terminal in columns; elsewhere the first five fields with tabs between, for programs.
#[derive(Debug)]
pub struct Table {
    columns: bool,
}

impl Table {
    /// Prints the header.
    #[expect(clippy::new_without_default, reason = "it prints")]
    pub fn new() -> Self {
        let table = Self {
            columns: rustix::termios::isatty(rustix::stdio::stdout()),
        };
        table.print(["what", "median", "baseline", "ratio", "goal", ""]);
        table
    }

    /// Prints a row of times.
    pub fn times(&self, what: &str, median: Duration, baseline: Duration, goal: Goal) {
        let ratio = median.as_secs_f64() / baseline.as_secs_f64();
        self.row(what, &time(median), &time(baseline), ratio, goal);
    }

    /// Prints a row of numbers of something.
    pub fn numbers(&self, what: &str, median: f64, baseline: f64, unit: &str, goal: Goal) {
        let number = |value: f64| format!("{value:.0} {unit}");
        let ratio = median / baseline;
        self.row(what, &number(median), &number(baseline), ratio, goal);
    }

    /// Prints a line that is no row.
    pub fn note(&self, text: &str) {
        line(text);
    }

    fn row(&self, what: &str, median: &str, baseline: &str, ratio: f64, goal: Goal) {
        let verdict = match goal {
            Goal::AtMost(most) if ratio <= most => "met",
            Goal::AtMost(_) => "MISSED",
            Goal::None => "",
        };
        let (ratio, goal) = (format!("{ratio:.2}"), goal.to_string());
        self.print([what, median, baseline, &ratio, &goal, verdict]);
    }

    fn print(&self, fields: [&str; 6]) {
        let [what, median, baseline, ratio, goal, verdict] = fields;
        if self.columns {
            line(
                format!("{what:<52} {median:>10} {baseline:>10} {ratio:>6} {goal:>7} {verdict}")
                    .trim_end(),
            );
        } else {
            line(&fields[..5].join("\t"));
        }
    }
}

fn line(text: &str) {
    writeln!(stdout(), "{text}").expect("print to stdout");
}

fn time(time: Duration) -> String {
    match time.as_nanos() {
        0..10_000_000 => format!("{:.1} us", time.as_secs_f64() * 1e6),
        _ => format!("{:.1} ms", time.as_secs_f64() * 1e3),
    }
}
