//! Debian packages and a tarball of this tree, in target/dist.

mod artefacts;
mod deb;
mod release;
mod sbom;
mod stage;
mod tarball;
pub(crate) mod tool;
mod tree;
pub(crate) mod trial;

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;

pub(crate) use self::artefacts::remapping;
pub(crate) use self::release::Build;
use self::release::Release;
use self::stage::Stage;
use crate::test::Report;
use crate::{Verdict, cargo, packages};

/// The revision of packages, after the dash of their version.
const REVISION: &str = "1";

/// Arguments of `cargo xtask dist`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Packs what the tests build anyway, which is quicker and not for users.
    #[arg(long)]
    quick: bool,

    /// Then tries everything: in a Debian of its own, as root.
    #[arg(long = "try")]
    is_tried: bool,
}

/// Everything that was made.
#[derive(Debug)]
struct Made {
    release: Release,
    stage: Stage,
    folder: PathBuf,
    debs: Vec<PathBuf>,
    tarball: PathBuf,
    /// The text of the bill of materials.
    sbom: String,
}

/// Makes the packages and, where asked to, tries them.
pub(crate) fn run(args: &Args) -> anyhow::Result<Verdict> {
    packages::ensure()?;
    let build = if args.quick {
        Build::Quick
    } else {
        Build::Release
    };
    if args.is_tried {
        let mut total = Report::default();
        total.add("packages", trial::run(build)?);
        return Ok(total.print());
    }
    make(build)?;
    Ok(Verdict::Good)
}

/// Where the packages go.
fn folder() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    cargo::root().join(target).join("dist")
}

fn make(build: Build) -> anyhow::Result<Made> {
    if env::consts::ARCH != "x86_64" {
        bail!("packages are made on x86-64, and for it, only");
    }
    let release = Release::of_tree(build)?;
    let artefacts = artefacts::build(build)?;
    let folder = folder();
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;

    let stage = stage::stage(&artefacts, &release)?;
    let debs = deb::pack(&stage, &release, REVISION, &folder)?;
    let sbom = sbom::write(&release)?;
    let tarball = tarball::make(&artefacts.static_command, &sbom, &release, &folder)?;
    let bill = folder.join(format!("exithand-{}.cdx.json", release.version));
    fs::write(&bill, &sbom).with_context(|| format!("write {}", bill.display()))?;

    let mut files = debs.clone();
    files.extend([tarball.clone(), bill]);
    files.push(tarball::write_sums(&folder, &files)?);
    for file in &files {
        println!("{}: {} bytes", file.display(), fs::metadata(file)?.len());
    }
    Ok(Made {
        release,
        stage,
        folder,
        debs,
        tarball,
        sbom,
    })
}
