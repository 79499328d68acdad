//! Runs the programs that packages are made with.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Runs `command`, which must succeed; what it says is passed through only where it does not.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    output(command).map(drop)
}

/// Runs `command`, which must succeed, and returns its standard output.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_owned();
    let name = Path::new(&program).display();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("run {name}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !output.status.success() {
        let (said, complained) = (text(&output.stdout), text(&output.stderr));
        bail!("{name} ended with {}\n{said}{complained}", output.status);
    }
    Ok(text(&output.stdout))
}
