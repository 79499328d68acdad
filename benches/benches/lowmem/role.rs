//! The processes of the arena: this program again, playing a part.

use std::io::{BufRead, Write, stdin, stdout};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

const MIB: usize = 1 << 20;
/// Growth: so much each step.
const STEP_MIB: usize = 5;
/// Pause between steps, which makes 500 MB a second.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 10_000_000,
};

/// Plays `MIB GROWS_TO THREADS MANNER` until standard input ends.
pub(crate) fn play(args: &[String]) {
    let number = |at: usize| args[at].parse::<usize>().unwrap();
    let (mib, grows_to, threads) = (number(0), number(1), number(2));
    for _ in 0..threads {
        thread::spawn(|| {
            loop {
                thread::park();
            }
        });
    }
    let mut held = vec![touched(mib)];
    println!("ready");
    stdout().flush().unwrap();
    let mut line = String::new();
    let begun = stdin().lock().read_line(&mut line).unwrap_or(0) > 0;
    if args[3] == "spins" {
        thread::spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        });
    }
    let mut has = mib;
    while begun && has < grows_to && !has_ended(Some(PAUSE)) {
        held.push(touched(STEP_MIB));
        has += STEP_MIB;
    }
    while !has_ended(None) {}
    drop(held);
}

fn touched(mib: usize) -> Vec<u8> {
    let mut memory = vec![0; mib * MIB];
    for page in memory.chunks_mut(4096) {
        page[0] = 1;
    }
    memory
}

/// Waits for the end of standard input, at most for `timeout`.
fn has_ended(timeout: Option<Timespec>) -> bool {
    let stdin = stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    matches!(poll(&mut fds, timeout.as_ref()), Ok(1))
}
