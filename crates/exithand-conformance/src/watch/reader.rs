//! A thread of ours that is blocked in a read.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use exithand_testkit::Actor;
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::gettid;

use crate::site::number;
use crate::verdict::{Checked, Context, Stop, ensure, same};
use crate::watch::{has_ended, is_blocked, read_once};

/// How long after the end a blocked read may take to return.
const SOON: Duration = Duration::from_secs(10);

/// A read in a thread of its own, which is known to block.
#[derive(Debug)]
pub(crate) struct Reader {
    tid: Pid,
    result: Receiver<Result<Vec<u8>, Errno>>,
}

impl Reader {
    /// Starts the read and returns once it blocks; fails if it returns instead.
    pub(crate) fn start(file: &Arc<OwnedFd>) -> Checked<Self> {
        Self::start_with_room(file, 4096)
    }

    /// Starts a read with room for so many bytes.
    pub(crate) fn start_with_room(file: &Arc<OwnedFd>, room: usize) -> Checked<Self> {
        let (tid_to, tid_from) = mpsc::channel();
        let (result_to, result) = mpsc::channel();
        let descriptor = file.as_raw_fd().to_string();
        let file = Arc::clone(file);
        thread::spawn(move || {
            // Nobody listens any more once the check has failed.
            if tid_to.send(gettid()).is_ok() {
                result_to.send(read_once(&*file, room)).unwrap_or_default();
            }
        });
        let tid = tid_from
            .recv()
            .map_err(|_gone| Stop::Failed("the reading thread has gone".to_owned()))?;
        let reader = Self { tid, result };
        let task = PathBuf::from("/proc/self/task").join(number(tid));
        loop {
            if let Ok(result) = reader.result.try_recv() {
                return Err(Stop::Failed(format!(
                    "a read that should block returned {}",
                    told(&result)
                )));
            }
            // A thread that has just gone has left its result.
            if is_blocked(&task, |it| it == descriptor).unwrap_or(false) {
                return Ok(reader);
            }
            thread::yield_now();
        }
    }

    /// The thread that reads.
    pub(crate) fn tid(&self) -> Pid {
        self.tid
    }

    /// Whether it still reads.
    pub(crate) fn still_blocks(&self, when: &str) -> Checked {
        match self.result.try_recv() {
            Ok(result) => Err(Stop::Failed(format!(
                "{when}: a blocked read returned {}",
                told(&result)
            ))),
            Err(_) => Ok(()),
        }
    }

    /// What the read returns, which it has to do soon.
    pub(crate) fn finish(self) -> Checked<Result<Vec<u8>, Errno>> {
        self.result.recv_timeout(SOON).map_err(|error| {
            Stop::Failed(match error {
                RecvTimeoutError::Timeout => {
                    format!("a read still blocks {} s after the end", SOON.as_secs())
                }
                RecvTimeoutError::Disconnected => "the reading thread has gone".to_owned(),
            })
        })
    }

    /// What was read, after the end.
    pub(crate) fn bytes(self) -> Checked<Vec<u8>> {
        self.finish()?.context("a blocked read")
    }
}

fn told(result: &Result<Vec<u8>, Errno>) -> String {
    match result {
        Ok(bytes) => format!("{} bytes", bytes.len()),
        Err(errno) => crate::verdict::name(*errno),
    }
}

/// Has the process end, and checks that all of its readers are released by that and not before.
pub(crate) fn released_by_the_end(actor: &mut Actor, readers: Vec<Reader>) -> Checked {
    for reader in &readers {
        reader.still_blocks("while the process runs")?;
    }
    actor.release();
    for reader in readers {
        same("bytes read", &reader.bytes()?.len(), &0)?;
        ensure(has_ended(actor.pid())?, "a read returned too early")?;
    }
    Ok(())
}
