//! The history on disk: one SQLite file, which `docs/store.md` describes to its readers.
//!
//! ```text
//! StoreWriter --append--> exit, killer, oom, gap --> Store (History)
//!                         program, command, place, boot: shared rows
//!                         span: which ids ended when, instead of an index by time
//! ```

mod clock;
mod condition;
mod error;
mod files;
mod insert;
mod intern;
mod reader;
mod retention;
mod row;
mod schema;
mod stats;
mod words;
mod writer;

use std::time::Duration;

pub use clock::{Clock, Moment, SystemClock};
pub use error::StoreError;
pub use files::{Access, set_access};
pub use reader::Store;
pub use retention::Retention;
pub use writer::{Notice, StoreWriter};

/// How long to wait for another program that holds the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
