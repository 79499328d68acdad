//! `exithand history`.

use std::io::Write;

use clap::ValueEnum;
use exithand_recorder::json::GapLine;
use exithand_recorder::{Order, Query};

use crate::ask::filter_args::{FilterArgs, TimeArgs};
use crate::ask::open::{SourceArgs, Via};
use crate::ask::pages::{More, Page, each_page};
use crate::ask::rows::{Row, rows};
use crate::ask::scene::Scene;
use crate::ask::table::Table;
use crate::ask::{csv, gap, json_line};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// List how processes ended
///
/// Asks the recorder, or reads its history. Where records are missing, a line says so.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which come first
    #[arg(long, value_enum, value_name = "ORDER", default_value_t = Sort::Newest)]
    sort: Sort,

    /// How many at most; 0 is all [default: 50 on a terminal or where the order is not that of time]
    #[arg(long, value_name = "N")]
    limit: Option<u32>,

    /// Print one JSON object a line
    #[arg(long, conflicts_with = "csv")]
    json: bool,

    /// Print comma-separated values
    #[arg(long)]
    csv: bool,

    #[command(flatten)]
    source: SourceArgs,

    #[command(flatten)]
    time: TimeArgs,

    #[command(flatten)]
    filter: FilterArgs,
}

/// Which records come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Those that ended last.
    Newest,
    /// Those that ended first.
    Oldest,
    /// Those that ran longest.
    Runtime,
    /// Those that used most CPU time.
    Cpu,
    /// Those that held most memory.
    Memory,
}

impl Sort {
    fn order(self) -> Order {
        match self {
            Self::Newest => Order::Newest,
            Self::Oldest => Order::Oldest,
            Self::Runtime => Order::Runtime,
            Self::Cpu => Order::Cpu,
            Self::Memory => Order::Memory,
        }
    }

    fn is_by_time(self) -> bool {
        matches!(self, Self::Newest | Self::Oldest)
    }
}

/// How many rows are read without a pager.
const ROWS: u32 = 50;

/// Prints the records that were asked for to `out`. No record is an answer too.
///
/// # Errors
///
/// A usage failure for what no record can be, and those of the history and the writer.
pub fn run(args: &Args, mut out: impl Write) -> Result<ExitCode, Failure> {
    let filter = args.time.restrict(args.filter.filter()?)?;
    let opened = args.source.open()?;
    let query = Query {
        filter,
        order: args.sort.order(),
        limit: 0,
        after: None,
    };
    let mut printer = Printer {
        table: Table::new(),
        scene: Scene::here(),
        via: opened.via(),
        order: query.order,
    };
    if args.csv {
        csv::header(&mut out)?;
    }
    let most = most(args, Scene::on_terminal());
    let rest = each_page(opened.history.as_ref(), query, most, |page| {
        match (args.json, args.csv) {
            (true, _) => printer.json(page, &mut out),
            (_, true) => printer.csv(page, &mut out),
            _ => printer.text(page, &mut out),
        }
    })?;
    out.flush()?;
    if rest.more == More::LeftOut && args.limit.is_none() {
        anstream::eprintln!("exithand: more are recorded: --limit 0 lists all");
    }
    Ok(ExitCode::Success)
}

/// Decides how many are listed; `None` for all.
fn most(args: &Args, on_terminal: bool) -> Option<u32> {
    match args.limit {
        Some(0) if args.sort.is_by_time() => None,
        Some(0) => Some(u32::MAX),
        Some(limit) => Some(limit),
        None if on_terminal || !args.sort.is_by_time() => Some(ROWS),
        None => None,
    }
}

struct Printer {
    table: Table,
    scene: Scene,
    via: Via,
    order: Order,
}

impl Printer {
    fn text(&mut self, page: &Page, out: &mut impl Write) -> Result<(), Failure> {
        let rows = rows(&page.records, &page.new_gaps, self.order);
        Ok(self.table.print(&rows, &self.scene, out)?)
    }

    fn json(&mut self, page: &Page, out: &mut impl Write) -> Result<(), Failure> {
        for row in rows(&page.records, &page.new_gaps, self.order) {
            match row {
                Row::Record(record) => {
                    let near_gap = page.has_gap_around(record);
                    let line = json_line(record, near_gap, self.via.details(record));
                    writeln!(out, "{line}")?;
                }
                Row::Gap(gap) => writeln!(out, "{}", GapLine::new(gap))?,
            }
        }
        Ok(())
    }

    /// Prints the records; gaps have no columns, so they are told aside.
    fn csv(&mut self, page: &Page, out: &mut impl Write) -> Result<(), Failure> {
        for record in &page.records {
            csv::record(
                &json_line(
                    record,
                    page.has_gap_around(record),
                    self.via.details(record),
                ),
                out,
            )?;
        }
        for gap in &page.new_gaps {
            anstream::eprintln!("exithand: {}", gap::words(gap, &self.scene));
        }
        Ok(())
    }
}
