//! The store, against what was put into it.

mod crash;
mod damage;
mod disk;
mod filters;
mod gaps;
mod reading;
mod retention;
mod shell;
mod support;
mod versions;
