//! Result lines, and the sum at the end.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;

use crate::verdict::{Checked, Stop};

/// Who reads the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Prints results as they come, and counts them.
#[derive(Debug)]
pub(crate) struct Report<W> {
    out: W,
    format: Format,
    passed: usize,
    failed: usize,
    absent: usize,
    skipped: usize,
}

impl<W: Write> Report<W> {
    pub(crate) fn new(out: W, format: Format) -> Self {
        Self {
            out,
            format,
            passed: 0,
            failed: 0,
            absent: 0,
            skipped: 0,
        }
    }

    pub(crate) fn add(&mut self, name: &str, verdict: &Checked) -> io::Result<()> {
        let (count, word, detail) = match verdict {
            Ok(()) => (&mut self.passed, "ok", ""),
            Err(Stop::Failed(why)) => (&mut self.failed, "FAIL", why.as_str()),
            Err(Stop::Absent(what)) => (&mut self.absent, "absent", what.as_str()),
            Err(Stop::Skipped(why)) => (&mut self.skipped, "skip", why.as_str()),
        };
        *count += 1;
        match self.format {
            Format::Json => {
                let result = word.to_lowercase();
                let line = json!({ "v": 1, "check": name, "result": result, "detail": detail });
                writeln!(self.out, "{line}")?;
            }
            Format::Text if detail.is_empty() => writeln!(self.out, "{word} {name}")?,
            Format::Text => writeln!(self.out, "{word} {name}: {detail}")?,
        }
        self.out.flush()
    }

    /// Prints the sum; the exit code says whether anything failed.
    pub(crate) fn finish(mut self) -> io::Result<ExitCode> {
        let (passed, failed) = (self.passed, self.failed);
        let (absent, skipped) = (self.absent, self.skipped);
        match self.format {
            Format::Json => {
                let sum = json!({
                    "v": 1, "passed": passed, "failed": failed, "absent": absent, "skipped": skipped,
                });
                writeln!(self.out, "{sum}")?;
            }
            Format::Text => {
                let absent = if absent > 0 {
                    format!(", {absent} absent")
                } else {
                    String::new()
                };
                writeln!(
                    self.out,
                    "{passed} passed, {failed} failed, {skipped} skipped{absent}"
                )?;
            }
        }
        Ok(ExitCode::from(u8::from(failed > 0)))
    }
}
