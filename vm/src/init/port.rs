//! The serial port to the host.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};

use exithand_vm::{Frame, PORT};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// The port, in raw mode.
pub(crate) struct Port(File);

impl Port {
    /// Opens the port, which the kernel calls a terminal.
    pub(crate) fn open() -> io::Result<Self> {
        let port = OpenOptions::new().read(true).write(true).open(PORT)?;
        let mut terminal = tcgetattr(&port)?;
        terminal.make_raw();
        tcsetattr(&port, OptionalActions::Now, &terminal)?;
        Ok(Self(port))
    }

    /// Sends one frame.
    pub(crate) fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.0.write_all(&frame.to_line())
    }
}
