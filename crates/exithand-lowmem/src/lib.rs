//! The low-memory killer: one victim at a time, and really gone before the next.
//!
//! It decides by what is available *and what victims in flight still owe*, so a victim that is slow
//! to die costs nobody else's life. The decisions are pure: [`decide`](decide::decide) says whether
//! somebody has to die, [`rank`](choose::rank) says who. [`Ledger`](ledger::Ledger) keeps the
//! victims until their handles say that they are gone.

pub mod candidate;
pub mod choose;
pub mod config;
pub mod daemon;
pub mod decide;
pub mod family;
mod glob;
pub mod guard;
pub mod hook;
pub mod ledger;
pub mod level;
pub mod limit;
mod name;
mod number;
pub mod policy;
pub mod reading;
pub mod record;
pub mod rule;
mod sys;

pub use name::Name;
