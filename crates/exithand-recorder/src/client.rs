//! Asks a recorder over its socket, and blocks until it answers.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use exithand::{Outcome, StatusSource, Token};
use serde::Serialize;

use crate::json::{JsonError, Line, parse_time};
use crate::wire::{Kind, Refusal, Reply, Request, StatusLine, When};
use crate::{Answer, Event, ExitRecord, Filter, History, HistoryError, Query, Stats, StatsQuery};

/// Where a recorder listens by default.
pub const DEFAULT_SOCKET: &str = "/run/exithand.sock";
/// How long a recorder may take to say something.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long it may take to say how one process ended, which it does from memory.
const SHORT_PATIENCE: Duration = Duration::from_secs(2);

/// A recorder, by its socket. Connects when it is asked, and again if the recorder went away.
///
/// ```no_run
/// use exithand::StatusSource;
/// use exithand_recorder::Client;
/// use exithand_recorder::client::DEFAULT_SOCKET;
///
/// let recorder = Client::connect(DEFAULT_SOCKET.as_ref())?;
/// let token = "4242:918273".parse()?;
/// println!("{:?}", recorder.outcome(&token));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    path: PathBuf,
    peer: Mutex<Option<Link>>,
}

/// A connection.
type Link = BufReader<UnixStream>;

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Why the recorder did not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There is no socket, or nobody listens on it.
    #[error("no recorder listens on {}: start `exithand record`, or name its socket with --socket", path.display())]
    NoRecorder {
        /// The socket.
        path: PathBuf,
    },
    /// The socket is not for us.
    #[error("no permission to connect to the recorder on {}", path.display())]
    NotAllowed {
        /// The socket.
        path: PathBuf,
    },
    /// The connection failed.
    #[error("talk to the recorder on {}", path.display())]
    Connection {
        /// The socket.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
    /// It refused, in its own words.
    #[error("the recorder says: {}", .0.message)]
    Refused(Refusal),
    /// It said something that makes no sense.
    #[error("the recorder said something that this exithand does not understand")]
    Nonsense(#[from] JsonError),
}

impl Client {
    /// Connects to the recorder that listens on `path`.
    ///
    /// # Errors
    ///
    /// [`ClientError::NoRecorder`], [`ClientError::NotAllowed`], [`ClientError::Connection`].
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let client = Self::at(path);
        let peer = client.dial(PATIENCE)?;
        *client.lock() = Some(peer);
        Ok(client)
    }

    /// Names the recorder that listens on `path`, or will when it is asked.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            peer: Mutex::new(None),
        }
    }

    /// Returns where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks how the recorder fares.
    ///
    /// # Errors
    ///
    /// As [`ClientError`] says.
    pub fn status(&self) -> Result<StatusLine, ClientError> {
        let mut status = None;
        self.ask(&Request::Status, PATIENCE, |reply| {
            if let Reply::Status(line) = reply {
                status = Some(line);
            }
            Ok(())
        })?;
        status.ok_or(ClientError::Nonsense(JsonError::Unexpected))
    }

    /// Asks for what everybody may know of a process that has ended; with [`When::Ended`], blocks
    /// until it has.
    ///
    /// # Errors
    ///
    /// As [`ClientError`] says; [`Kind::NoRecord`] and [`Kind::Denied`] among its refusals.
    pub fn ended(&self, token: &Token, when: When) -> Result<ExitRecord, ClientError> {
        let patience = match when {
            When::Now => Some(SHORT_PATIENCE),
            When::Ended => None,
        };
        let request = Request::Outcome {
            token: token.to_string(),
            when,
        };
        let mut found = None;
        self.ask(&request, patience, |reply| {
            if let Reply::Line(Line::Record(line)) = reply {
                found = Some(line.to_record()?);
            }
            Ok(())
        })?;
        found.ok_or(ClientError::Nonsense(JsonError::Unexpected))
    }

    /// Subscribes to records, from now on.
    ///
    /// # Errors
    ///
    /// As [`ClientError`] says.
    pub fn subscribe(&self, filter: Filter) -> Result<Subscription, ClientError> {
        let mut peer = self.dial(PATIENCE)?;
        self.send(&mut peer, &Request::Subscribe { filter })?;
        match self.receive(&mut peer)? {
            Reply::Done(_) => {}
            Reply::Refusal(refusal) => return Err(ClientError::Refused(refusal)),
            _ => return Err(JsonError::Unexpected.into()),
        }
        let timeless = peer.get_ref().set_read_timeout(None);
        timeless.map_err(|error| self.broken(error))?;
        Ok(Subscription {
            path: self.path.clone(),
            peer,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Link>> {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn broken(&self, source: io::Error) -> ClientError {
        ClientError::Connection {
            path: self.path.clone(),
            source,
        }
    }

    fn dial(&self, patience: impl Into<Option<Duration>>) -> Result<Link, ClientError> {
        let path = self.path.clone();
        let stream = UnixStream::connect(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::NoRecorder { path }
            }
            io::ErrorKind::PermissionDenied => ClientError::NotAllowed { path },
            _ => ClientError::Connection { path, source },
        })?;
        let bounded = stream.set_write_timeout(Some(PATIENCE));
        bounded
            .and_then(|()| stream.set_read_timeout(patience.into()))
            .map_err(|error| self.broken(error))?;
        Ok(BufReader::new(stream))
    }

    /// Asks, hands every line of the answer to `take`, and returns its last.
    fn ask(
        &self,
        request: &Request,
        patience: impl Into<Option<Duration>>,
        mut take: impl FnMut(Reply) -> Result<(), JsonError>,
    ) -> Result<crate::wire::Done, ClientError> {
        let patience = patience.into();
        let mut held = self.lock();
        let (mut peer, first) = match held.take().map(|peer| self.begin(peer, request, patience)) {
            Some(Ok(begun)) => begun,
            // The recorder may have been started anew since.
            Some(Err(_)) | None => self.begin(self.dial(patience)?, request, patience)?,
        };
        let mut reply = first;
        loop {
            match reply {
                Reply::Done(done) => {
                    *held = Some(peer);
                    return Ok(done);
                }
                Reply::Refusal(refusal) => {
                    // After these the recorder hangs up.
                    if !matches!(refusal.error, Kind::Busy | Kind::TooSlow | Kind::Ending) {
                        *held = Some(peer);
                    }
                    return Err(ClientError::Refused(refusal));
                }
                reply => take(reply)?,
            }
            reply = self.receive(&mut peer)?;
        }
    }

    fn begin(
        &self,
        mut peer: Link,
        request: &Request,
        patience: Option<Duration>,
    ) -> Result<(Link, Reply), ClientError> {
        let bounded = peer.get_ref().set_read_timeout(patience);
        bounded.map_err(|error| self.broken(error))?;
        self.send(&mut peer, request)?;
        let reply = self.receive(&mut peer)?;
        Ok((peer, reply))
    }

    fn send(&self, peer: &mut Link, request: &impl Serialize) -> Result<(), ClientError> {
        let mut send = || {
            let mut line = serde_json::to_string(request)?;
            line.push('\n');
            peer.get_mut().write_all(line.as_bytes())
        };
        send().map_err(|error| self.broken(error))
    }

    fn receive(&self, peer: &mut Link) -> Result<Reply, ClientError> {
        let line = next_line(peer).map_err(|error| self.broken(error))?;
        let line = line.ok_or_else(|| self.broken(io::ErrorKind::UnexpectedEof.into()))?;
        Ok(serde_json::from_str(&line).map_err(JsonError::from)?)
    }
}

/// Reads a line; `None` at the end.
fn next_line(peer: &mut Link) -> io::Result<Option<String>> {
    let mut line = String::new();
    Ok((peer.read_line(&mut line)? > 0).then_some(line))
}

impl StatusSource for Client {
    /// Asks the recorder, for two seconds at most; `None` also where it is not there.
    fn outcome(&self, token: &Token) -> Option<Outcome> {
        self.ended(token, When::Now).ok().map(|it| it.outcome)
    }
}

impl From<ClientError> for HistoryError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => Self::Refused(refusal.message),
            error => Self::Recorder(io::Error::other(error)),
        }
    }
}

