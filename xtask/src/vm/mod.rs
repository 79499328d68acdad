//! Tries what is promised on several kernels, in virtual machines without hardware support.

mod conformance;
mod cpio;
mod debian;
mod filesystem;
pub(crate) mod kernels;
mod lowmem;
mod matrix;
mod modules;
mod one;
mod programs;
mod qemu;
mod record;
pub(crate) mod table;

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;

pub(crate) use self::debian::cache;
use self::kernels::{Files, Kernel, Row};
use self::matrix::{Extent, Findings};
use self::modules::Needs;
pub(crate) use self::programs::{ensure_static, static_command};
use crate::test::Report;
use crate::{Verdict, packages};

/// Arguments of `cargo xtask vm`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Kernels by their names in vm/kernels.tsv; all of them without a name
    kernels: Vec<String>,

    /// Boots this bzImage instead of a kernel of the table
    #[arg(long, value_name = "BZIMAGE", conflicts_with_all = ["kernels", "table"])]
    image: Option<PathBuf>,

    /// The `lib/modules/RELEASE` of that image, where not all it needs is built in
    #[arg(long, value_name = "DIR", requires = "image")]
    modules: Option<PathBuf>,

    /// Asks each kernel what works, and writes that into the README; runs no tests
    #[arg(long)]
    table: bool,

    /// Runs only the tests whose program's name contains NAME; may be given several times
    #[arg(long, value_name = "NAME", conflicts_with_all = ["run", "table"])]
    only: Vec<String>,

    /// Runs only PROGRAM, as root, with the arguments after `--`, and ends as it does
    #[arg(long, value_name = "PROGRAM", conflicts_with = "table")]
    run: Option<PathBuf>,

    /// Runs low-memory killers, and the kernel without one, where memory does run out, and prints a table
    #[arg(long, conflicts_with_all = ["run", "only", "table"])]
    lowmem: bool,

    /// The memory of the machine that PROGRAM runs in
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = mebibytes)]
    memory: u32,

    /// How long PROGRAM may take
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    seconds: u64,

    /// The arguments of PROGRAM
    #[arg(last = true, value_name = "ARG", requires = "run")]
    words: Vec<String>,
}

/// Does what the arguments ask for.
pub(crate) fn run(args: &Args) -> anyhow::Result<Verdict> {
    packages::ensure()?;
    if args.lowmem {
        let [name] = &args.kernels[..] else {
            bail!("--lowmem needs the name of one kernel");
        };
        return lowmem::run(name);
    }
    let kernels = kernels(args)?;
    if let Some(program) = &args.run {
        let [kernel] = &kernels[..] else {
            bail!("--run needs the name of one kernel");
        };
        let request = one::Request {
            program,
            args: &args.words,
            memory: args.memory,
            seconds: args.seconds,
        };
        return one::run(kernel, &request);
    }
    let programs = programs::build()?;
    let extent = match (&args.only[..], args.table) {
        (_, true) => Extent::Doctor,
        ([], false) => Extent::Everything,
        (names, false) => Extent::Only(names),
    };
    let mut total = Report::default();
    let mut columns = table::Columns::new();
    for kernel in &kernels {
        let findings = matrix::run(kernel, &programs, extent)?;
        if let Some(doctor) = &findings.doctor {
            let features = table::features(doctor);
            let features = features.with_context(|| format!("what {} gives", kernel.name))?;
            columns.insert(kernel.name.clone(), features);
        }
        add(&mut total, kernel, findings);
    }
    if args.table {
        return table::write(columns);
    }
    if args.image.is_none() {
        total.faults.extend(table::faults(columns)?);
    }
    Ok(total.print())
}

/// Boots a kernel with exithand files of its own, and holds those and the mounted ones to the contract.
pub(crate) fn run_files(name: &str, image: PathBuf) -> anyhow::Result<Verdict> {
    let kernel = Kernel::patched(name, image);
    let findings = matrix::run(&kernel, &programs::build()?, Extent::Files)?;
    let mut total = Report::default();
    add(&mut total, &kernel, findings);
    Ok(total.print())
}

fn kernels(args: &Args) -> anyhow::Result<Vec<Kernel>> {
    if let Some(image) = &args.image {
        return Ok(vec![Kernel {
            name: "image".to_owned(),
            image: image.clone(),
            modules: args.modules.clone(),
            needs: Needs::Tests,
            files: Files::Mounted,
        }]);
    }
    let rows = kernels::chosen(&args.kernels)?;
    rows.iter().map(|row| fetch(row, Needs::Tests)).collect()
}

/// Gets a kernel with the modules that a guest needs.
fn fetch(row: &Row, needs: Needs) -> anyhow::Result<Kernel> {
    let kernel = row.fetch(needs);
    kernel.with_context(|| format!("get Linux {} ({})", row.name, row.what))
}

fn add(total: &mut Report, kernel: &Kernel, findings: Findings) {
    for (user, report) in findings.reports {
        total.add(&format!("{} as {}", kernel.name, user.name()), report);
    }
    let label = |it| format!("{}: {it}", kernel.name);
    total.faults.extend(findings.faults.into_iter().map(label));
}

/// Reads `512M` and `1G`.
fn mebibytes(text: &str) -> Result<u32, String> {
    let (number, unit) = match text.strip_suffix('G') {
        Some(number) => (number, 1024),
        None => (text.strip_suffix('M').unwrap_or(text), 1),
    };
    let number: Option<u32> = number.parse().ok();
    let size = number.and_then(|it| it.checked_mul(unit));
    size.filter(|it| *it > 0)
        .ok_or_else(|| format!("{text:?} is no size like 512M or 1G"))
}

#[cfg(test)]
mod tests {
    use super::mebibytes;

    #[test]
    fn reads_sizes() {
        assert_eq!(mebibytes("512M"), Ok(512));
        assert_eq!(mebibytes("2G"), Ok(2048));
        for text in ["", "0M", "M", "1T", "99999999G", "-1M"] {
            assert!(mebibytes(text).is_err(), "{text}");
        }
    }
}
