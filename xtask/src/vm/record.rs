//! What each program of a plan wrote, and how it ended, put together from frames.

use exithand_vm::{End, Frame, Stream};

/// What is known of a guest's run.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The release of its kernel, once it was up.
    pub(super) release: Option<String>,
    pub(super) complaints: Vec<String>,
    /// One for each program of the plan.
    pub(super) programs: Vec<Ran>,
}

/// One program of the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ran {
    /// What it wrote to standard output.
    pub(super) out: Vec<u8>,
    /// What it wrote to either, in the order it arrived.
    pub(super) both: Vec<u8>,
    /// How it ended; `None` where it did not get so far.
    pub(super) end: Option<End>,
    pub(super) millis: u64,
}

impl Record {
    /// For a plan of so many programs.
    pub(super) fn new(programs: usize) -> Self {
        Self {
            programs: vec![Ran::default(); programs],
            ..Self::default()
        }
    }

    /// Adds a frame. One for a program that is not in the plan is a complaint.
    pub(super) fn add(&mut self, frame: Frame) {
        let count = self.programs.len();
        let (Frame::Text { program, .. } | Frame::End { program, .. }) = &frame else {
            match frame {
                Frame::Up(release) => self.release = Some(release),
                Frame::Complaint(what) => self.complaints.push(what),
                _ => {}
            }
            return;
        };
        let Some(ran) = self.programs.get_mut(*program) else {
            let what = format!("program {program} of {count} spoke");
            self.complaints.push(what);
            return;
        };
        match frame {
            Frame::Text { stream, text, .. } => {
                ran.both.extend_from_slice(&text);
                if stream == Stream::Out {
                    ran.out.extend(text);
                }
            }
            Frame::End { end, millis, .. } => {
                ran.end = Some(end);
                ran.millis = millis;
            }
            _ => {}
        }
    }
}

impl Ran {
    /// Whether it exited 0.
    pub(super) fn went_well(&self) -> bool {
        self.end == Some(End::Exited(0))
    }

    /// Says how it ended.
    pub(super) fn ending(&self) -> String {
        match &self.end {
            None => "did not end".to_owned(),
            Some(End::Exited(status)) => format!("exited {status}"),
            Some(End::Killed(signal)) => format!("was killed by signal {signal}"),
            Some(End::TimedOut) => "took too long, and was killed".to_owned(),
            Some(End::NotStarted(why)) => format!("could not be started: {why}"),
        }
    }

    /// Its standard output as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use exithand_vm::{End, Frame, Stream};

    use super::Record;

    #[test]
    fn puts_together_what_each_program_wrote() {
        let mut record = Record::new(2);
        let text = |program, stream, text: &str| Frame::Text {
            program,
            stream,
            text: text.as_bytes().to_owned(),
        };
        let end = |program, end| Frame::End {
            program,
            end,
            millis: 5,
        };
        for frame in [
            Frame::Up("6.1.0".to_owned()),
            Frame::Start(0),
            text(0, Stream::Out, "a"),
            text(0, Stream::Err, "b\n"),
            text(0, Stream::Out, "c\n"),
            end(0, End::Exited(0)),
            text(7, Stream::Out, "d"),
            Frame::Complaint("no cgroups".to_owned()),
        ] {
            record.add(frame);
        }
        assert_eq!(record.release.as_deref(), Some("6.1.0"));
        assert_eq!(record.complaints, ["program 7 of 2 spoke", "no cgroups"]);
        let [first, second] = &record.programs[..] else {
            panic!("two programs: {record:?}");
        };
        assert_eq!(
            (first.text().as_str(), &first.both[..]),
            ("ac\n", &b"ab\nc\n"[..])
        );
        assert!(first.went_well() && !second.went_well());
        assert_eq!(second.ending(), "did not end");
    }
}
