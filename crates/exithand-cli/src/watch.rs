//! `exithand watch`.

use std::io::Write;
use std::iter;
use std::num::NonZeroU64;
use std::path::PathBuf;

use anyhow::anyhow;
use exithand_recorder::client::ClientError;
use exithand_recorder::json::Line;
use exithand_recorder::{Client, Event, ExitRecord, Gap};

use crate::ask::filter_args::FilterArgs;
use crate::ask::json_line;
use crate::ask::notify::{CommandLine, Notifier, parse_command};
use crate::ask::open::{Via, connect_usual};
use crate::ask::own::OwnEnds;
use crate::ask::rows::Row;
use crate::ask::scene::Scene;
use crate::ask::table::Table;
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Print how processes end, as it happens
///
/// Asks the recorder. Where none runs, watches the user's own processes, if the kernel lets it.
/// Where records are missing, a line says so.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run this command for each record, without a shell
    ///
    /// It finds the record as JSON on its standard input and in variables such as `EXITHAND_PID`.
    /// Four run at a time and 64 records wait; what comes then is dropped and counted.
    #[arg(long, value_name = "CMD", value_parser = parse_command)]
    notify: Option<CommandLine>,

    /// End after so many records
    #[arg(long, value_name = "N")]
    limit: Option<NonZeroU64>,

    /// Print one JSON object a line
    #[arg(long)]
    json: bool,

    /// Ask the recorder at this socket
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,

    #[command(flatten)]
    filter: FilterArgs,
}

/// Prints to `out` what ends from now on.
///
/// # Errors
///
/// Where no recorder answers, or it ends, or lets us go.
pub fn run(args: &Args, out: impl Write) -> Result<ExitCode, Failure> {
    let filter = args.filter.filter()?;
    let client = match &args.socket {
        Some(path) => Client::connect(path),
        None => connect_usual(),
    };
    match client {
        Ok(client) => {
            let path = client.path().display().to_string();
            let subscription = client.subscribe(filter).map_err(anyhow::Error::from)?;
            let events = subscription.map(|event| event.map_err(anyhow::Error::from));
            let ended = || Err(anyhow!("the recorder at {path} has ended"));
            let events = events.chain(iter::once_with(ended));
            watcher(args, Via::Recorder, out).follow(events.map(|it| it.map_err(Failure::Failed)))
        }
        Err(error @ ClientError::NoRecorder { .. }) if args.socket.is_none() => {
            let events = OwnEnds::watch(filter).map_err(|own| {
                Failure::Failed(anyhow!(
                    "{error}; and your own processes cannot be watched: {own}"
                ))
            })?;
            anstream::eprintln!(
                "exithand: no recorder runs, so only your own processes are watched; \
                 nobody tells who killed them, and one that is reaped as soon as it started is not seen"
            );
            watcher(args, Via::Store, out).follow(events)
        }
        Err(error) => Err(Failure::Failed(error.into())),
    }
}

fn watcher<W: Write>(args: &Args, via: Via, out: W) -> Watcher<'_, W> {
    Watcher {
        args,
        via,
        table: Table::new(),
        scene: Scene::here(),
        notifier: args.notify.clone().map(Notifier::new),
        gap: None,
        out,
    }
}

/// What is done with each event.
struct Watcher<'a, W> {
    args: &'a Args,
    via: Via,
    table: Table,
    scene: Scene,
    notifier: Option<Notifier>,
    /// The last gap, which may be near the next record.
    gap: Option<Gap>,
    out: W,
}

