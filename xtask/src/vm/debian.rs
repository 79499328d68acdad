//! Kernels out of Debian packages, kept outside of the checkout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, anyhow, bail};

use super::kernels::{Files, Kernel};
use super::modules::{self, Needs};
use crate::{cargo, packages};

/// A package in the version that apt would install.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    package: String,
    version: String,
    /// The kernel it depends on, if it is none itself.
    needs: Option<String>,
}

/// Where kernels are kept.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    crate::cache::folder("kernels")
}

/// The kernel of `package`, out of the cache where that version is there.
pub(super) fn fetch(name: &str, package: &str, needs: Needs) -> anyhow::Result<Kernel> {
    let cache = cache()?;
    let newest = resolve(package);
    if let Ok(candidate) = &newest {
        let folder = cache.join(candidate.key(needs));
        if folder.exists() {
            return kernel(name, &folder, needs);
        }
        if download(candidate, &cache, needs).is_ok() {
            return kernel(name, &folder, needs);
        }
    }
    // The lists of packages are empty on a fresh machine, and may be older than the archive.
    packages::update().context("bring apt's lists of packages up to date")?;
    let candidate = resolve(package)?;
    download(&candidate, &cache, needs)?;
    kernel(name, &cache.join(candidate.key(needs)), needs)
}

impl Candidate {
    /// The name in the cache: it changes with the version, and with what is taken out of the package.
    fn key(&self, needs: Needs) -> String {
        let Self {
            package, version, ..
        } = self;
        format!("{package}_{version}+{}", needs.modules().join("+"))
    }
}

/// Follows dependencies from the package that is always the newest kernel to that kernel.
fn resolve(package: &str) -> anyhow::Result<Candidate> {
    let mut name = package.to_owned();
    loop {
        let output = Command::new("apt-cache")
            .args(["show", "--no-all-versions", &name])
            .output()
            .context("run apt-cache, which Debian has")?;
        let candidate = parse(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| {
            anyhow!(
                "apt knows no package {name}: a source like `deb http://deb.debian.org/debian-security \
                 bookworm-security main` has it"
            )
        })?;
        match candidate.needs {
            Some(kernel) => name = kernel,
            None => return Ok(candidate),
        }
    }
}

/// Reads what `apt-cache show` says of one package.
fn parse(shown: &str) -> Option<Candidate> {
    let field = |name: &str| {
        let mut lines = shown.lines().take_while(|it| !it.is_empty());
        lines.find_map(|it| it.strip_prefix(name)?.strip_prefix(": "))
    };
    let mut needs = field("Depends").into_iter().flat_map(|it| it.split(", "));
    let needs = needs.find_map(|it| {
        let name = it.split(' ').next()?;
        name.starts_with("linux-image-").then(|| name.to_owned())
    });
    Some(Candidate {
        package: field("Package")?.to_owned(),
        version: field("Version")?.to_owned(),
        needs,
    })
}

/// Downloads and unpacks into a folder of its own, which becomes the kernel's when it is complete.
fn download(candidate: &Candidate, cache: &Path, needs: Needs) -> anyhow::Result<()> {
    let Candidate {
        package, version, ..
    } = candidate;
    println!("fetching {package} {version}");
    fs::create_dir_all(cache).with_context(|| format!("make {}", cache.display()))?;
    let work = tempfile::tempdir_in(cache).context("make a folder to download to")?;
    let mut apt = Command::new("apt-get");
    apt.args(["-q", "download", &format!("{package}={version}")])
        .current_dir(work.path());
    succeed(&mut apt)?;
    let deb = only_file(work.path(), "deb")?;
    let all = work.path().join("all");
    succeed(Command::new("dpkg-deb").arg("--extract").arg(deb).arg(&all))?;

    let ready = work.path().join("ready");
    let release = only_folder(&all.join("lib/modules"))?;
    let kept = ready.join("modules");
    fs::create_dir_all(&kept)?;
    let copy = |from: &Path| {
        let name = from.file_name().unwrap_or_default();
        fs::copy(from, kept.join(name)).with_context(|| format!("copy {}", from.display()))
    };
    copy(&release.join("modules.builtin"))?;
    for module in modules::needed(&release, needs)? {
        copy(&module.file)?;
    }
    let image = image(&all.join("boot"))?;
    fs::copy(&image, ready.join("vmlinuz")).context("copy the kernel")?;
    let folder = cache.join(candidate.key(needs));
    match fs::rename(&ready, &folder) {
        // Somebody else was quicker.
        Err(_) if folder.exists() => Ok(()),
        renamed => renamed.with_context(|| format!("make {}", folder.display())),
    }
}

fn kernel(name: &str, folder: &Path, needs: Needs) -> anyhow::Result<Kernel> {
    let image = image(folder)?;
    Ok(Kernel {
        name: name.to_owned(),
        image,
        modules: Some(folder.join("modules")),
        needs,
        files: Files::Mounted,
    })
}

fn image(folder: &Path) -> anyhow::Result<PathBuf> {
    only(folder, |it| {
        let name = it.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("vmlinuz")
    })
}

fn only_file(folder: &Path, extension: &str) -> anyhow::Result<PathBuf> {
    only(folder, |it| {
        it.extension().is_some_and(|it| it == extension)
    })
}

fn only_folder(folder: &Path) -> anyhow::Result<PathBuf> {
    only(folder, Path::is_dir)
}

/// The one entry of `folder` that is `wanted`.
fn only(folder: &Path, wanted: impl Fn(&Path) -> bool) -> anyhow::Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let paths: Vec<PathBuf> = entries
        .map(|it| it.map(|it| it.path()))
        .collect::<Result<_, _>>()?;
    let mut found = paths.into_iter().filter(|it| wanted(it));
    match (found.next(), found.next()) {
        (Some(path), None) => Ok(path),
        _ => bail!("{} is not laid out like a kernel package", folder.display()),
    }
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = cargo::status(command)?;
    if !status.success() {
        bail!("{} ended with {status}", command.get_program().display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Candidate, Needs, parse};

    #[test]
    fn follows_what_a_package_depends_on() {
        let shown = "Package: linux-image-amd64\nSource: linux\nVersion: 6.1.192-2\n\
                     Depends: base, linux-image-6.1.0-56-amd64 (= 6.1.192-2)\n\n\
                     Package: linux-image-amd64\nVersion: 6.1.1\n";
        let candidate = Candidate {
            package: "linux-image-amd64".to_owned(),
            version: "6.1.192-2".to_owned(),
            needs: Some("linux-image-6.1.0-56-amd64".to_owned()),
        };
        assert_eq!(parse(shown), Some(candidate));
        let shown = "Package: linux-image-6.1.0-56-amd64\nVersion: 6.1.192-2\n\
                     Depends: kmod, linux-base (>= 4.3~)\n";
        let candidate = parse(shown).unwrap();
        assert_eq!(candidate.needs, None);
        assert_eq!(
            candidate.key(Needs::Tests),
            "linux-image-6.1.0-56-amd64_6.1.192-2+fuse"
        );
        assert_eq!(parse(""), None);
    }
}
