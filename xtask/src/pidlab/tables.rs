//! The tables of the page.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context;
use exithand_pidlab::estimate;

use super::runs::{INTERVALS, Run};

const SECOND: Duration = Duration::from_secs(1);
/// The default of the kernel, and that of systemd on 64 bits.
const PID_MAXES: [u64; 2] = [32_768, 4_194_304];
const RATES: [u32; 4] = [10, 100, 1000, 10_000];

/// The page with its tables as they are now.
pub(super) fn updated(page: &str, runs: &[Run]) -> anyhow::Result<String> {
    let page = replaced(page, "allocators", &allocators(runs))?;
    replaced(&page, "rounds", &rounds())
}

/// Puts `table` between the comment that names it and the next blank line.
fn replaced(page: &str, name: &str, table: &str) -> anyhow::Result<String> {
    let start = format!("<!-- Written by `cargo xtask pidlab`: {name}. -->\n");
    let no_table = || format!("{} has no table after {start}", super::PAGE);
    let (before, rest) = page.split_once(&start).with_context(no_table)?;
    let (_, after) = rest.split_once("\n\n").with_context(no_table)?;
    Ok(format!("{before}{start}{table}\n{after}"))
}

/// What became of the numbers of services and jobs, a row for each allocator.
fn allocators(runs: &[Run]) -> String {
    let mut table = String::from(
        "| | service: at the earliest | half | fooled at 1 s | at 10 s | job: at the earliest | \
         fooled at 10 s |\n|---|---|---|---|---|---|---|\n",
    );
    for Run { name, report } in runs {
        let (services, jobs) = (&report.services, &report.jobs);
        let fooled = |chances: Vec<f64>, interval| {
            let place = INTERVALS.iter().position(|it| *it == interval);
            odds(place.map_or(0.0, |it| chances[it]))
        };
        let half = services.distance(50).zip(services.delay(50)).map_or_else(
            || "never".to_owned(),
            |(distance, delay)| format!("{} ({} s)", grouped(distance), delay.as_secs()),
        );
        // Writing to a string cannot fail.
        writeln!(
            table,
            "| {name} | {} | {half} | {} | {} | {} | {} |",
            distance(services.least_distance()),
            fooled(services.fooled(), SECOND),
            fooled(services.fooled(), 10 * SECOND),
            distance(jobs.least_distance()),
            fooled(jobs.fooled(), 10 * SECOND),
        )
        .unwrap_or_default();
    }
    table
}

/// How long a round takes on Linux, and how often that fools a poller.
fn rounds() -> String {
    let mut table = String::from(
        "| started a second | a round of 32,768 | fooled at 1 s | a round of 4,194,304 | fooled at \
         1 s |\n|---|---|---|---|---|\n",
    );
    for rate in RATES {
        let cells = PID_MAXES.map(|pid_max| {
            let lap = estimate::lap(pid_max, 300, f64::from(rate)).unwrap_or_default();
            let fooled = estimate::fooled_at_most(lap, SECOND);
            format!("{} | {}", time(lap), odds(fooled))
        });
        writeln!(
            table,
            "| {} | {} |",
            grouped(u64::from(rate)),
            cells.join(" | ")
        )
        .unwrap_or_default();
    }
    table
}

fn distance(distance: Option<u64>) -> String {
    distance.map_or_else(|| "never".to_owned(), grouped)
}

/// A chance as one of so many, in two digits.
fn odds(chance: f64) -> String {
    let waits = 1.0 / chance;
    if waits.is_infinite() {
        return "0".to_owned();
    }
    let unit = 10_f64.powf((waits.log10().floor() - 1.0).max(0.0));
    let digits = format!("{:.0}", (waits / unit).round() * unit);
    format!("1 of {}", digits.parse().map_or(digits, grouped))
}

fn time(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// A number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(4_194_304), "4,194,304");
        assert_eq!(odds(0.000_081), "1 of 12,000");
        assert_eq!(odds(0.0), "0");
        assert_eq!(time(Duration::from_secs(7300)), "2 h");
    }

    #[test]
    fn a_table_is_replaced_and_the_rest_stays() {
        let page = "a\n<!-- Written by `cargo xtask pidlab`: x. -->\n| old |\n\nb\n";
        let new = replaced(page, "x", "| new |\n").expect("there is a table");
        assert_eq!(new, page.replace("old", "new"));
        assert!(replaced(page, "y", "").is_err());
    }
}
