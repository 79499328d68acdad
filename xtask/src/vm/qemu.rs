//! Boots a guest, hears what it tells, and does not wait for ever.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use exithand_vm::{Frame, Plan};

use super::kernels::Kernel;

/// How long a guest may take from its start to its first word. Two seconds are usual.
const BOOT: Duration = Duration::from_mins(2);
/// How long it may take between two programs, and to turn itself off.
const PAUSE: Duration = Duration::from_secs(30);
/// The last lines of the console that are shown when something is wrong.
const TAIL: usize = 40;
/// What a kernel says when it found a bug in itself.
const TROUBLE: [&str; 5] = [
    "WARNING: ",
    "BUG: ",
    "Oops: ",
    "Kernel panic",
    "general protection fault",
];

/// A guest to boot.
#[derive(Debug)]
pub(super) struct Guest<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) plan: &'a Plan,
    /// How much memory it has, in MiB.
    pub(super) memory: u32,
    /// The images of its disks, `/dev/vda` first.
    pub(super) disks: &'a [PathBuf],
    /// Where its logs go.
    pub(super) logs: &'a Path,
}

impl Guest<'_> {
    /// Boots with the archive of its first filesystem, gives each frame to `heard`, and returns when the guest has turned itself off.
    ///
    /// # Errors
    /// Where the guest hangs, panics or turns itself off early: with the end of its console's log.
    pub(super) fn run(
        &self,
        filesystem: &Path,
        mut heard: impl FnMut(Frame),
    ) -> anyhow::Result<()> {
        let console = self.log("console")?;
        let mut frames = File::create(self.log("frames")?).context("make a log")?;
        let mut machine = self.start(filesystem, &console)?;
        let lines = lines(machine.0.stdout.take().context("no pipe from qemu")?);
        let mut deadline = Instant::now() + BOOT;
        let mut is_done = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    bail!("the guest hangs\n{}", self.last_words(&console))
                }
            };
            frames.write_all(&line)?;
            let Some(frame) = Frame::parse(line.strip_suffix(b"\n").unwrap_or(&line)) else {
                continue;
            };
            deadline = self.next_deadline(&frame).unwrap_or(deadline);
            is_done |= frame == Frame::Off;
            heard(frame);
        }
        machine.0.wait().context("wait for qemu")?;
        if !is_done {
            bail!("the guest broke off\n{}", self.last_words(&console));
        }
        if let Some(line) = trouble(&read(&console)) {
            bail!(
                "the kernel complains: {line}\n{}",
                self.last_words(&console)
            );
        }
        Ok(())
    }

    fn start(&self, filesystem: &Path, console: &Path) -> anyhow::Result<Machine> {
        let mut qemu = Command::new("qemu-system-x86_64");
        // Software emulation, which is there on every machine and the same on all.
        qemu.args(["-accel", "tcg,thread=multi", "-smp", "2"])
            // Without a source of chance, who asks the kernel for random bytes waits for minutes.
            .args(["-cpu", "qemu64,+rdrand"])
            .args([
                "-nodefaults",
                "-no-user-config",
                "-display",
                "none",
                "-no-reboot",
            ])
            .args(["-m", &self.memory.to_string()])
            .arg("-kernel")
            .arg(&self.kernel.image)
            .arg("-initrd")
            .arg(filesystem)
            .args(["-append", "console=ttyS0 loglevel=5 panic=-1 oops=panic"])
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .args(["-serial", "stdio"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        for disk in self.disks {
            let image = format!("file={},format=raw,if=virtio", disk.display());
            qemu.arg("-drive").arg(image);
        }
        Ok(Machine(qemu.spawn().context("start qemu-system-x86_64")?))
    }

    /// By when the next frame but text has to come.
    fn next_deadline(&self, frame: &Frame) -> Option<Instant> {
        let patience = match frame {
            Frame::Start(number) => {
                let program = self.plan.programs.get(*number);
                PAUSE + Duration::from_secs(program.map_or(0, |it| it.seconds))
            }
            Frame::Text { .. } => return None,
            // Now the system on the disk starts.
            Frame::Up(_) if self.plan.disk.is_some() => BOOT,
            _ => PAUSE,
        };
        Some(Instant::now() + patience)
    }

    fn log(&self, kind: &str) -> anyhow::Result<PathBuf> {
        fs::create_dir_all(self.logs).with_context(|| format!("make {}", self.logs.display()))?;
        Ok(self.logs.join(format!("{}.{kind}.log", self.kernel.name)))
    }

    fn last_words(&self, console: &Path) -> String {
        let text = read(console);
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL)..];
        format!(
            "{}\nthe whole log of {}: {}",
            tail.join("\n"),
            self.kernel.name,
            console.display()
        )
    }
}

/// A running machine, which does not outlive the run.
#[derive(Debug)]
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // Both fail only where it has ended, which is what is wanted.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The lines of a stream, with their ends, as they come.
fn lines(stream: ChildStdout) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            let is_last = !matches!(stream.read_until(b'\n', &mut line), Ok(1..));
            if is_last || sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// What a console said, without what moves its cursor.
fn read(console: &Path) -> String {
    let bytes = fs::read(console).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace(['\r', '\u{1b}'], "")
}

/// The first line that tells of a bug in the kernel.
fn trouble(console: &str) -> Option<&str> {
    let is_trouble = |line: &&str| TROUBLE.iter().any(|it| line.contains(it));
    console.lines().find(is_trouble)
}

#[cfg(test)]
mod tests {
    use super::trouble;

    #[test]
    fn tells_bugs_of_the_kernel_from_its_other_words() {
        let console =
            "[    0.1] Linux version 6.1\n[    9.5] Memory cgroup out of memory: Killed\n";
        assert_eq!(trouble(console), None);
        for line in [
            "[    5.0] BUG: sleeping function called from invalid context at kernel/exit.c:1",
            "[    5.0] WARNING: CPU: 0 PID: 1 at kernel/pid.c:1 f+0x1/0x2",
            "[    5.0] Kernel panic - not syncing: Attempted to kill init!",
        ] {
            assert_eq!(trouble(&format!("{console}{line}\n")), Some(line));
        }
    }
}
