//! Which kernel modules a guest needs, and in which order.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// What a guest needs of a kernel that may have been built as modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// What the tests need.
    Tests,
    /// What it takes to go on with a system on a disk.
    Disk,
}

impl Needs {
    /// The modules, by the names the kernel knows them by.
    pub(super) fn modules(self) -> &'static [&'static str] {
        match self {
            Self::Tests => &["fuse"],
            // The filesystem asks for its checksums by a name that nothing here could look up.
            Self::Disk => &["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"],
        }
    }
}

/// A module, by the name the kernel knows it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Module {
    pub(super) name: String,
    /// The file as the kernel loads it.
    pub(super) contents: Vec<u8>,
    /// Where it was found, which may be compressed.
    pub(super) file: PathBuf,
}

/// The needed modules of `folder`, a `lib/modules/RELEASE`, dependencies first.
///
/// Works without `modules.dep`, which is made when a kernel is installed.
pub(super) fn needed(folder: &Path, needs: Needs) -> anyhow::Result<Vec<Module>> {
    let built_in = fs::read_to_string(folder.join("modules.builtin"))
        .with_context(|| format!("read modules.builtin in {}", folder.display()))?;
    let built_in: Vec<String> = built_in
        .lines()
        .filter_map(|it| name_of(Path::new(it)))
        .collect();
    let files = files_below(folder)?;
    in_order(needs.modules(), &built_in, |name| {
        let file = files.get(name).with_context(|| {
            format!(
                "{} has no module {name}, and it is not built in",
                folder.display()
            )
        })?;
        Ok(Module {
            name: name.to_owned(),
            contents: read(file)?,
            file: file.clone(),
        })
    })
}

/// Reads `wanted` and what they depend on, in the order in which they can be loaded.
fn in_order(
    wanted: &[&str],
    built_in: &[String],
    mut read: impl FnMut(&str) -> anyhow::Result<Module>,
) -> anyhow::Result<Vec<Module>> {
    let mut order: Vec<Module> = Vec::new();
    // A module stays here until all it depends on is in `order`.
    let mut stack: Vec<String> = wanted.iter().rev().map(|it| (*it).to_owned()).collect();
    let mut open: BTreeMap<String, Module> = BTreeMap::new();
    while let Some(name) = stack.pop() {
        let is_done = order.iter().any(|it| it.name == name) || built_in.contains(&name);
        if is_done {
            continue;
        }
        if let Some(module) = open.remove(&name) {
            order.push(module);
            continue;
        }
        let module = read(&name)?;
        let dependencies = dependencies(&module.contents);
        open.insert(name.clone(), module);
        stack.push(name);
        if let Some(ring) = dependencies.iter().find(|it| open.contains_key(*it)) {
            bail!("module {ring} depends on itself");
        }
        stack.extend(dependencies);
    }
    Ok(order)
}

/// The names in the `depends=` of a module's `.modinfo`, a list of texts that end in NUL.
fn dependencies(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(start) = module.windows(KEY.len()).position(|it| it == KEY) else {
        return Vec::new();
    };
    let value = &module[start + KEY.len()..];
    let end = value.iter().position(|it| *it == 0).unwrap_or(value.len());
    let value = String::from_utf8_lossy(&value[..end]);
    let names = value.split(',').filter(|it| !it.is_empty());
    names.map(|it| it.replace('-', "_")).collect()
}

/// `fuse` for `kernel/fs/fuse/fuse.ko.xz`; the kernel knows no `-` in names.
fn name_of(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let name = name.strip_suffix(".xz").unwrap_or(name);
    Some(name.strip_suffix(".ko")?.replace('-', "_"))
}

fn files_below(folder: &Path) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if let Some(name) = name_of(&entry.path()) {
                files.insert(name, entry.path());
            }
        }
    }
    Ok(files)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file.extension().is_none_or(|it| it != "xz") {
        return fs::read(file).with_context(|| format!("read {}", file.display()));
    }
    let output = Command::new("xz")
        .args(["--decompress", "--stdout"])
        .arg(file)
        .output()
        .context("run xz")?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("decompress {}: {}", file.display(), error.trim());
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Module, dependencies, in_order, name_of};

    fn order(wanted: &[&str], built_in: &[&str]) -> anyhow::Result<Vec<String>> {
        let built_in: Vec<String> = built_in.iter().map(|it| (*it).to_owned()).collect();
        let found = in_order(wanted, &built_in, |name| {
            let depends = match name {
                "top" => "left,right",
                "left" | "right" => "bottom,core",
                "ring" => "gnir",
                "gnir" => "ring",
                "bottom" | "core" => "",
                _ => anyhow::bail!("no {name}"),
            };
            Ok(Module {
                name: name.to_owned(),
                contents: format!("\0license=GPL\0depends={depends}\0").into_bytes(),
                file: PathBuf::new(),
            })
        })?;
        Ok(found.into_iter().map(|it| it.name).collect())
    }

    #[test]
    fn dependencies_come_first_and_once() {
        assert_eq!(
            order(&["top"], &["core"]).unwrap(),
            ["bottom", "right", "left", "top"]
        );
        assert_eq!(order(&["core"], &["core"]).unwrap(), [""; 0]);
        assert_eq!(
            order(&["left", "bottom"], &["core"]).unwrap(),
            ["bottom", "left"]
        );
        assert!(order(&["ring"], &[]).is_err());
        assert!(order(&["nothing"], &[]).is_err());
    }

    #[test]
    fn reads_names_and_dependencies() {
        assert_eq!(
            name_of(Path::new("kernel/fs/a-b.ko.xz")).as_deref(),
            Some("a_b")
        );
        assert_eq!(
            name_of(Path::new("kernel/fs/fuse.ko")).as_deref(),
            Some("fuse")
        );
        assert_eq!(name_of(Path::new("modules.builtin")), None);
        assert_eq!(dependencies(b"\x7fELF\0depends=a-b,c\0x"), ["a_b", "c"]);
        assert_eq!(dependencies(b"\x7fELF\0depends=\0x"), [""; 0]);
        assert_eq!(dependencies(b"nothing"), [""; 0]);
    }
}
