//! Where records go: to a descriptor, to the helper of the hooks, into the file of metrics.
//!
//! None of them may hold the killer up: what cannot be written at once is lost, and counted.

use std::fs::File;
use std::io::{Cursor, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::state::State;
use crate::record::{self, Event, LINE_ROOM};

/// Who reads the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// People.
    Text,
    /// Programs.
    Json,
}

/// The length of the file of metrics, always.
const METRICS_ROOM: usize = 2048;

/// The writer of records.
#[derive(Debug)]
pub(super) struct Teller {
    pub(super) out: OwnedFd,
    pub(super) format: Format,
    pub(super) helper: Option<OwnedFd>,
    pub(super) metrics: Option<File>,
    pub(super) room: Box<[u8; LINE_ROOM]>,
    pub(super) lost: u64,
}

impl Teller {
    /// Tells one event, which is about the memory of a cgroup if one is named.
    pub(super) fn tell(&mut self, at: Duration, cgroup: Option<&str>, event: &Event) {
        if let Some(helper) = &self.helper
            && let Some(line) = record::json(event, at, cgroup, &mut self.room[..])
            // The pipe does not block, and takes all of a record or nothing.
            && rustix::io::write(helper, line) != Ok(line.len())
        {
            self.lost += 1;
        }
        let line = match self.format {
            Format::Json => record::json(event, at, cgroup, &mut self.room[..]),
            Format::Text => record::text(event, cgroup, &mut self.room[..]).ok(),
        };
        let written = line.is_some_and(|line| {
            takes(&self.out) && rustix::io::write(&self.out, line) == Ok(line.len())
        });
        if !written {
            self.lost += 1;
        }
    }

    /// Tells everything there is to nobody.
    pub(super) fn rehearse(&mut self, state: &mut State) {
        let Ok(nobody) = File::options().write(true).open("/dev/null") else {
            return;
        };
        let out = std::mem::replace(&mut self.out, nobody.into());
        let helper = self.helper.take();
        while let Some((at, event)) = state.take_event() {
            self.tell(at, None, &event);
        }
        self.helper = helper;
        self.out = out;
    }

    /// Writes the metrics.
    pub(super) fn metrics(&mut self, state: &State) {
        let Some(file) = &self.metrics else {
            return;
        };
        let mut room = [b'\n'; METRICS_ROOM];
        let sample = &state.last_sample;
        let rows: [(&str, &str, u64); 9] = [
            ("decisions_total", "counter", state.decisions),
            ("victims_total", "counter", state.kills),
            ("gone_total", "counter", state.gone),
            ("stuck_total", "counter", state.stuck),
            (
                "records_lost_total",
                "counter",
                self.lost.saturating_add(state.events_lost),
            ),
            (
                "in_flight",
                "gauge",
                u64::try_from(state.ledger.in_flight()).unwrap_or(0),
            ),
            ("owed_bytes", "gauge", state.ledger.owed_bytes()),
            ("available_bytes", "gauge", sample.available_bytes),
            (
                "release_bytes_per_second",
                "gauge",
                state.ledger.rate_bytes(),
            ),
        ];
        let mut cursor = Cursor::new(&mut room[..]);
        for (name, kind, value) in rows {
            let row = writeln!(
                cursor,
                "# TYPE exithand_lowmem_{name} {kind}\nexithand_lowmem_{name} {value}"
            );
            if row.is_err() {
                return;
            }
        }
        // One write of one length: readers see the old file or the new one.
        if rustix::io::pwrite(file, &room, 0) != Ok(room.len()) {
            self.lost += 1;
        }
    }
}

/// Says whether a write would not block.
fn takes(out: impl AsFd) -> bool {
    let mut fds = [PollFd::new(&out, PollFlags::OUT)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&at_once)).is_ok() && fds[0].revents().contains(PollFlags::OUT)
}
