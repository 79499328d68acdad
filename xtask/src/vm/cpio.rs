//! The first filesystem of a guest, as an archive in the form the kernel unpacks: `cpio`, "newc".

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// Files by their paths, which have no leading slash. The order puts folders before what is in them.
#[derive(Debug, Default)]
pub(super) struct Root(BTreeMap<String, Entry>);

#[derive(Debug)]
enum Entry {
    Directory { mode: u32 },
    Bytes { mode: u32, bytes: Vec<u8> },
    Copy { mode: u32, from: PathBuf },
    CharacterDevice { major: u32, minor: u32 },
}

impl Root {
    /// A folder; those above it, too, where they are not there yet.
    pub(super) fn directory(&mut self, path: &str, mode: u32) {
        self.put(path, Entry::Directory { mode });
    }

    /// A file that holds `text`.
    pub(super) fn text(&mut self, path: &str, mode: u32, text: impl Into<String>) {
        self.bytes(path, mode, text.into().into_bytes());
    }

    /// A file that holds `bytes`.
    pub(super) fn bytes(&mut self, path: &str, mode: u32, bytes: Vec<u8>) {
        self.put(path, Entry::Bytes { mode, bytes });
    }

    /// A copy of the host's file `from`.
    pub(super) fn copy(&mut self, path: &str, mode: u32, from: &Path) {
        let from = from.to_owned();
        self.put(path, Entry::Copy { mode, from });
    }

    /// A character device.
    pub(super) fn character_device(&mut self, path: &str, major: u32, minor: u32) {
        self.put(path, Entry::CharacterDevice { major, minor });
    }

    fn put(&mut self, path: &str, entry: Entry) {
        let path = path.trim_start_matches('/');
        for (slash, _) in path.match_indices('/') {
            let above = self.0.entry(path[..slash].to_owned());
            above.or_insert(Entry::Directory { mode: 0o755 });
        }
        self.0.insert(path.to_owned(), entry);
    }

    /// Writes the archive.
    pub(super) fn write(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let mut archive = Archive { out, entries: 0 };
        for (path, entry) in &self.0 {
            archive
                .entry(path, entry)
                .with_context(|| format!("pack {path}"))?;
        }
        archive.head("TRAILER!!!", 0, (0, 0), 0)?;
        Ok(archive.out.flush()?)
    }
}

struct Archive<'a, W> {
    out: &'a mut W,
    entries: u32,
}

impl<W: Write> Archive<'_, W> {
    fn entry(&mut self, path: &str, entry: &Entry) -> anyhow::Result<()> {
        match entry {
            Entry::Directory { mode } => self.head(path, DIRECTORY | mode, (0, 0), 0)?,
            Entry::CharacterDevice { major, minor } => {
                self.head(path, CHARACTER_DEVICE | 0o600, (*major, *minor), 0)?;
            }
            Entry::Bytes { mode, bytes } => self.bytes(path, REGULAR | mode, bytes)?,
            Entry::Copy { mode, from } => {
                let file = File::open(from).with_context(|| format!("open {}", from.display()))?;
                let size = file.metadata()?.len();
                self.head(path, REGULAR | mode, (0, 0), size)?;
                if io::copy(&mut file.take(size), self.out)? != size {
                    bail!("{} became shorter while it was read", from.display());
                }
                self.pad(size)?;
            }
        }
        Ok(())
    }

    fn bytes(&mut self, path: &str, mode: u32, bytes: &[u8]) -> anyhow::Result<()> {
        let size = u64::try_from(bytes.len())?;
        self.head(path, mode, (0, 0), size)?;
        self.out.write_all(bytes)?;
        self.pad(size)
    }

    fn head(
        &mut self,
        path: &str,
        mode: u32,
        (major, minor): (u32, u32),
        size: u64,
    ) -> anyhow::Result<()> {
        self.entries += 1;
        let links = if mode & DIRECTORY == 0 { 1 } else { 2 };
        let size = u32::try_from(size).context("more than 4 GiB")?;
        let name = u32::try_from(path.len() + 1)?;
        // Inode, mode, owner, group, links, time, size, device, device of the file, name, checksum.
        let numbers = [
            self.entries,
            mode,
            0,
            0,
            links,
            0,
            size,
            0,
            0,
            major,
            minor,
            name,
            0,
        ];
        write!(self.out, "070701")?;
        for number in numbers {
            write!(self.out, "{number:08x}")?;
        }
        write!(self.out, "{path}\0")?;
        self.pad(110 + u64::from(name))
    }

    /// Head and contents each begin at a multiple of four.
    fn pad(&mut self, written: u64) -> anyhow::Result<()> {
        let missing = usize::try_from(written.wrapping_neg() % 4)?;
        Ok(self.out.write_all(&[0; 3][..missing])?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Root;

    fn packed(root: &Root) -> String {
        let mut out = Vec::new();
        root.write(&mut out).unwrap();
        assert_eq!(out.len() % 4, 0);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_head_has_the_fields_the_kernel_reads() {
        let mut root = Root::default();
        root.text("/a", 0o644, "12345");
        let numbers = "000000010000\
                       81a40000000000000000000000010000000000000005";
        let expected = format!(
            "070701{numbers}{}00000002{}a\x0012345\0\0\0",
            "0".repeat(32),
            "0".repeat(8)
        );
        let text = packed(&root);
        assert!(text.starts_with(&expected), "{text:?}");
        assert!(text.ends_with("TRAILER!!!\0\0\0\0"), "{text:?}");
    }

    #[test]
    fn folders_come_before_what_is_in_them() {
        let mut root = Root::default();
        root.text("/etc/deep/file", 0o644, "");
        root.directory("/etc", 0o700);
        root.text("/bin/sh", 0o755, "");
        root.character_device("/dev/console", 5, 1);
        let text = packed(&root);
        let names = [
            "bin\0",
            "bin/sh\0",
            "dev\0",
            "dev/console\0",
            "etc\0",
            "etc/deep\0",
        ];
        let places: Vec<usize> = names.iter().map(|it| text.find(it).unwrap()).collect();
        assert!(places.is_sorted(), "{places:?}");
        assert!(
            text.contains("000041c0"),
            "what is said last holds: {text:?}"
        );
    }

    #[test]
    fn files_of_the_host_are_copied() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "contents").unwrap();
        let mut root = Root::default();
        root.copy("a", 0o755, &file);
        assert!(packed(&root).contains("a\0contents070701"));
        root.copy("b", 0o755, Path::new("/nowhere"));
        let error = root.write(&mut Vec::new()).unwrap_err();
        assert_eq!(format!("{error:#}").split(": ").next(), Some("pack b"));
    }
}
