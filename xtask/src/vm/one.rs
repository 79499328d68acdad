//! Runs one program in a guest of its own, for tests that need a whole machine.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, bail};
use exithand_vm::{End, Frame, Plan, Program, Stream, User};

use super::cpio::Root;
use super::kernels::Kernel;
use super::qemu::Guest;
use super::record::Record;
use super::{filesystem, programs};
use crate::Verdict;

/// Where the program is in the guest.
const PLACE: &str = "/bin/program";

/// What to run.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) program: &'a Path,
    pub(super) args: &'a [String],
    /// The guest's memory, in MiB.
    pub(super) memory: u32,
    pub(super) seconds: u64,
}

/// Boots `kernel`, runs the program as root, passes on what it writes, and ends as it did.
pub(super) fn run(kernel: &Kernel, request: &Request<'_>) -> anyhow::Result<Verdict> {
    programs::ensure_static(request.program)?;
    let init = programs::build_init()?;
    let plan = Plan {
        programs: vec![Program {
            path: PLACE.to_owned(),
            args: request.args.to_owned(),
            env: Vec::new(),
            user: User::Root,
            seconds: request.seconds,
        }],
        ..Plan::default()
    };
    let mut root = filesystem::base(&init, kernel, &plan)?;
    root.copy(PLACE, 0o755, request.program);
    let logs = programs::target_folder().join("logs").join("run");
    let guest = Guest {
        kernel,
        plan: &plan,
        memory: request.memory,
        disks: &[],
        logs: &logs,
    };
    boot(&guest, &root)
}

/// Boots a guest, passes on what the only program of its plan writes, and ends as it did.
pub(super) fn boot(guest: &Guest<'_>, root: &Root) -> anyhow::Result<Verdict> {
    let folder = tempfile::tempdir().context("make a folder for the guest")?;
    let archive = folder.path().join("initramfs");
    filesystem::write(root, &archive)?;
    let mut record = Record::new(1);
    guest.run(&archive, |frame| {
        pass_on(&frame);
        record.add(frame);
    })?;
    if let Some(complaint) = record.complaints.first() {
        bail!("the guest complains: {complaint}");
    }
    match record.programs[0].end {
        Some(End::Exited(status)) => Ok(Verdict::Status(u8::try_from(status)?)),
        Some(End::Killed(signal)) => Ok(Verdict::Status(u8::try_from(128 + signal)?)),
        _ => bail!("the program {}", record.programs[0].ending()),
    }
}

/// A reader who has gone does not stop the guest.
fn pass_on(frame: &Frame) {
    if let Frame::Text { stream, text, .. } = frame {
        let written = match stream {
            Stream::Out => io::stdout().write_all(text),
            Stream::Err => io::stderr().write_all(text),
        };
        written.unwrap_or_default();
    }
}
