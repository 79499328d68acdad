//! The recorder: how, why and by whom every process on the machine ended.
//!
//! ```text
//! sources (BPF, or taskstats and the proc connector) -> events -> store -> answers, live stream
//! ```
//!
//! A [source](event::Source) hands over [`Event`]s: one [`ExitRecord`] for each process that ended,
//! and a [`Gap`] wherever records were lost. What is lost is never lost silently.

pub mod event;
pub mod record;

pub use event::{Event, Gap, LossCause, Source};
pub use record::{Argv, ExitRecord, Killer, Link, Oom, OomScope, Parent, Place, Usage, WallTime};
