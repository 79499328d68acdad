//! The recorder: how, why and by whom every process on the machine ended.
//!
//! ```text
//! sources (BPF, or taskstats and the proc connector) -> events -> store -> answers, live stream
//! ```
//!
//! A [source](event::Source) hands over [`Event`]s: one [`ExitRecord`] for each process that ended,
//! and a [`Gap`] wherever records were lost. What is lost is never lost silently.

pub mod bpf;
pub mod choose;
pub mod client;
mod clock;
pub mod connector;
pub mod daemon;
pub mod event;
mod facts;
pub mod filter;
#[doc(hidden)]
pub mod fuzz;
pub mod history;
pub mod json;
pub mod keeper;
pub mod kept;
mod lives;
mod netlink;
pub mod place;
pub mod proc_connector;
pub mod record;
pub mod server;
pub mod sight;
pub mod store;
pub mod taskstats;
pub mod wire;

pub use choose::{Chosen, NoSource, PassedOver, SourceName, choose};
pub use client::Client;
pub use event::{Event, Fill, Gap, LossCause, Source};
pub use filter::{Filter, KillerFilter, OomFilter, OutcomeKind, Pattern};
pub use history::{Answer, GroupBy, History, HistoryError, Order, Query, Stats, StatsQuery, Tally};
pub use record::{Argv, ExitRecord, Killer, Link, Oom, OomScope, Parent, Place, Usage, WallTime};
