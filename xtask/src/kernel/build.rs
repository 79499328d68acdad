//! Configures and compiles.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, bail};

use super::source::succeed;

/// What the patches touch.
const TOUCHED: [&str; 5] = [
    "fs/proc/",
    "kernel/exit.o",
    "kernel/pid.o",
    "kernel/pid_namespace.o",
    "kernel/signal.o",
];

/// Builds a kernel in `out`.
pub(super) fn bzimage(tree: &Path, out: &Path, config: &str) -> anyhow::Result<PathBuf> {
    configure(tree, out, config)?;
    succeed(make(tree, out).arg("bzImage"))?;
    Ok(out.join("arch/x86/boot/bzImage"))
}

/// Compiles what the patches touch with more warnings than usual; whether there were none.
pub(super) fn warns_nothing(tree: &Path, out: &Path, config: &str) -> anyhow::Result<bool> {
    configure(tree, out, config)?;
    succeed(make(tree, out).arg("prepare"))?;
    let output = make(tree, out)
        .arg("W=1")
        .args(TOUCHED)
        .output()
        .context("run make")?;
    let said = String::from_utf8_lossy(&output.stderr);
    print!("{said}");
    Ok(output.status.success() && !said.contains("warning:"))
}

/// As small as it gets, and what `config` adds; fails where a line of it could not be had.
fn configure(tree: &Path, out: &Path, config: &str) -> anyhow::Result<()> {
    fs::create_dir_all(out).context("make a folder to build in")?;
    succeed(make(tree, out).arg("tinyconfig"))?;
    let path = out.join(".config");
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .context("open the configuration")?;
    file.write_all(config.as_bytes())
        .context("write the configuration")?;
    succeed(make(tree, out).arg("olddefconfig"))?;
    let resolved = fs::read_to_string(&path).context("read the configuration")?;
    let missed = missed(config, &resolved);
    if !missed.is_empty() {
        bail!("the kernel cannot be configured so: {}", missed.join(", "));
    }
    Ok(())
}

/// The lines of `config` that do not hold in `resolved`; of two about one option the later counts.
fn missed(config: &str, resolved: &str) -> Vec<String> {
    let wanted: Vec<(&str, &str)> = config
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .collect();
    let mut missed = Vec::new();
    for (at, (option, value)) in wanted.iter().enumerate() {
        let is_last = wanted[at + 1..].iter().all(|(later, _)| later != option);
        let start = format!("{option}=");
        let found = resolved.lines().find_map(|it| it.strip_prefix(&start));
        if is_last && found.unwrap_or("n") != *value {
            missed.push(format!("{option}={value}"));
        }
    }
    missed
}

fn make(tree: &Path, out: &Path) -> Command {
    let jobs = available_parallelism().map_or(1, usize::from);
    let mut command = Command::new("make");
    command
        .args(["--silent", &format!("--jobs={jobs}")])
        .arg(format!("O={}", out.display()))
        .current_dir(tree);
    command
}

#[cfg(test)]
mod tests {
    use super::missed;

    #[test]
    fn says_which_options_could_not_be_had() {
        let config = "# why\nCONFIG_A=y\nCONFIG_B=n\nCONFIG_C=\"x\"\nCONFIG_D=y\nCONFIG_D=n\n";
        let resolved = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"x\"\n";
        assert!(missed(config, resolved).is_empty());
        let resolved = "CONFIG_B=y\nCONFIG_C=\"y\"\nCONFIG_D=y\n";
        let all = ["CONFIG_A=y", "CONFIG_B=n", "CONFIG_C=\"x\"", "CONFIG_D=n"];
        assert_eq!(missed(config, resolved), all);
    }
}
