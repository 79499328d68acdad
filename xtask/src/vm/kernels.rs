//! The kernels of the matrix, and where each comes from.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{anyhow, bail};

use super::debian;
use super::modules::Needs;
use crate::{kernel, sources};

const FILE: &str = "vm/kernels.tsv";

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    source: Source,
    /// What it is, for people.
    pub(crate) what: String,
}

/// Where a kernel comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// A Debian package.
    Apt(String),
    /// What `cargo xtask kernel` builds.
    Patched,
}

/// A kernel that can be booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kernel {
    pub(crate) name: String,
    /// The bzImage.
    pub(crate) image: PathBuf,
    /// Its `lib/modules/RELEASE`; none where what the tests need is built in.
    pub(crate) modules: Option<PathBuf>,
    /// Which of them a guest loads.
    pub(crate) needs: Needs,
    /// Whose exithand files there are.
    pub(crate) files: Files,
}

/// Which exithand files there are on a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    /// Those of `exithand mount`.
    Mounted,
    /// Those, and the kernel's own in `/proc`.
    Native,
}

impl Kernel {
    /// The kernel with our patches, in which everything is built in.
    pub(crate) fn patched(name: &str, image: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            image,
            modules: None,
            needs: Needs::Tests,
            files: Files::Native,
        }
    }
}

impl Row {
    /// Gets the kernel, which may take a download.
    pub(crate) fn fetch(&self, needs: Needs) -> anyhow::Result<Kernel> {
        match &self.source {
            Source::Apt(package) => debian::fetch(&self.name, package, needs),
            Source::Patched => {
                let image = kernel::image(kernel::Flavour::Plain)?;
                Ok(Kernel::patched(&self.name, image))
            }
        }
    }
}

/// All kernels of the table.
pub(crate) fn all() -> anyhow::Result<Vec<Row>> {
    parse(include_str!("../../../vm/kernels.tsv"))
}

/// Those called `names`, or all without any.
pub(crate) fn chosen(names: &[String]) -> anyhow::Result<Vec<Row>> {
    let rows = all()?;
    if names.is_empty() {
        return Ok(rows);
    }
    let find = |name: &String| {
        rows.iter()
            .find(|it| it.name == *name)
            .cloned()
            .ok_or_else(|| {
                let known: Vec<&str> = rows.iter().map(|it| it.name.as_str()).collect();
                anyhow!("no kernel {name:?} in {FILE}, only {}", known.join(", "))
            })
    };
    names.iter().map(find).collect()
}

fn parse(table: &str) -> anyhow::Result<Vec<Row>> {
    sources::policy_lines(table)
        .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [name, source, what] => Ok(Row {
                name: name.to_owned(),
                source: source.parse()?,
                what: what.to_owned(),
            }),
            _ => bail!("{FILE}: {line:?} has not three columns"),
        })
        .collect()
}

impl FromStr for Source {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if text == kernel::NAME {
            return Ok(Self::Patched);
        }
        match text.split_once(':') {
            Some(("apt", package)) if !package.is_empty() => Ok(Self::Apt(package.to_owned())),
            _ => bail!("{FILE}: {text:?} is no source of kernels"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{all, chosen, parse};

    #[test]
    fn the_table_is_well_formed() {
        let rows = all().unwrap();
        assert!(rows.iter().any(|it| it.name == "6.1"), "{rows:?}");
    }

    #[test]
    fn refuses_bad_rows() {
        for row in [
            "6.1\tapt:linux",
            "6.1\tapt:\twhat",
            "6.1\tlinux\twhat",
            "a\tb:c\twhat",
        ] {
            assert!(parse(row).is_err(), "{row}");
        }
    }

    #[test]
    fn chooses_by_name_in_the_order_named() {
        let names = |names: &[&str]| -> Vec<String> {
            let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
            let rows = chosen(&names).unwrap();
            rows.into_iter().map(|it| it.name).collect()
        };
        assert_eq!(names(&["6.12", "6.1"]), ["6.12", "6.1"]);
        assert_eq!(names(&[]).len(), all().unwrap().len());
        let error = chosen(&["2.6".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("only 6.1, 6.12, patched"), "{error}");
    }
}
