//! The programs whose ends most observers get wrong, then many at random: what `wait(2)` says, and
//! what the recorder's probes, `exitsnoop` and `forkstat` say of the same run. A table in Markdown.
//!
//! Needs root, and prints what of the others is not installed. The argument is how many random ends
//! there are; 10,000 unless given. Fails if the probes are wrong anywhere.

#[path = "observers/cases.rs"]
mod cases;
#[path = "observers/others.rs"]
mod others;

use std::error::Error;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use exithand::{Outcome, Token};
use exithand_recorder::{Event, ExitRecord, Source, SourceName, choose};
use exithand_testkit::actor;

use cases::{Case, Course};
use others::{Other, Told};

/// The core bit, which not everybody tells.
const CORE: i32 = 0x80;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let count = std::env::args()
        .nth(1)
        .map_or(Ok(10_000), |it| it.parse())?;
    let mut out = io::stdout().lock();
    let mut stage = Stage {
        source: choose(Some(SourceName::Bpf))?.source,
        records: Vec::new(),
        others: [Other::exitsnoop()?, Other::forkstat()?],
    };
    for other in &mut stage.others {
        if !other.is_there()? {
            writeln!(out, "{} cannot be run here", other.name())?;
        }
    }
    writeln!(
        out,
        "| how it ended | `wait(2)` | exithand, and who it names | exitsnoop | forkstat |"
    )?;
    writeln!(out, "|---|---|---|---|---|")?;
    let mut wrong = 0;
    for case in cases::all() {
        wrong += u32::from(!stage.case(&case, &mut out)?);
    }
    wrong += u32::from(!stage.storm(count, &mut out)?);
    Ok(if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

struct Stage {
    source: Box<dyn Source>,
    records: Vec<ExitRecord>,
    others: [Other; 2],
}

impl Stage {
    /// Runs one case and prints its row; says whether the probes told what is true.
    fn case(&mut self, case: &Case, out: &mut impl Write) -> Result<bool, Box<dyn Error>> {
        for other in &mut self.others {
            other.begin()?;
        }
        self.drain()?;
        let Some(Course { pid, token, status }) = case.run()? else {
            writeln!(out, "| {} | not possible here | | | |", case.name)?;
            return Ok(true);
        };
        self.drain()?;
        let records = self.of(&token);
        let told: Vec<i32> = records.iter().map(|it| status_of(it.outcome)).collect();
        let is_right = told == [status];
        let mut cells = vec![case.name.to_owned(), words(status)];
        cells.push(match &records[..] {
            [record] if is_right => format!("right{}", named(record)),
            _ => list(&told),
        });
        for other in &mut self.others {
            let told = other.told()?.map(|it| it.of(pid, std::process::id()));
            cells.push(match told {
                None => "-".to_owned(),
                Some(told) if told == [status & !CORE] => "right".to_owned(),
                Some(told) if told.is_empty() => "nothing".to_owned(),
                Some(told) => list(&told),
            });
        }
        writeln!(out, "| {} |", cells.join(" | "))?;
        Ok(is_right)
    }

    /// Runs many random ends and prints how many of them each observer told right.
    fn storm(&mut self, count: u32, out: &mut impl Write) -> Result<bool, Box<dyn Error>> {
        for other in &mut self.others {
            other.begin()?;
        }
        let mut storm = actor(&["storm", &count.to_string(), "200"]);
        let parent = storm.pid().as_raw_nonzero().get().unsigned_abs();
        storm.go();
        let mut ends: Vec<(u32, i32)> = Vec::new();
        loop {
            let line = storm.read_line();
            if line.is_empty() {
                break;
            }
            if let ["p", _, pid, _, status] = line.split(' ').collect::<Vec<_>>()[..] {
                ends.push((pid.parse()?, status.parse()?));
            }
            self.drain()?;
        }
        storm.wait();
        self.drain()?;
        let mut seen = Told::default();
        let is_ours = |it: &&ExitRecord| it.parent.as_ref().is_some_and(|it| it.pid == parent);
        for record in self.records.iter().filter(is_ours) {
            let pid = record.token.pid().map_or(0, |it| it.as_raw_nonzero().get());
            seen.add(pid.unsigned_abs(), parent, status_of(record.outcome));
        }
        let right = seen.matching(&ends, parent);
        let mut cells = vec![
            format!("{count} random ends"),
            format!("{} told", ends.len()),
            format!("{right} right"),
        ];
        for other in &mut self.others {
            let told = other.told()?;
            cells.push(told.map_or_else(
                || "-".to_owned(),
                |it| format!("{} right", it.matching(&ends, parent)),
            ));
        }
        writeln!(out, "| {} |", cells.join(" | "))?;
        Ok(right == ends.len())
    }

    fn drain(&mut self) -> io::Result<()> {
        let records = &mut self.records;
        self.source.drain(&mut |event| {
            if let Event::Exit(record) = event {
                records.push(*record);
            }
        })
    }

    fn of(&self, token: &Token) -> Vec<ExitRecord> {
        let records = self.records.iter();
        let same = records.filter(|it| it.token.is_same_process(token));
        same.cloned().collect()
    }
}

/// Who ended it, for the table.
fn named(record: &ExitRecord) -> String {
    let oom = record.oom.as_ref().map(|it| it.scope.as_str());
    match (oom, &record.killer) {
        (Some(scope), _) => format!("; out of memory ({scope})"),
        (None, None) => String::new(),
        (None, Some(killer)) if Some(killer.pid) == record.token.pid().map(number) => {
            "; by itself".to_owned()
        }
        (None, Some(killer)) if killer.pid == std::process::id() => "; by this program".to_owned(),
        (None, Some(killer)) => {
            let chain = killer.chain.iter().take(2);
            let chain = chain.map(|it| format!(", of {}", it.comm.display()));
            format!(
                "; by {}{}",
                killer.comm.display(),
                chain.collect::<String>()
            )
        }
    }
}

fn number(pid: exithand::Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

fn status_of(outcome: Outcome) -> i32 {
    match outcome {
        Outcome::Exited(status) => i32::from(status) << 8,
        Outcome::Killed {
            signal,
            core_dumped,
        } => signal.number() | if core_dumped { CORE } else { 0 },
        Outcome::Unknown { .. } => -1,
    }
}

fn words(status: i32) -> String {
    let outcome = Outcome::try_from(ExitStatus::from_raw(status));
    outcome.map_or_else(|_no_end| status.to_string(), |it| it.to_string())
}

fn list(told: &[i32]) -> String {
    let told: Vec<String> = told.iter().map(|it| words(*it)).collect();
    told.join(", then ")
}
