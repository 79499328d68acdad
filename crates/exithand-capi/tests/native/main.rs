//! libexithand as C programs get it: compiled, linked, installed, and read about.
#![expect(
    clippy::unwrap_used,
    reason = "a test's helper can do nothing better than to panic"
)]

mod build;
mod examples;
mod install;
mod man_pages;
mod programs;
mod symbols;
