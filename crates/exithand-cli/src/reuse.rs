//! `exithand doctor --reuse`: how soon a pid comes again here, and whom that fools.

use std::io::{self, Write};
use std::time::Duration;

use anstyle::Style;
use exithand_pidlab::estimate;
use serde::Serialize;

use crate::duration;
use crate::pid_space::PidSpace;

/// How often scripts look as a rule, and how that is written.
const INTERVALS: [(Duration, &str); 3] = [
    (Duration::from_secs(1), "1s"),
    (Duration::from_millis(100), "100ms"),
    (Duration::from_millis(10), "10ms"),
];

/// What happens at one rate of new processes and threads.
struct Pace {
    /// When the rate was measured.
    when: &'static str,
    starts_per_second: f64,
    /// Within which time every freed pid comes again; `None` where none does.
    lap: Option<Duration>,
}

impl Pace {
    fn all(pids: &PidSpace) -> [Self; 2] {
        let pace = |when, starts_per_second| Self {
            when,
            starts_per_second,
            lap: pids.lap(starts_per_second),
        };
        [
            pace("now", pids.forks_now),
            pace("since boot", pids.forks_since_boot),
        ]
    }

    /// The chance in one wait that a poller with this interval takes a new process for the old one.
    fn fooled(&self, interval: Duration) -> f64 {
        self.lap
            .map_or(0.0, |lap| estimate::fooled_at_most(lap, interval))
    }
}

/// Writes in words what follows from `pids`.
///
/// # Errors
///
/// The writer's.
pub fn text(pids: &PidSpace, out: &mut impl Write) -> io::Result<()> {
    let bold = Style::new().bold();
    writeln!(out, "{bold}Pid reuse{bold:#}")?;
    writeln!(
        out,
        "  {} alive, numbers up to {}, given out in turn: a round is {} starts",
        pids.alive,
        pids.pid_max.saturating_sub(1),
        pids.round()
    )?;
    for pace in Pace::all(pids) {
        pace_text(&pace, out)?;
    }
    out.write_all(LEGEND.as_bytes())
}

/// What the chances are of.
const LEGEND: &str = concat!(
    "  fooled is who takes a new process for the old one; these chances are the highest there are:\n",
    "  of a target older than a round, if the new process is still there at the next look\n",
    "  a token or an exithand handle is never fooled\n",
);

fn pace_text(pace: &Pace, out: &mut impl Write) -> io::Result<()> {
    let (starts, when) = (pace.starts_per_second, pace.when);
    let Some(lap) = pace.lap else {
        return writeln!(
            out,
            "  {starts:.1} started a second {when}: no pid comes again"
        );
    };
    writeln!(
        out,
        "  {starts:.1} started a second {when}: a freed pid comes again within {},\n    \
         that of an old process perhaps at once",
        seconds(lap)
    )?;
    for (interval, name) in INTERVALS {
        writeln!(
            out,
            "    a script that looks every {name:<5} is fooled in {}",
            chance(pace.fooled(interval))
        )?;
    }
    Ok(())
}

/// Writes a time in seconds, and in larger units where that helps.
fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    match whole {
        0 => format!("{:.2} seconds", time.as_secs_f64()),
        1..120 => format!("{whole} seconds"),
        _ => format!(
            "{whole} seconds ({})",
            duration::format(duration::coarse(time))
        ),
    }
}

/// Writes a chance as one of so many waits, with the two digits that an estimate has.
fn chance(chance: f64) -> String {
    let waits = 1.0 / chance;
    if waits.is_infinite() {
        return "no wait".to_owned();
    }
    let unit = 10_f64.powf((waits.log10().floor() - 1.0).max(0.0));
    format!("1 of {:.0} waits", (waits / unit).round() * unit)
}

#[derive(Serialize)]
struct Record {
    v: u8,
    rate: &'static str,
    forks_per_second: f64,
    pid_max: u64,
    alive: u64,
    pid_reuse_seconds: Option<f64>,
    poller_fooled_1s: f64,
    poller_fooled_100ms: f64,
    poller_fooled_10ms: f64,
}

/// Writes one line of JSON for each rate.
///
/// # Errors
///
/// The writer's.
pub fn json(pids: &PidSpace, out: &mut impl Write) -> io::Result<()> {
    for pace in Pace::all(pids) {
        let [one, tenth, hundredth] = INTERVALS.map(|(interval, _)| pace.fooled(interval));
        let record = Record {
            v: 1,
            rate: pace.when,
            forks_per_second: pace.starts_per_second,
            pid_max: pids.pid_max,
            alive: pids.alive,
            pid_reuse_seconds: pace.lap.map(|lap| lap.as_secs_f64()),
            poller_fooled_1s: one,
            poller_fooled_100ms: tenth,
            poller_fooled_10ms: hundredth,
        };
        serde_json::to_writer(&mut *out, &record)?;
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine on which a round takes 1000 seconds now, and nothing was started before.
    const PIDS: PidSpace = PidSpace {
        pid_max: 32_768,
        alive: 468,
        forks_since_boot: 0.0,
        forks_now: 32.0,
    };

    #[test]
    fn says_in_words_how_soon_and_how_likely() {
        let mut out = Vec::new();
        text(&PIDS, &mut out).expect("write to memory");
        let text = String::from_utf8(out).expect("it is text");
        for expected in [
            "468 alive, numbers up to 32767, given out in turn: a round is 32000 starts\n",
            "second now: a freed pid comes again within 1000 seconds (16m),\n",
            "every 1s    is fooled in 1 of 2000 waits\n",
            "every 100ms is fooled in 1 of 20000 waits\n",
            "every 10ms  is fooled in 1 of 200000 waits\n",
            "0.0 started a second since boot: no pid comes again\n",
        ] {
            assert!(text.contains(expected), "{expected:?} is missing:\n{text}");
        }
    }

    #[test]
    fn chances_have_two_digits_and_times_a_unit() {
        for (share, words) in [
            (0.5, "1 of 2 waits"),
            (1.0 / 12_345.0, "1 of 12000 waits"),
            (0.0, "no wait"),
        ] {
            assert_eq!(chance(share), words);
        }
        assert_eq!(seconds(Duration::from_millis(70)), "0.07 seconds");
        assert_eq!(seconds(Duration::from_hours(2)), "7200 seconds (2h)");
    }

    #[test]
    fn json_has_one_flat_object_a_rate() {
        let mut out = Vec::new();
        json(&PIDS, &mut out).expect("write to memory");
        let text = String::from_utf8(out).expect("it is text");
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                r#"{"v":1,"rate":"now","forks_per_second":32.0,"pid_max":32768,"alive":468,"pid_reuse_seconds":1000.0,"poller_fooled_1s":0.0005,"poller_fooled_100ms":0.00005,"poller_fooled_10ms":5e-6}"#,
                r#"{"v":1,"rate":"since boot","forks_per_second":0.0,"pid_max":32768,"alive":468,"pid_reuse_seconds":null,"poller_fooled_1s":0.0,"poller_fooled_100ms":0.0,"poller_fooled_10ms":0.0}"#,
            ]
        );
    }
}
