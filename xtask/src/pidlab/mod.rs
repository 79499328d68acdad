//! The simulations of pid allocators that docs/site/pid-reuse.md tells of: its plots and tables.

mod plots;
mod runs;
mod tables;

use std::fs;

use anyhow::Context;

use crate::{Verdict, cargo};

const PAGE: &str = "docs/site/pid-reuse.md";
const REMEDY: &str = "is out of date: run cargo xtask pidlab";

/// A file and what should be in it.
struct Made {
    path: String,
    text: String,
}

/// Writes the plots, and the tables into the page.
pub(crate) fn run() -> anyhow::Result<Verdict> {
    for Made { path, text } in make()? {
        let place = cargo::root().join(&path);
        if fs::read_to_string(&place).ok().as_ref() != Some(&text) {
            fs::write(place, text).with_context(|| format!("write {path}"))?;
            println!("{path} has changed");
        }
    }
    Ok(Verdict::Good)
}

/// Says which files are not what the simulations give now.
pub(crate) fn faults() -> anyhow::Result<Vec<String>> {
    let differs = |made: &Made| {
        let there = fs::read_to_string(cargo::root().join(&made.path)).ok();
        there.as_ref() != Some(&made.text)
    };
    let old = make()?.into_iter().filter(differs);
    Ok(old.map(|made| format!("{} {REMEDY}", made.path)).collect())
}

fn make() -> anyhow::Result<Vec<Made>> {
    let runs = runs::all();
    let image = |name: &str, text| Made {
        path: format!("docs/site/images/{name}.svg"),
        text,
    };
    let page =
        fs::read_to_string(cargo::root().join(PAGE)).with_context(|| format!("read {PAGE}"))?;
    Ok(vec![
        image("pid-reuse-distance", plots::distance(&runs)?),
        image("pid-reuse-poller", plots::poller(&runs)?),
        image("pid-reuse-netbsd", plots::netbsd()?),
        Made {
            path: PAGE.to_owned(),
            text: tables::updated(&page, &runs)?,
        },
    ])
}
