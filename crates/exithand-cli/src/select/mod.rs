//! Which processes are meant: selectors, and the processes they choose.
//!
//! A [`Selector`] says what to look for. [`scan()`] reads `/proc` once into a [`Table`];
//! [`choose`] picks from it, as a pure function. [`open_matching`] does all of it and hands out
//! handles, each verified after it was opened.

mod args;
mod cgroup;
mod describe;
mod facts;
mod names;
mod pattern;
mod pidfile;
mod scan;
mod selector;
mod table;
mod tty;

pub use args::{NoSuchTree, SelectArgs, Whole};
pub use cgroup::{CgroupChoice, CgroupError, Hierarchy, Membership, Mount};
pub use facts::{Detail, Facts, Gid, ProcPid, Uid};
pub use names::{NameError, group, number, own_when_zero, pid, user};
pub use pattern::{Case, Extent, Pattern, PatternError, Patterns};
pub use pidfile::{ListError, Lock, PidfileError, pid_list, read_pidfile};
pub use scan::{OpenError, Selected, open_matching, scan};
pub use selector::{Ancestors, Pick, Root, Selector, Sense, choose, matches};
pub use table::{Clock, Table};
