//! A user's own processes as they end, where no recorder runs.

use std::collections::VecDeque;
use std::io;

use exithand_recorder::proc_connector::ProcConnectorSource;
use exithand_recorder::{Event, Filter, Source};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::Uid;

use crate::failure::Failure;

/// Events of the process connector that are this user's business and are asked for.
#[derive(Debug)]
pub struct OwnEnds {
    source: ProcConnectorSource,
    filter: Filter,
    user: Uid,
    ready: VecDeque<Event>,
}

impl OwnEnds {
    /// Watches from now on.
    ///
    /// # Errors
    ///
    /// Where the kernel does not allow it: it does since Linux 6.6, outside of containers.
    pub fn watch(filter: Filter) -> Result<Self, Failure> {
        let source = ProcConnectorSource::open().map_err(anyhow::Error::from)?;
        Ok(Self {
            source,
            filter,
            user: rustix::process::geteuid(),
            ready: VecDeque::new(),
        })
    }

    /// Blocks until something happened, and takes what matters of it.
    fn take(&mut self) -> io::Result<()> {
        let wake = self.source.wake();
        let mut watched = [PollFd::new(&wake, PollFlags::IN)];
        retry_on_intr(|| poll(&mut watched, None))
            .map_err(|errno: Errno| io::Error::from(errno))?;
        let (ready, filter, user) = (&mut self.ready, &self.filter, self.user);
        self.source.drain(&mut |event| {
            let matters = match &event {
                Event::Exit(record) => {
                    let is_ours = user.is_root() || record.uid == Some(user.as_raw());
                    is_ours && filter.matches(record)
                }
                Event::Gap(_) => true,
            };
            if matters {
                ready.push_back(event);
            }
        })
    }
}

impl Iterator for OwnEnds {
    type Item = Result<Event, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() {
            if let Err(error) = self.take() {
                let what = "read from the process connector";
                return Some(Err(Failure::Failed(
                    anyhow::Error::from(error).context(what),
                )));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