impl History for Client {
    fn query(&self, query: &Query) -> Result<Answer, HistoryError> {
        let mut answer = Answer::default();
        let done = self.ask(&Request::Query(query.clone()), PATIENCE, |reply| {
            match reply {
                Reply::Line(Line::Record(line)) => answer.records.push(line.to_record()?),
                Reply::Line(Line::Gap(line)) => answer.gaps.push(line.to_gap()?),
                _ => {}
            }
            Ok(())
        })?;
        answer.gaps.sort_by_key(|gap| (gap.from, gap.to));
        answer.next = done.next;
        answer.oldest = done.oldest.as_deref().and_then(parse_time);
        Ok(answer)
    }

    fn outcome(&self, token: &Token) -> Result<Option<Outcome>, HistoryError> {
        match self.ended(token, When::Now) {
            Ok(record) => Ok(Some(record.outcome)),
            Err(ClientError::Refused(refusal))
                if matches!(refusal.error, Kind::NoRecord | Kind::NotYet) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn stats(&self, query: &StatsQuery) -> Result<Stats, HistoryError> {
        let mut stats = Stats::default();
        let done = self.ask(&Request::Stats(query.clone()), PATIENCE, |reply| {
            match reply {
                Reply::Tally(line) => stats.tallies.push(line.to_tally()),
                Reply::Line(Line::Gap(line)) => stats.gaps.push(line.to_gap()?),
                _ => {}
            }
            Ok(())
        })?;
        stats.oldest = done.oldest.as_deref().and_then(parse_time);
        Ok(stats)
    }
}

/// Records as they come. Its descriptor is readable when there may be one.
///
/// As an iterator it blocks, and ends when the recorder does, or has let us go: then the last item
/// is [`ClientError::Refused`] and says how many records were missed.
#[derive(Debug)]
pub struct Subscription {
    path: PathBuf,
    peer: Link,
}

impl Subscription {
    /// Says whether an event can be had without blocking, apart from what the descriptor tells:
    /// lines that came together with earlier ones.
    pub fn has_buffered(&self) -> bool {
        self.peer.buffer().contains(&b'\n')
    }

    fn read(&mut self) -> Result<Option<Event>, ClientError> {
        let line = next_line(&mut self.peer).map_err(|source| ClientError::Connection {
            path: self.path.clone(),
            source,
        })?;
        let Some(line) = line else {
            return Ok(None);
        };
        match serde_json::from_str(&line).map_err(JsonError::from)? {
            Reply::Line(Line::Record(line)) => Ok(Some(Event::Exit(Box::new(line.to_record()?)))),
            Reply::Line(Line::Gap(line)) => Ok(Some(Event::Gap(line.to_gap()?))),
            Reply::Refusal(refusal) => Err(ClientError::Refused(refusal)),
            Reply::Done(_) | Reply::Status(_) | Reply::Tally(_) => {
                Err(JsonError::Unexpected.into())
            }
        }
    }
}

impl Iterator for Subscription {
    type Item = Result<Event, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

impl AsFd for Subscription {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.peer.get_ref().as_fd()
    }
}