impl<W: Write> Watcher<'_, W> {
    /// Prints events until there are no more, or as many as asked for.
    fn follow(
        mut self,
        events: impl Iterator<Item = Result<Event, Failure>>,
    ) -> Result<ExitCode, Failure> {
        let mut left = self.args.limit.map(NonZeroU64::get);
        for event in events {
            match event? {
                Event::Exit(record) => {
                    self.record(&record)?;
                    left = left.map(|left| left - 1);
                }
                Event::Gap(gap) => {
                    self.print(Row::Gap(&gap), &Line::from(&gap))?;
                    self.gap = Some(gap);
                }
            }
            if left == Some(0) {
                break;
            }
        }
        if let Some(notifier) = self.notifier {
            notifier.finish();
        }
        Ok(ExitCode::Success)
    }

    fn record(&mut self, record: &ExitRecord) -> Result<(), Failure> {
        let near_gap = self
            .gap
            .as_ref()
            .is_some_and(|gap| gap.touches(record.ended));
        let line = json_line(record, near_gap, self.via.details(record));
        if let Some(notifier) = &mut self.notifier {
            notifier.notify(&line);
        }
        self.print(Row::Record(record), &Line::Record(Box::new(line)))
    }

    fn print(&mut self, row: Row<'_>, line: &Line) -> Result<(), Failure> {
        if self.args.json {
            writeln!(self.out, "{line}")?;
        } else {
            self.table.print(&[row], &self.scene, &mut self.out)?;
        }
        Ok(self.out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::scene::tests::{at, scene};
    use crate::ask::tale::tests::record;
    use clap::Parser;
    use exithand::Outcome;
    use exithand_recorder::LossCause;

    #[derive(Debug, Parser)]
    struct Words {
        #[command(flatten)]
        args: Args,
    }

    fn events() -> Vec<Result<Event, Failure>> {
        let exit = |status| {
            Ok(Event::Exit(Box::new(record(
                "job",
                Outcome::Exited(status),
            ))))
        };
        let gap = Gap {
            from: at("2026-11-24T12:42:05Z"),
            to: at("2026-11-24T12:42:06Z"),
            lost: Some(3),
            cause: LossCause::RingFull,
        };
        let broken = Err(Failure::Failed(anyhow::anyhow!("the recorder ended")));
        vec![exit(1), Ok(Event::Gap(gap)), exit(2), broken]
    }

    /// Watches the events above; returns what was printed and how it went.
    fn watch(words: &[&str]) -> (String, Result<ExitCode, Failure>) {
        let words = Words::try_parse_from(["watch"].iter().chain(words)).unwrap();
        let mut out = anstream::StripStream::new(Vec::new());
        let watcher = Watcher {
            args: &words.args,
            via: Via::Store,
            table: Table::new(),
            scene: scene(),
            notifier: words.args.notify.clone().map(Notifier::new),
            gap: None,
            out: &mut out,
        };
        let ended = watcher.follow(events().into_iter());
        (String::from_utf8(out.into_inner()).unwrap(), ended)
    }

    #[test]
    fn ends_are_printed_until_the_recorder_ends() {
        let (text, ended) = watch(&[]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("ENDED "), "{text}");
        assert!(lines[1].contains("exited 1"), "{text}");
        assert!(lines[2].starts_with("-- 3 records were lost"), "{text}");
        assert!(lines[3].contains("exited 2"), "{text}");
        assert!(matches!(ended, Err(Failure::Failed(_))));
    }

    #[test]
    fn a_limit_counts_records() {
        let (text, ended) = watch(&["--json", "--limit", "2"]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].contains("\"gap\":false"), "{text}");
        assert!(lines[1].contains("ring-full"), "{text}");
        assert!(lines[2].contains("\"gap\":true"), "{text}");
        assert_eq!(ended.unwrap(), ExitCode::Success);
    }

    #[test]
    fn each_record_is_handed_to_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let told = folder.path().join("told");
        let command = format!("sh -c 'echo $EXITHAND_STATUS >> \"$0\"' {}", told.display());
        watch(&["--limit", "2", "--notify", &command]).1.unwrap();
        let mut statuses: Vec<String> = std::fs::read_to_string(told)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        statuses.sort();
        assert_eq!(statuses, ["1", "2"]);
    }

    #[test]
    fn bad_input_is_refused() {
        for words in [
            &["--limit", "0"][..],
            &["--notify", "a 'b"],
            &["--notify", ""],
            &["--since", "1h"],
        ] {
            assert!(
                Words::try_parse_from(["watch"].iter().chain(words)).is_err(),
                "{words:?}"
            );
        }
    }
}
