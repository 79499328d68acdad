//! What one run showed, and how the program that watched it tells the one that asked.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::cost::Cost;
use super::part::Manner;
use super::player::Player;
use super::watch::Seen;

/// What one run showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// Whether whoever should die did, and nobody else.
    pub is_right: bool,
    /// How many died in vain.
    pub extra: u64,
    /// How long after the crossing of the level memory was back.
    pub back: Option<Duration>,
    /// How long after it the victim was gone.
    pub gone: Option<Duration>,
    /// For how many microseconds in all somebody waited for memory.
    pub stalled_us: u64,
    /// What the killer itself took.
    pub cost: Cost,
    /// How many of the dead the kernel itself killed.
    pub by_kernel: u64,
    /// Who died, in the order of the arena.
    pub dead: Vec<String>,
}

impl Run {
    /// Judges a run in which `enough` deaths would have done.
    pub fn new(players: &[Player], seen: Seen, enough: u64) -> Self {
        let dead = |should: bool| {
            let dead = players.iter().filter(|it| it.dead.is_some());
            let count = dead.filter(|it| it.part.should_die == should).count();
            u64::try_from(count).unwrap()
        };
        // One that is frozen dies only later, and its memory is back before.
        let thawed = |it: &Player| it.part.manner == Manner::Frozen && it.dead.is_some();
        let died = seen.gone.is_some() || players.iter().any(thawed);
        let names = players.iter().filter(|it| it.dead.is_some());
        Self {
            is_right: died && dead(false) == 0,
            extra: dead(false) + dead(true).saturating_sub(enough),
            back: seen.back,
            gone: seen.gone,
            dead: names.map(|it| it.part.name.to_owned()).collect(),
            ..Self::default()
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            is_right,
            extra,
            back,
            gone,
            stalled_us,
            cost,
            by_kernel,
            dead,
        } = self;
        let millis = |time: &Option<Duration>| {
            time.map_or("-".to_owned(), |time| time.as_millis().to_string())
        };
        let (back, gone) = (millis(back), millis(gone));
        let (cpu, switches, pss) = (cost.cpu_us, cost.switches, cost.pss_kib);
        let dead = dead.join(" ");
        write!(
            f,
            "{is_right} {extra} {back} {gone} {stalled_us} {cpu} {switches} {pss} {by_kernel} {dead}"
        )
    }
}

/// The line is none of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoRun(String);

impl FromStr for Run {
    type Err = NoRun;

    fn from_str(line: &str) -> Result<Self, NoRun> {
        read(line).ok_or_else(|| NoRun(line.to_owned()))
    }
}

fn read(line: &str) -> Option<Run> {
    let mut words = line.split_whitespace();
    let is_right = words.next()?.parse().ok()?;
    let mut number = || {
        let word = words.next()?;
        Some(word.parse::<u64>().ok())
    };
    let extra = number()??;
    let (back, gone) = (number()?, number()?);
    Some(Run {
        is_right,
        extra,
        back: back.map(Duration::from_millis),
        gone: gone.map(Duration::from_millis),
        stalled_us: number()??,
        cost: Cost {
            cpu_us: number()??,
            switches: number()??,
            pss_kib: number()??,
        },
        by_kernel: number()??,
        dead: words.map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read() {
        let run = Run {
            is_right: true,
            extra: 2,
            back: Some(Duration::from_millis(7)),
            gone: None,
            stalled_us: 3,
            cost: Cost {
                cpu_us: 4,
                switches: 5,
                pss_kib: 6,
            },
            by_kernel: 7,
            dead: vec!["hog".to_owned(), "bystander".to_owned()],
        };
        assert_eq!(run.to_string().parse(), Ok(run));
        assert_eq!(Run::default().to_string().parse(), Ok(Run::default()));
        assert!("true 1 2".parse::<Run>().is_err());
    }
}
