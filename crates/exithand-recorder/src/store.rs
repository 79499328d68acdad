//! The history on disk: one SQLite file.

mod error;

pub use error::StoreError;
