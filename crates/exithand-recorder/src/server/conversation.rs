//! Lines in, lines out, with bounds.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use serde::Serialize;
use tokio::net::UnixStream;

use crate::wire::{Kind, REQUEST_MAX_BYTES, Refusal};

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Conversation {
    stream: UnixStream,
    /// What came and is not a whole line yet, or not asked for.
    buffer: Vec<u8>,
}

impl Conversation {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Waits for the next request; `None` once the client has gone.
    pub(crate) async fn request(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut searched = 0;
        loop {
            let unseen = self.buffer.get(searched..).unwrap_or_default();
            if let Some(at) = unseen.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(searched + at + 1);
                return Ok(Some(std::mem::replace(&mut self.buffer, rest)));
            }
            searched = self.buffer.len();
            if searched >= REQUEST_MAX_BYTES {
                let message = format!("a request has at most {REQUEST_MAX_BYTES} bytes");
                self.say(&Refusal::new(Kind::Request, message)).await?;
                return Ok(None);
            }
            if !self.receive().await? {
                return Ok(None);
            }
        }
    }

    /// Ends when the client has gone. What it sends meanwhile is kept, as much as a request may have.
    pub(crate) async fn gone(&mut self) {
        while self.buffer.len() < REQUEST_MAX_BYTES {
            if !matches!(self.receive().await, Ok(true)) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    /// Receives something; `false` once there is nothing more.
    async fn receive(&mut self) -> io::Result<bool> {
        let mut piece = [0; 4096];
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(&mut piece) {
                Ok(length) => {
                    self.buffer.extend(piece.get(..length).unwrap_or_default());
                    return Ok(length > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends one object on a line.
    pub(crate) async fn say(&self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.send(text.as_bytes()).await
    }

    /// Sends bytes, as fast as the client reads.
    pub(crate) async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_write(bytes) {
                Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
