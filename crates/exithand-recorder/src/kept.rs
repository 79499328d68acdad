//! The store as the recorder's thread and its readers open it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::keeper::{Keep, OpenStore, Say};
use crate::server::{AnyHistory, OpenHistory};
use crate::store::{Access, Retention, Store, StoreError, StoreWriter, set_access};
use crate::{Event, WallTime};

/// How to open a store.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its file.
    pub path: PathBuf,
    /// How much of it is kept.
    pub retention: Retention,
    /// Who may read it besides its owner.
    pub access: Access,
    /// Since when exits are seen.
    pub since: WallTime,
}

impl Kept {
    /// Opens the store to be written, and says what the administrator should know of it.
    ///
    /// # Errors
    ///
    /// As [`StoreWriter::open`].
    pub fn open(&self, say: &Say) -> Result<Box<dyn Keep>, StoreError> {
        let writer = StoreWriter::open(&self.path, self.retention)?;
        let mut writing = Writing {
            writer,
            say: Arc::clone(say),
        };
        writing.tell();
        let begun = writing.writer.begin(self.since);
        writing.tell();
        begun?;
        set_access(&self.path, self.access)?;
        Ok(Box::new(writing))
    }

    /// Makes what opens the store, with the one that is open already to begin with.
    pub fn opener(self, mut opened: Option<Box<dyn Keep>>, say: Say) -> OpenStore {
        Box::new(move || match opened.take() {
            Some(open) => Ok(open),
            None => self.open(&say).map_err(|error| chain(&error)),
        })
    }

    /// Makes what opens the store to be read.
    pub fn reader(&self) -> OpenHistory {
        let path = self.path.clone();
        Arc::new(move || Ok::<AnyHistory, _>(Box::new(Store::open(&path)?)))
    }
}

struct Writing {
    writer: StoreWriter,
    say: Say,
}

impl Writing {
    /// Says what the administrator should know of the store: damage may show at any write.
    fn tell(&mut self) {
        for notice in self.writer.take_notices() {
            (self.say)(&notice.to_string());
        }
    }
}

impl Keep for Writing {
    fn append(&mut self, events: &[Event]) -> Result<(), String> {
        let appended = self.writer.append(events);
        self.tell();
        appended.map_err(|error| chain(&error))
    }

    fn mark_alive(&mut self) -> Result<(), String> {
        let marked = self.writer.mark_alive(WallTime::now());
        self.tell();
        marked.map_err(|error| chain(&error))
    }

    fn end(self: Box<Self>) -> Result<(), String> {
        let mut writing = *self;
        // With nothing left to write, this meets whatever the end would meet.
        let marked = writing.mark_alive();
        let ended = writing.writer.end(WallTime::now());
        marked.and(ended.map_err(|error| chain(&error)))
    }
}

/// Writes an error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
