//! The line that says who is awaited and for how long; on a terminal only.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Format;
use crate::target::Label;

/// A live line on standard error, or nothing where nobody would see it.
#[derive(Debug)]
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// Shows the line, if standard error is a terminal and the user wants words.
    pub fn start(format: Format) -> Self {
        if format == Format::Quiet || !io::stderr().is_terminal() {
            return Self(None);
        }
        let style = ProgressStyle::with_template("waiting for {wide_msg} {elapsed:>8}");
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_secs(1));
        Self(Some(bar))
    }

    /// Says who is still awaited: the first few of them by name.
    pub fn awaiting<'a>(&self, mut awaited: impl ExactSizeIterator<Item = &'a Label>) {
        const SHOWN: usize = 3;
        let Some(bar) = &self.0 else {
            return;
        };
        let shown: Vec<String> = awaited.by_ref().take(SHOWN).map(Label::to_string).collect();
        let more = match awaited.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        bar.set_message(format!("{}{more}", shown.join(", ")));
    }

    /// Hides the line while `print` writes.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
