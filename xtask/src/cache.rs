//! Where what was fetched or built at some cost is kept, outside of the checkout.

use std::env;
use std::path::PathBuf;

use anyhow::Context;

/// The folder for things called `what`: `$XDG_CACHE_HOME/exithand/WHAT`, or `~/.cache/exithand/WHAT`.
pub(crate) fn folder(what: &str) -> anyhow::Result<PathBuf> {
    let variable = |name| {
        env::var_os(name)
            .filter(|it| !it.is_empty())
            .map(PathBuf::from)
    };
    let base = variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|it| it.join(".cache")))
        .with_context(|| format!("no place for {what}: set XDG_CACHE_HOME or HOME"))?;
    Ok(base.join("exithand").join(what))
}
