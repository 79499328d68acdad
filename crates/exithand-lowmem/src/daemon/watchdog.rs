//! A second pair of eyes, for when the main loop stalls.
//!
//! It sleeps without a clock of its own: the loop sets a timer when it wakes and stops it when it
//! goes to sleep, so an idle machine sees no wake-up. What it does goes through the same rule, with the
//! same ledger.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

use super::clock::{Timer, now};
use super::core::Core;
use super::eyes::Eyes;
use super::ignore;
use super::scan::Scanner;
use crate::record::Notice;

/// How long the loop may be busy.
const PATIENCE: Duration = Duration::from_secs(2);
const STACK_BYTES: usize = 64 << 10;

/// The timer that the loop keeps from going off.
#[derive(Debug)]
pub(super) struct Watchdog {
    timer: Arc<Timer>,
}

/// Has the memory of the stack be there before it is needed.
#[inline(never)]
fn touch_stack() {
    std::hint::black_box(&mut [0_u8; 16 << 10]);
}

impl Watchdog {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// Out of threads or descriptors.
    pub(super) fn start(
        core: Arc<Core>,
        mut eyes: Eyes,
        mut scanner: Scanner,
    ) -> std::io::Result<Self> {
        // Blocks, unlike the timers of the loop.
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        let timer = Arc::new(Timer { fd });
        let shared = Arc::clone(&timer);
        let begun = Arc::new(Barrier::new(2));
        let started = Arc::clone(&begun);
        let thread = std::thread::Builder::new().name("watchdog".to_owned());
        thread.stack_size(STACK_BYTES).spawn(move || {
            touch_stack();
            begun.wait();
            drop(begun);
            loop {
                match rustix::io::read(&shared.fd, &mut [0; 8]) {
                    Ok(_) => {}
                    Err(Errno::INTR) => continue,
                    Err(_) => return,
                }
                core.lock().say_once(now(), Notice::Stalled);
                core.round(&mut eyes, &mut scanner);
                // Until the loop stops it.
                let patience = now().saturating_add(PATIENCE);
                let due = core.next_due().map_or(patience, |due| due.min(patience));
                ignore(shared.set(Some(due)));
            }
        })?;
        // A thread takes memory while it begins.
        started.wait();
        Ok(Self { timer })
    }

    /// The loop has something to do.
    pub(super) fn busy(&self) {
        // Without the timer the loop goes on unwatched.
        ignore(self.timer.set(Some(now().saturating_add(PATIENCE))));
    }

    /// The loop goes to sleep.
    pub(super) fn idle(&self) {
        ignore(self.timer.set(None));
    }
}
