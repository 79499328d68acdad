//! The `exithand` command, as a library so that its parts can be tested and fuzzed.
//!
//! Each subcommand has a module with its arguments (`Args`, whose doc comments are the help) and
//! a function `run`, which writes results to the writer it is given. [`app`] ties them together.

pub mod app;
pub mod ask;
pub mod cli;
pub mod completions;
pub mod doctor;
pub mod duration;
pub mod end_args;
pub mod exit_code;
pub mod failure;
pub mod history;
pub mod id;
pub mod install_names;
pub mod kill;
pub mod kill_command;
pub mod limits;
pub mod lowmem_command;
pub mod mount_command;
pub mod names;
pub mod output;
pub mod pid_space;
pub mod progress;
pub mod record;
pub mod record_command;
pub mod reuse;
pub mod select;
pub mod stats;
mod sys;
pub mod tally;
pub mod target;
pub mod text;
pub mod wait;
pub mod watch;
pub mod why;
pub mod word;
