//! What a wait set can hold.

use std::os::fd::AsFd;

use rustix::process::Pid;

use crate::file::ExitFile;
use crate::{Error, Exit, ExitHandle, State, Token, Until, WaitOptions};

/// A process that is held, in one of two ways: an [`ExitHandle`] or an [`ExitFile`].
///
/// For code that does not care which. Nobody else can implement it.
pub trait Member: AsFd + Sealed {
    /// Returns the pid, where there is one; see [`ExitHandle::pid`].
    fn pid(&self) -> Option<Pid>;

    /// Returns the name that no later process can have.
    fn token(&self) -> Token;

    /// Says where the process is on its way out. Never blocks.
    ///
    /// # Errors
    ///
    /// As [`ExitHandle::state`] and [`ExitFile::state`].
    fn state(&self) -> Result<State, Error>;

    /// Blocks until the process has ended, or was reaped.
    ///
    /// # Errors
    ///
    /// As [`ExitHandle::wait_with`] and [`ExitFile::wait_with`].
    fn wait_with(&self, options: &WaitOptions<'_>) -> Result<Option<Exit>, Error>;
}

/// What only this crate asks of a member.
pub trait Sealed {
    /// Refuses what can never finish.
    #[doc(hidden)]
    fn refuse(&self, until: Until) -> Result<(), Error>;

    /// Says whether a member that was woken has finished. Never blocks.
    #[doc(hidden)]
    fn is_finished(&self) -> Result<bool, Error>;
}

impl Member for ExitHandle {
    fn pid(&self) -> Option<Pid> {
        self.pid()
    }

    fn token(&self) -> Token {
        self.token()
    }

    fn state(&self) -> Result<State, Error> {
        self.state()
    }

    fn wait_with(&self, options: &WaitOptions<'_>) -> Result<Option<Exit>, Error> {
        self.wait_with(options)
    }
}

impl Sealed for ExitHandle {
    fn refuse(&self, until: Until) -> Result<(), Error> {
        self.refuse_own()?;
        match until {
            Until::Ended => Ok(()),
            Until::Reaped => self.refuse_unseen_reap(),
        }
    }

    fn is_finished(&self) -> Result<bool, Error> {
        // The kernel wakes nobody in vain.
        Ok(true)
    }
}

impl Member for ExitFile {
    fn pid(&self) -> Option<Pid> {
        Some(self.pid())
    }

    fn token(&self) -> Token {
        self.token()
    }

    fn state(&self) -> Result<State, Error> {
        self.state()
    }

    fn wait_with(&self, options: &WaitOptions<'_>) -> Result<Option<Exit>, Error> {
        self.wait_with(options)
    }
}

impl Sealed for ExitFile {
    fn refuse(&self, until: Until) -> Result<(), Error> {
        self.refuse_endless(until)
    }

    fn is_finished(&self) -> Result<bool, Error> {
        Ok(self.state()? != State::Alive)
    }
}
