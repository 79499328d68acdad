//! What a guest tells its host, a line each.

/// One line from a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The guest is up, and this is its kernel's release.
    Up(String),
    /// Something in the guest is not as it should be.
    Complaint(String),
    /// A program was started; its number is that in the plan.
    Start(usize),
    /// A program wrote a line, or a part of one.
    Text {
        /// The program.
        program: usize,
        /// To where it wrote.
        stream: Stream,
        /// What it wrote, with the line break where there was one.
        text: Vec<u8>,
    },
    /// A program has ended.
    End {
        /// The program.
        program: usize,
        /// How it ended.
        end: End,
        /// How long it ran.
        millis: u64,
    },
    /// The plan is done, and the guest turns itself off.
    Off,
}

/// Where a program wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with this status.
    Exited(i32),
    /// This signal killed it.
    Killed(i32),
    /// It took longer than the plan allows, and was killed.
    TimedOut,
    /// It could not be started, for this reason.
    NotStarted(String),
}

impl Frame {
    /// Writes the frame as one line, with its line break.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = match self {
            Self::Up(release) => format!("up {}", one_line(release)),
            Self::Complaint(what) => format!("complaint {}", one_line(what)),
            Self::Start(program) => format!("start {program}"),
            Self::End {
                program,
                end,
                millis,
            } => format!("end {program} {millis} {}", end.words()),
            Self::Off => "off".to_owned(),
            Self::Text {
                program,
                stream,
                text,
            } => return text_line(*program, *stream, text),
        }
        .into_bytes();
        line.push(b'\n');
        line
    }

    /// Reads a line that [`Frame::to_line`] wrote, without its line break; `None` if it is another.
    pub fn parse(line: &[u8]) -> Option<Self> {
        if line == b"off" {
            return Some(Self::Off);
        }
        let (word, rest) = split(line)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(match word {
            b"up" => Self::Up(text(rest)),
            b"complaint" => Self::Complaint(text(rest)),
            b"start" => Self::Start(text(rest).parse().ok()?),
            b"end" => {
                let rest = text(rest);
                let mut words = rest.splitn(3, ' ');
                Self::End {
                    program: words.next()?.parse().ok()?,
                    millis: words.next()?.parse().ok()?,
                    end: End::parse(words.next()?)?,
                }
            }
            _ => {
                let (stream, is_whole) = match word {
                    b"out" => (Stream::Out, true),
                    b"out+" => (Stream::Out, false),
                    b"err" => (Stream::Err, true),
                    b"err+" => (Stream::Err, false),
                    _ => return None,
                };
                let (program, written) = split(rest)?;
                let mut written = written.to_owned();
                written.extend(is_whole.then_some(b'\n'));
                Self::Text {
                    program: text(program).parse().ok()?,
                    stream,
                    text: written,
                }
            }
        })
    }
}

/// `text` has a line break at its end or nowhere.
fn text_line(program: usize, stream: Stream, text: &[u8]) -> Vec<u8> {
    let word = match stream {
        Stream::Out => "out",
        Stream::Err => "err",
    };
    let (text, more) = match text.strip_suffix(b"\n") {
        Some(text) => (text, ""),
        None => (text, "+"),
    };
    let mut line = format!("{word}{more} {program} ").into_bytes();
    line.extend_from_slice(text);
    line.push(b'\n');
    line
}

fn one_line(text: &str) -> String {
    text.replace('\n', "; ")
}

/// Splits at the first space.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = line.iter().position(|it| *it == b' ')?;
    Some((&line[..space], &line[space + 1..]))
}

impl End {
    fn words(&self) -> String {
        match self {
            Self::Exited(status) => format!("exited {status}"),
            Self::Killed(signal) => format!("killed {signal}"),
            Self::TimedOut => "timed-out".to_owned(),
            Self::NotStarted(why) => format!("not-started {}", one_line(why)),
        }
    }

    fn parse(words: &str) -> Option<Self> {
        let (word, rest) = words.split_once(' ').unwrap_or((words, ""));
        Some(match word {
            "exited" => Self::Exited(rest.parse().ok()?),
            "killed" => Self::Killed(rest.parse().ok()?),
            "timed-out" => Self::TimedOut,
            "not-started" => Self::NotStarted(rest.to_owned()),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{End, Frame, Stream};

    #[test]
    fn what_is_written_is_read() {
        let text = |stream, text: &[u8]| Frame::Text {
            program: 12,
            stream,
            text: text.to_owned(),
        };
        let end = |end| Frame::End {
            program: 3,
            end,
            millis: 1234,
        };
        for frame in [
            Frame::Up("6.1.0-56-amd64".to_owned()),
            Frame::Complaint("mount /dev: no such device".to_owned()),
            Frame::Start(0),
            text(Stream::Out, b"test a ... ok\n"),
            text(Stream::Out, b"\n"),
            text(Stream::Err, b"no end"),
            text(Stream::Err, b"\xff\r\0 \n"),
            end(End::Exited(101)),
            end(End::Killed(9)),
            end(End::TimedOut),
            end(End::NotStarted("no such file".to_owned())),
            Frame::Off,
        ] {
            let line = frame.to_line();
            let (last, line) = line.split_last().unwrap();
            assert!(*last == b'\n' && !line.contains(&b'\n'), "{line:?}");
            assert_eq!(Frame::parse(line), Some(frame));
        }
    }

    #[test]
    fn tells_other_lines_from_frames() {
        for line in [
            "",
            "off ",
            "out",
            "out 1",
            "out x y",
            "end 1 2 flew",
            "start",
            "SeaBIOS 1",
        ] {
            assert_eq!(Frame::parse(line.as_bytes()), None, "{line:?}");
        }
    }
}
