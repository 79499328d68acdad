//! The Debian packages the tests need, and their installation.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;

use crate::{Verdict, cargo, sources};

/// One package a line.
const TABLE: &str = include_str!("../packages.tsv");

/// Arguments of `cargo xtask packages`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Installs what is missing: as root, or through sudo where it asks for no password.
    #[arg(long)]
    install: bool,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Package<'a> {
    name: &'a str,
    /// A program on the path, or an absolute path, that comes with the package.
    proof: &'a str,
    purpose: &'a str,
}

/// How packages can be installed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    Root,
    Sudo,
    Nothing,
}

/// Prints the table, and installs what is missing where asked to.
pub(crate) fn run(args: &Args) -> anyhow::Result<Verdict> {
    if args.install {
        ensure()?;
    }
    for package in parse(TABLE)? {
        let state = if is_present(package.proof) {
            "present"
        } else {
            "missing"
        };
        println!("{state}  {:<16} {}", package.name, package.purpose);
    }
    Ok(Verdict::Good)
}

/// Installs what is missing, or says what that is.
pub(crate) fn ensure() -> anyhow::Result<()> {
    let missing = missing()?;
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|it| it.name).collect();
    println!("installing {}", names.join(" "));
    let Some(apt) = apt() else {
        bail!("{}", remedy(&missing));
    };
    install(apt, &["update", "-qq"])?;
    let mut args = vec!["install", "-qq", "-y", "--no-install-recommends"];
    args.extend(names);
    install(apt, &args)?;
    let still = self::missing()?;
    if !still.is_empty() {
        bail!("apt-get installed everything, yet: {}", remedy(&still));
    }
    Ok(())
}

/// Brings apt's lists of packages up to date.
pub(crate) fn update() -> anyhow::Result<()> {
    let apt = apt().context("only root, or sudo without a password, may do that")?;
    install(apt, &["update", "-qq"])
}

/// The beginning of a command that may change what is installed.
fn apt() -> Option<&'static [&'static str]> {
    match means() {
        Means::Root => Some(&["apt-get"]),
        Means::Sudo => Some(&["sudo", "-n", "apt-get"]),
        Means::Nothing => None,
    }
}

fn install(apt: &[&str], args: &[&str]) -> anyhow::Result<()> {
    let (program, before) = apt.split_first().context("no command")?;
    let mut command = Command::new(program);
    // Another apt may be at work on a fresh machine; it ends by itself.
    command
        .args(before)
        .args(["-o", "DPkg::Lock::Timeout=300"])
        .args(args);
    command.env("DEBIAN_FRONTEND", "noninteractive");
    let status = cargo::status(&mut command)?;
    if !status.success() {
        bail!("apt-get {} ended with {status}", args.join(" "));
    }
    Ok(())
}

fn means() -> Means {
    let try_sudo = || Command::new("sudo").args(["-n", "true"]).output();
    if !is_present("apt-get") {
        Means::Nothing
    } else if crate::test::is_root() {
        Means::Root
    } else if try_sudo().is_ok_and(|it| it.status.success()) {
        Means::Sudo
    } else {
        Means::Nothing
    }
}

fn missing() -> anyhow::Result<Vec<Package<'static>>> {
    let mut packages = parse(TABLE)?;
    packages.retain(|it| !is_present(it.proof));
    Ok(packages)
}

fn is_present(proof: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    // Joining an absolute path gives that path.
    env::split_paths(&path)
        .chain([Path::new("/usr/sbin").into()])
        .any(|it| it.join(proof).exists())
}

/// What to tell a user who has to install `missing` by hand.
fn remedy(missing: &[Package<'_>]) -> String {
    let row = |it: &Package<'_>| {
        format!(
            "  {} (Debian package {}): {}",
            it.proof, it.name, it.purpose
        )
    };
    let rows: Vec<String> = missing.iter().map(row).collect();
    let names: Vec<&str> = missing.iter().map(|it| it.name).collect();
    format!(
        "the tests need what is not here:\n{}\ninstall it as root: apt-get install {}",
        rows.join("\n"),
        names.join(" ")
    )
}

fn parse(table: &str) -> anyhow::Result<Vec<Package<'_>>> {
    sources::policy_lines(table)
        .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [name, proof, purpose] => Ok(Package {
                name,
                proof,
                purpose,
            }),
            _ => bail!("xtask/packages.tsv: {line:?} has not three columns"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Package, TABLE, is_present, parse, remedy};

    #[test]
    fn the_table_is_well_formed() {
        assert!(!parse(TABLE).unwrap().is_empty());
    }

    #[test]
    fn refuses_a_row_that_lacks_a_column() {
        assert!(parse("strace\tstrace\n").is_err());
    }

    #[test]
    fn finds_programs_and_files() {
        assert!(is_present("sh"));
        assert!(is_present("/proc/self/stat"));
        assert!(!is_present("/proc/self/no-such-file"));
        assert!(!is_present("a-program-nobody-has"));
    }

    #[test]
    fn the_remedy_names_package_program_and_purpose() {
        let strace = Package {
            name: "strace",
            proof: "strace",
            purpose: "counts wake-ups",
        };
        let text = remedy(&[strace]);
        assert!(text.contains("counts wake-ups"), "{text}");
        assert!(text.ends_with("apt-get install strace"), "{text}");
    }
}
