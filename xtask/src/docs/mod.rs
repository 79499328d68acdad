//! The pages in `docs/site`: whether they hold together, and the book made of them.

mod markdown;
mod site;

use std::process::Command;

use anyhow::Context;

use crate::{Verdict, cargo, sources};

/// Where the book's source is.
const SITE: &str = "docs/site";
/// Where the book goes; `book.toml` says so, too.
const BOOK: &str = "target/site";

/// Says what is wrong with links in any document of the repository, and with the site's summary.
pub(crate) fn faults() -> anyhow::Result<Vec<String>> {
    let texts = sources::read(cargo::root(), &["md"])?;
    let included = |path: &str| std::fs::read_to_string(cargo::root().join(path)).ok();
    let exists = |path: &str| cargo::root().join(path).exists();
    Ok(site::faults(SITE, &texts, &included, &exists))
}

/// Checks the pages, and builds the book where mdbook is installed.
pub(crate) fn run() -> anyhow::Result<Verdict> {
    let faults = faults()?;
    for fault in &faults {
        println!("{fault}");
    }
    if !faults.is_empty() {
        return Ok(Verdict::Bad);
    }
    let installed = Command::new("mdbook").arg("--version").output().is_ok();
    if !installed {
        println!("the pages are sound; no mdbook to build them: cargo install mdbook");
        return Ok(Verdict::Good);
    }
    let mut mdbook = Command::new("mdbook");
    mdbook.args(["build", SITE]).current_dir(cargo::root());
    // It reports what it cannot include, and ends well all the same; so the check above is needed.
    let status = mdbook.status().context("run mdbook")?;
    if status.success() {
        println!("{BOOK}/index.html");
    }
    Ok(Verdict::good_if(status.success()))
}
