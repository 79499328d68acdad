//! What processes execute that are older than the probes, read from `/proc`.
//!
//! Only kernels need it whose tracepoint comes after a process has given up its memory.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::wire::names;

/// As in `bpf/record.h`.
const PATH_BYTES: usize = 768;
const ARGV_BYTES: usize = 1024;
pub(super) const KEY_BYTES: usize = 16;
pub(super) const IMAGE_BYTES: usize = 24 + PATH_BYTES + ARGV_BYTES;
const SEEDED: u32 = 1;
const TICK_NS: u64 = 10_000_000;

/// The key and the value of one process in the table of images.
pub(super) type Seed = ([u8; KEY_BYTES], [u8; IMAGE_BYTES]);

/// Gives what each process of this machine executes to `take`. Those that end meanwhile, and kernel
/// threads, have nothing to tell.
pub(super) fn each(mut take: impl FnMut(Seed)) -> io::Result<()> {
    for entry in fs::read_dir("/proc")?.flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if let Some(pid) = pid {
            one(pid, &entry.path()).into_iter().for_each(&mut take);
        }
    }
    Ok(())
}

fn one(pid: u32, folder: &Path) -> Option<Seed> {
    let stat = fs::read(folder.join("stat")).ok()?;
    let start_ticks = start_ticks(&stat)?;
    let exe = fs::read_link(folder.join("exe")).ok()?;
    let mut argv = Vec::new();
    let limit = u64::try_from(ARGV_BYTES + 1).ok()?;
    File::open(folder.join("cmdline"))
        .ok()?
        .take(limit)
        .read_to_end(&mut argv)
        .ok()?;
    Some((
        key(pid, start_ticks),
        image(exe.as_os_str().as_bytes(), &argv),
    ))
}

/// Field 22, after the name, which may hold anything.
fn start_ticks(stat: &[u8]) -> Option<u64> {
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let rest = str::from_utf8(stat.get(after_name..)?).ok()?;
    rest.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

fn key(pid: u32, start_ticks: u64) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..4].copy_from_slice(&pid.to_ne_bytes());
    key[4..8].copy_from_slice(&SEEDED.to_ne_bytes());
    key[8..].copy_from_slice(&start_ticks.saturating_mul(TICK_NS).to_ne_bytes());
    key
}

fn image(exe: &[u8], argv: &[u8]) -> [u8; IMAGE_BYTES] {
    let names = names(exe);
    let is_exe_cut = names.len() > PATH_BYTES;
    let names = if is_exe_cut { &[] } else { &names[..] };
    let is_argv_cut = argv.len() > ARGV_BYTES;
    let argv = &argv[..argv.len().min(ARGV_BYTES)];
    let short = |len: usize| u16::try_from(len).unwrap_or(0).to_ne_bytes();

    let mut image = [0; IMAGE_BYTES];
    image[16..18].copy_from_slice(&short(names.len()));
    image[18..20].copy_from_slice(&short(argv.len()));
    image[20..22].copy_from_slice(&u16::from(is_exe_cut).to_ne_bytes());
    image[22..24].copy_from_slice(&u16::from(is_argv_cut).to_ne_bytes());
    image[24..24 + names.len()].copy_from_slice(names);
    let argv_at = 24 + PATH_BYTES;
    image[argv_at..argv_at + argv.len()].copy_from_slice(argv);
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_start_time_whatever_the_name() {
        let stat = b"7 (a) b) S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 10 11";
        assert_eq!(start_ticks(stat), Some(4711));
        assert_eq!(start_ticks(b"7 (a"), None);
    }

    #[test]
    fn cuts_what_is_too_long_and_says_so() {
        let image = image(&[b'x'; 2000], &[b'y'; ARGV_BYTES + 1]);
        let field = |at: usize| u16::from_ne_bytes([image[at], image[at + 1]]);
        assert_eq!(
            [field(16), field(18), field(20), field(22)],
            [0, 1024, 1, 1]
        );
    }

    #[test]
    fn tells_of_this_process() {
        let mut own = None;
        each(|(key, image)| {
            if key[..4] == std::process::id().to_ne_bytes() {
                own = Some(image);
            }
        })
        .unwrap();
        let image = own.expect("this process is in /proc");
        assert_ne!(image[16..18], [0, 0], "it has an executable");
    }
}
