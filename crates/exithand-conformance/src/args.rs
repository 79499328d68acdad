//! The command line.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::checks::{self, Check};
use crate::feature::Feature;
use crate::policy::Policy;
use crate::report::{Format, Report};
use crate::runner::{self, Rules};
use crate::site::Site;

/// Judge a directory of exithand files by the contract
///
/// The directory holds `PID/exithand` and the rest: a mount of `exithand mount`, or the /proc of a
/// kernel that has the files. One line a check: `ok`, `FAIL`, `absent` (left out, as allowed) or `skip`
/// (cannot be found out here, with the reason). The exit code is 1 if a check failed.
///
/// The processes that are waited for are played by exithand-actor, which is looked for beside this
/// program, or where the variable `EXITHAND_ACTOR` says.
#[derive(Debug, Parser)]
#[command(name = "exithand-conformance", version)]
struct Args {
    /// The directory to judge
    #[arg(value_name = "ROOT_DIR", required_unless_present_any = ["list", "peek"])]
    root: Option<PathBuf>,

    /// Run only the checks whose name contains NAME; may be given several times
    #[arg(long, value_name = "NAME")]
    filter: Vec<String>,

    /// Print the names of the checks, and what each is about
    #[arg(long)]
    list: bool,

    /// Print one JSON object a line
    #[arg(long)]
    json: bool,

    /// Fail where one of these parts is left out
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    require: Vec<Feature>,

    /// Fail where any part is left out
    #[arg(long, conflicts_with = "require")]
    require_all: bool,

    /// Who may learn an outcome, as the directory was set up
    #[arg(long, value_name = "WHO", default_value = "kernel")]
    policy: Policy,

    /// Fail a check that does not come back after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,

    /// Run this one check in this process
    #[arg(long, hide = true)]
    check: Option<String>,

    /// Open this file and read from it as told on standard input
    #[arg(long, hide = true)]
    peek: Option<PathBuf>,
}

/// Does what the arguments of this process say.
pub(crate) fn run() -> ExitCode {
    let args = Args::parse();
    match (&args.peek, &args.check, &args.root) {
        (Some(path), ..) => crate::watch::peek::play(path),
        (_, Some(name), Some(root)) => runner::play(name, &Site::new(root, args.policy)),
        (_, _, Some(root)) if !args.list => judge(&args, &Site::new(root, args.policy)),
        _ => list(&args),
    }
    .unwrap_or_else(|error| {
        report_error(&error);
        ExitCode::from(2)
    })
}

impl Args {
    fn chosen(&self) -> impl Iterator<Item = &'static Check> {
        checks::all().filter(|check| {
            self.filter.is_empty() || self.filter.iter().any(|it| check.name().contains(it))
        })
    }

    fn rules(&self) -> Rules {
        Rules {
            required: if self.require_all {
                clap::ValueEnum::value_variants().to_vec()
            } else {
                self.require.clone()
            },
            patience: Duration::from_secs(self.timeout),
        }
    }
}

fn judge(args: &Args, site: &Site) -> io::Result<ExitCode> {
    let format = if args.json {
        Format::Json
    } else {
        Format::Text
    };
    let mut report = Report::new(io::stdout().lock(), format);
    let rules = args.rules();
    for check in args.chosen() {
        let verdict = runner::run(check, site, &rules)?;
        report.add(check.name(), &verdict)?;
    }
    report.finish()
}

fn list(args: &Args) -> io::Result<ExitCode> {
    use io::Write;
    let mut out = io::stdout().lock();
    for check in args.chosen() {
        writeln!(out, "{:36} {}", check.name(), check.about())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn report_error(error: &io::Error) {
    use io::Write;
    // Nobody is left to tell where standard error is closed.
    writeln!(io::stderr(), "exithand-conformance: {error}").unwrap_or_default();
}
