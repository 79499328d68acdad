//! A machine whose memory is as a test would have it, and one whose kernel lacks something.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::mount::{MountFlags, mount, mount_bind};

/// How much memory `/proc/meminfo` tells of, in the mount namespace of the caller alone, which must
/// be one of [`Isolation`](crate::Isolation). What is taken and given back does not change it, only
/// the test does.
#[derive(Debug)]
pub struct FakeMemory {
    meminfo: File,
    told: Told,
}

/// What is told, in MiB.
#[derive(Clone, Copy, Debug)]
struct Told {
    available: u64,
    swap_free: u64,
}

/// All memory, and all swap, in MiB.
const TOTAL: u64 = 16 << 10;
const SWAP: u64 = 4 << 10;

impl FakeMemory {
    /// Has the machine have 16 GiB, of which `available_mib` are available, and no swap left of
    /// 4 GiB. Processors keep nothing for themselves.
    ///
    /// # Errors
    /// As `mount(2)`.
    ///
    /// # Panics
    /// If the caller is not pid 1 of its namespace: the machine's own file stays as it is.
    pub fn new(available_mib: u64) -> io::Result<Self> {
        assert_eq!(std::process::id(), 1, "only in a namespace of its own");
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("meminfo");
        let memory = Self {
            meminfo: File::create(&path)?,
            told: Told {
                available: available_mib,
                swap_free: 0,
            },
        };
        memory.write()?;
        // It stays mounted when it has no name any more.
        mount_bind(&path, "/proc/meminfo")?;
        let none = folder.path().join("zoneinfo");
        fs::write(&none, "")?;
        mount_bind(&none, "/proc/zoneinfo")?;
        Ok(memory)
    }

    /// Has so much be available, in MiB.
    ///
    /// # Panics
    /// If it cannot be told.
    pub fn set_available(&mut self, mib: u64) {
        self.told.available = mib;
        self.write().expect("write meminfo");
    }

    /// Has so much swap be free, in MiB.
    ///
    /// # Panics
    /// If it cannot be told.
    pub fn set_swap_free(&mut self, mib: u64) {
        self.told.swap_free = mib;
        self.write().expect("write meminfo");
    }

    /// One write of one length: readers see what was told before, or now.
    fn write(&self) -> io::Result<()> {
        let rows = [
            ("MemTotal:", TOTAL),
            ("MemAvailable:", self.told.available),
            ("Active(file):", 100),
            ("Inactive(file):", 100),
            ("SwapTotal:", SWAP),
            ("SwapFree:", self.told.swap_free),
        ];
        let row = |(name, mib): (&str, u64)| format!("{name:<16}{:>9} kB\n", mib << 10);
        let text: String = rows.into_iter().map(row).collect();
        self.meminfo.write_all_at(text.as_bytes(), 0)
    }
}

/// Has a folder be empty, in the mount namespace of the caller alone, which must be one of
/// [`Isolation`](crate::Isolation).
///
/// # Errors
/// As `mount(2)`.
///
/// # Panics
/// If the caller is not pid 1 of its namespace.
pub fn hide(folder: impl AsRef<Path>) -> io::Result<()> {
    assert_eq!(std::process::id(), 1, "only in a namespace of its own");
    mount("tmpfs", folder.as_ref(), "tmpfs", MountFlags::empty(), None)?;
    Ok(())
}
