//! Developer commands: `cargo xtask check`, `test`, `bench`, `fuzz` and the lists behind them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's command talks to the terminal, and nothing else reads it"
)]

mod bench;
mod bpf;
mod cache;
mod cargo;
mod check;
mod dist;
mod docs;
mod fuzz;
mod graph;
mod header;
mod hygiene;
mod kernel;
mod layering;
mod licences;
mod packages;
mod pidlab;
mod sources;
mod system;
mod test;
mod unsafe_code;
mod vm;

use std::process::ExitCode;

use clap::Parser;

/// Developer commands of exithand.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Checks format, lints, docs, layering, licences, hygiene and the places of `unsafe`.
    Check,
    /// Checks the links of all documents, and builds the site where mdbook is installed.
    Docs,
    /// Prints every `unsafe` with its place, and whether its file may hold it.
    Unsafe,
    /// Runs every test, then again as an unprivileged user, and compares the skips.
    Test(test::Args),
    /// Builds the Python package and runs its tests.
    Python(test::python::Args),
    /// Runs the tests on every kernel of the matrix, each in a virtual machine.
    Vm(vm::Args),
    /// Builds the kernel of kernel/ and holds its exithand files to the contract, in a virtual machine.
    Kernel(kernel::Args),
    /// Runs the benchmarks whose names contain one of NAME; all of them without a name.
    Bench(bench::Args),
    /// Makes Debian packages and a tarball in target/dist, and tries them if asked to.
    Dist(dist::Args),
    /// Builds the probes from C with clang-14, or says whether they were built from this C.
    Bpf(bpf::Args),
    /// Writes the C header from the sources of libexithand, or says whether it is up to date.
    Header(header::Args),
    /// Runs every fuzz target for SECONDS each, on nightly.
    Fuzz(fuzz::Args),
    /// Simulates pid allocators and draws what docs/site/pid-reuse.md shows of it.
    Pidlab,
    /// Prints the Debian packages the tests need, and which of them are missing.
    Packages(packages::Args),
}

/// How a command went, once it has told the user everything it had to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// All is well.
    Good,
    /// Something is wrong, and has been said.
    Bad,
    /// A program was run, and exited so.
    Status(u8),
}

impl Verdict {
    /// `Good` where `good` holds.
    fn good_if(good: bool) -> Self {
        if good { Self::Good } else { Self::Bad }
    }
}

fn main() -> ExitCode {
    let verdict = match Command::parse() {
        Command::Check => check::run(),
        Command::Docs => docs::run(),
        Command::Unsafe => unsafe_code::run(),
        Command::Test(args) => test::run(&args),
        Command::Python(args) => test::python::run(&args),
        Command::Vm(args) => vm::run(&args),
        Command::Kernel(args) => kernel::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Dist(args) => dist::run(&args),
        Command::Bpf(args) => bpf::run(&args),
        Command::Header(args) => header::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Pidlab => pidlab::run(),
        Command::Packages(args) => packages::run(&args),
    };
    match verdict {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::FAILURE,
        Ok(Verdict::Status(status)) => ExitCode::from(status),
        Err(err) => {
            eprintln!("xtask: {err:#}");
            ExitCode::FAILURE
        }
    }
}
