//! The native exithand files: a kernel built from Debian's source and our patches.

mod build;
mod source;

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args as ClapArgs;

use crate::{Verdict, cargo, packages, vm};

/// What the kernel is called in vm/kernels.tsv.
pub(crate) const NAME: &str = "patched";

/// Arguments of `cargo xtask kernel`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Builds the kernel and boots nothing
    #[arg(long)]
    build_only: bool,

    /// Builds it with what finds mistakes in kernels: lockdep, KASAN and their like
    #[arg(long)]
    debug: bool,

    /// Looks at the patches instead: their style, and warnings with and without the option
    #[arg(long, conflicts_with_all = ["build_only", "debug"])]
    review: bool,
}

/// How a kernel is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// As small as the tests allow.
    Plain,
    /// With checks that make it slow.
    Debug,
}

/// Builds the kernel, says where it is, and holds its files to the contract.
pub(crate) fn run(args: &Args) -> anyhow::Result<Verdict> {
    packages::ensure()?;
    if args.review {
        return review();
    }
    let flavour = if args.debug {
        Flavour::Debug
    } else {
        Flavour::Plain
    };
    let image = image(flavour)?;
    println!("{}", image.display());
    if args.build_only {
        return Ok(Verdict::Good);
    }
    vm::run_files(NAME, image)
}

/// The kernel's bzImage: out of the cache, or built first.
pub(crate) fn image(flavour: Flavour) -> anyhow::Result<PathBuf> {
    let recipe = Recipe::read(flavour)?;
    let cache = vm::cache()?;
    let folder = cache.join(recipe.key());
    let image = folder.join("vmlinuz");
    if image.is_file() {
        return Ok(image);
    }
    fs::create_dir_all(&cache).with_context(|| format!("make {}", cache.display()))?;
    println!("making {}, which takes some minutes", folder.display());
    let work = tempfile::tempdir_in(&cache).context("make a folder to build in")?;
    let tree = source::unpack(&cache, work.path())?;
    source::patch(&tree, &recipe.patches)?;
    let built = build::bzimage(&tree, &work.path().join("out"), &recipe.config)?;
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    // Renamed at the end, so that whoever finds it finds all of it.
    let partial = folder.join("partial");
    fs::copy(built, &partial).context("copy the kernel")?;
    fs::rename(partial, &image).context("put the kernel in its place")?;
    Ok(image)
}

fn review() -> anyhow::Result<Verdict> {
    let recipe = Recipe::read(Flavour::Plain)?;
    let cache = vm::cache()?;
    fs::create_dir_all(&cache).with_context(|| format!("make {}", cache.display()))?;
    let work = tempfile::tempdir_in(&cache).context("make a folder to build in")?;
    let tree = source::unpack(&cache, work.path())?;
    let mut good = source::check_style(&tree, &recipe.patches)?;
    source::patch(&tree, &recipe.patches)?;
    for option in ["y", "n"] {
        let config = format!("{}CONFIG_PROC_EXITHAND={option}\n", recipe.config);
        let out = work.path().join(format!("out-{option}"));
        good &= build::warns_nothing(&tree, &out, &config)?;
    }
    Ok(Verdict::good_if(good))
}

/// Everything that decides what comes out.
#[derive(Debug, Hash)]
struct Recipe {
    version: &'static str,
    config: String,
    patches: Vec<Patch>,
}

/// One file of the series.
#[derive(Debug, Hash)]
struct Patch {
    path: PathBuf,
    text: String,
}

impl Recipe {
    fn read(flavour: Flavour) -> anyhow::Result<Self> {
        let folder = cargo::root().join("kernel");
        let mut config = read(&folder.join("config"))?;
        if flavour == Flavour::Debug {
            config.push_str(&read(&folder.join("config.debug"))?);
        }
        Ok(Self {
            version: source::VERSION,
            config,
            patches: series(&folder.join("patches"))?,
        })
    }

    /// The name in the cache.
    fn key(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.version.hash(&mut hasher);
        self.config.hash(&mut hasher);
        for patch in &self.patches {
            patch.text.hash(&mut hasher);
        }
        format!("{NAME}_{}_{:016x}", self.version, hasher.finish())
    }
}

/// The patches in order, without the letter that goes before them.
fn series(folder: &Path) -> anyhow::Result<Vec<Patch>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_patch = path.extension().is_some_and(|it| it == "patch");
        if is_patch && !name.starts_with("0000-") {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        bail!("no patches in {}", folder.display());
    }
    paths.sort();
    let patch = |path: PathBuf| {
        let text = read(&path)?;
        Ok(Patch { path, text })
    };
    paths.into_iter().map(patch).collect()
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{Flavour, Recipe};

    #[test]
    fn the_key_follows_config_and_patches() {
        let recipe = |flavour| Recipe::read(flavour).unwrap();
        let plain = recipe(Flavour::Plain);
        assert_eq!(plain.key(), recipe(Flavour::Plain).key());
        assert_ne!(plain.key(), recipe(Flavour::Debug).key());
        let mut changed = recipe(Flavour::Plain);
        changed.patches[0].text.push('x');
        assert_ne!(plain.key(), changed.key());
    }

    #[test]
    fn the_series_is_numbered_and_signed() {
        let patches = Recipe::read(Flavour::Plain).unwrap().patches;
        let count = patches.len();
        for (number, patch) in (1..).zip(&patches) {
            let subject = format!("Subject: [PATCH {number}/{count}] ");
            assert!(patch.text.contains(&subject), "{}", patch.path.display());
            assert!(
                patch.text.contains("\nSigned-off-by: "),
                "{}",
                patch.path.display()
            );
        }
    }
}
