//! What a user may call a process: its pid or a token.

use std::path::Path;
use std::str::FromStr;

use exithand::file::ExitFile;
use exithand::{Error, ExitHandle, ParseTokenError, Pid, Token};

/// A process as the user named it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// By number.
    Pid(Pid),
    /// By a name that no later process can have.
    Token(Token),
}

impl Word {
    /// Opens the process.
    ///
    /// # Errors
    ///
    /// As [`ExitHandle::open`] and [`ExitHandle::open_token`].
    pub fn open(self) -> Result<ExitHandle, Error> {
        match self {
            Self::Pid(pid) => ExitHandle::open(pid),
            Self::Token(token) => ExitHandle::open_token(&token),
        }
    }

    /// Opens the process by its exithand files below `root`.
    ///
    /// # Errors
    ///
    /// As [`ExitFile::open`]; [`Error::Ended`] where the files are those of another process than
    /// the token's.
    pub fn open_file(self, root: &Path) -> Result<ExitFile, Error> {
        match self {
            Self::Pid(pid) => ExitFile::open(root, pid),
            Self::Token(token) => {
                let pid = token.pid().ok_or(Error::Ended(token))?;
                let file = ExitFile::open(root, pid)?;
                if file.token().is_same_process(&token) {
                    Ok(file)
                } else {
                    Err(Error::Ended(token))
                }
            }
        }
    }

    /// Returns the pid in the name, if there is one.
    pub fn pid(self) -> Option<Pid> {
        match self {
            Self::Pid(pid) => Some(pid),
            Self::Token(token) => token.pid(),
        }
    }
}

/// The word names no process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseWordError {
    /// Pid 0.
    #[error("pid 0 is no process: pids start at 1")]
    Zero,
    /// A negative number.
    #[error("{0} is no pid: it is negative (process groups are not targets)")]
    Negative(String),
    /// A number that does not fit.
    #[error("{0} is no pid: it is larger than any pid can be")]
    TooLarge(String),
    /// Neither digits nor a token.
    #[error("{0:?} is neither a pid nor a token (PID:INODE); to select by name, use --name")]
    Neither(String),
    /// A malformed token.
    #[error(transparent)]
    Token(#[from] ParseTokenError),
}

impl FromStr for Word {
    type Err = ParseWordError;

    fn from_str(text: &str) -> Result<Self, ParseWordError> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        if digits(text) {
            let number = text
                .parse()
                .map_err(|_overflow| ParseWordError::TooLarge(text.into()))?;
            return Pid::from_raw(number)
                .map(Self::Pid)
                .ok_or(ParseWordError::Zero);
        }
        if text.strip_prefix('-').is_some_and(digits) {
            return Err(ParseWordError::Negative(text.to_owned()));
        }
        // A token starts with a digit; what does not is a name put where a target belongs.
        if text.starts_with(|first: char| first.is_ascii_digit()) && text.contains([':', '~']) {
            return Ok(Self::Token(text.parse()?));
        }
        Err(ParseWordError::Neither(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_pids_and_tokens() {
        assert_eq!("42".parse(), Ok(Word::Pid(Pid::from_raw(42).unwrap())));
        assert_eq!("42:7".parse(), Ok(Word::Token("42:7".parse().unwrap())));
        assert_eq!("42~7".parse(), Ok(Word::Token("42~7".parse().unwrap())));
    }

    #[test]
    fn says_what_is_wrong_with_the_rest() {
        let wrong = |text: &str| text.parse::<Word>().unwrap_err().to_string();
        assert!(wrong("0").contains("start at 1"));
        assert!(wrong("-5").contains("negative"));
        assert!(wrong("2147483648").contains("larger than any pid"));
        assert!(wrong("99999999999999999999").contains("larger than any pid"));
        assert!(wrong("nginx").contains("--name"));
        assert!(wrong("").contains("neither"));
        assert!(wrong("1:").contains("no token"));
        assert!(wrong("1 2").contains("neither"));
    }
}
