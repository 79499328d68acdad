//! Prints every process that ends, with everything that is known of it.

use std::io::{self, Write};

use exithand_recorder::{Event, choose};
use rustix::event::{PollFd, PollFlags, poll};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut chosen = choose(None)?;
    let mut out = io::stdout().lock();
    writeln!(out, "source: {}", chosen.source.name())?;
    for passed_over in &chosen.passed_over {
        writeln!(out, "not {}: {}", passed_over.name, passed_over.why)?;
    }
    loop {
        let wake = chosen.source.wake();
        poll(&mut [PollFd::new(&wake, PollFlags::IN)], None)?;
        let mut events: Vec<Event> = Vec::new();
        chosen.source.drain(&mut |event| events.push(event))?;
        for event in events {
            writeln!(out, "{event:#?}")?;
        }
    }
}
