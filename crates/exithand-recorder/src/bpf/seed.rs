//! What processes execute that are older than the probes, read from `/proc`.
//!
//! Only kernels need it whose tracepoint comes after a process has given up its memory.

use std::io;
use std::os::unix::ffi::OsStrExt;

use super::wire::names;
use crate::{clock, facts};

/// As in `bpf/record.h`.
const PATH_BYTES: usize = 768;
const ARGV_BYTES: usize = 1024;
pub(super) const KEY_BYTES: usize = 16;
pub(super) const IMAGE_BYTES: usize = 24 + PATH_BYTES + ARGV_BYTES;
const SEEDED: u32 = 1;

/// The key and the value of one process in the table of images.
pub(super) type Seed = ([u8; KEY_BYTES], [u8; IMAGE_BYTES]);

/// Gives what each process of this machine executes to `take`. Those that end meanwhile, and kernel
/// threads, have nothing to tell.
pub(super) fn each(take: impl FnMut(Seed)) -> io::Result<()> {
    facts::pids()?.filter_map(one).for_each(take);
    Ok(())
}

fn one(pid: u32) -> Option<Seed> {
    let start_ticks = facts::start_ticks(pid)?;
    let exe = facts::exe(pid)?;
    let argv = facts::read(pid, "cmdline", u64::try_from(ARGV_BYTES + 1).ok()?)?;
    Some((key(pid, start_ticks), image(exe.as_bytes(), &argv)))
}

fn key(pid: u32, start_ticks: u64) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..4].copy_from_slice(&pid.to_ne_bytes());
    key[4..8].copy_from_slice(&SEEDED.to_ne_bytes());
    key[8..].copy_from_slice(&clock::of_ticks(start_ticks).to_ne_bytes());
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
