//! What is released: its version, its moment, and who answers for it.

use std::env;
use std::process::Command;

use anyhow::Context;

use super::tool;
use crate::cargo;

/// Who is named in packages where the environment names nobody.
const MAINTAINER: &str = "the exithand authors <exithand@lists.invalid>";

/// How it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    /// As users get it: optimised.
    Release,
    /// As the tests build it, since that is there already; and packed in a hurry.
    Quick,
}

/// What all packages of one release have in common.
#[derive(Clone, Debug)]
pub(super) struct Release {
    pub(super) version: &'static str,
    /// Seconds since 1970: no file is newer, however late it is built.
    pub(super) epoch: String,
    pub(super) maintainer: String,
    pub(super) build: Build,
}

impl Release {
    /// The release that this tree is.
    ///
    /// Its moment is `SOURCE_DATE_EPOCH`, or that of the last commit; its maintainer is `DEBFULLNAME`
    /// and `DEBEMAIL`, as with Debian's own tools.
    pub(super) fn of_tree(build: Build) -> anyhow::Result<Self> {
        let epoch = match env::var("SOURCE_DATE_EPOCH") {
            Ok(epoch) => epoch,
            Err(_) => commit_time().context(
                "find the time of the last commit: outside of a clone set SOURCE_DATE_EPOCH",
            )?,
        };
        let named = env::var("DEBFULLNAME").ok().zip(env::var("DEBEMAIL").ok());
        let maintainer = named.map(|(name, address)| format!("{name} <{address}>"));
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            epoch,
            maintainer: maintainer.unwrap_or_else(|| MAINTAINER.to_owned()),
            build,
        })
    }

    /// The moment as `date` writes it in `format`.
    pub(super) fn date(&self, format: &str) -> anyhow::Result<String> {
        let mut date = Command::new("date");
        date.args(["-u", "-d", &format!("@{}", self.epoch), format])
            .env("LC_ALL", "C");
        Ok(tool::output(&mut date)?.trim().to_owned())
    }
}

fn commit_time() -> anyhow::Result<String> {
    let mut git = Command::new("git");
    git.args(["log", "-1", "--format=%ct"])
        .current_dir(cargo::root());
    Ok(tool::output(&mut git)?.trim().to_owned())
}
