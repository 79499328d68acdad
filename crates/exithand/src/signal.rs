//! Signals by number and by name.

use std::fmt;
use std::str::FromStr;

/// Names of the standard signals by number, as on x86-64, arm64 and riscv (`signal(7)`).
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// Other names of the same signals.
const ALIASES: [(&str, u8); 4] = [("CLD", 17), ("IOT", 6), ("POLL", 29), ("UNUSED", 31)];
/// The first real-time signal a program may use; the C library keeps 32 and 33.
const RTMIN: u8 = 34;
/// The last signal.
const RTMAX: u8 = 64;

/// A signal number, 1 to 64.
///
/// ```
/// use exithand::Signal;
///
/// let kill: Signal = "KILL".parse()?;
/// assert_eq!(kill, "SIGKILL".parse()?);
/// assert_eq!(kill, "9".parse()?);
/// assert_eq!(kill.to_string(), "SIGKILL");
/// # Ok::<(), exithand::ParseSignalError>(())
/// ```
///
/// Source: `signal(7)`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

impl Signal {
    /// Hangup of the controlling terminal.
    pub const HUP: Self = Self(1);
    /// Interrupt from the keyboard.
    pub const INT: Self = Self(2);
    /// Quit from the keyboard, with a core dump.
    pub const QUIT: Self = Self(3);
    /// The signal of `abort(3)`.
    pub const ABRT: Self = Self(6);
    /// The end that no process can handle.
    pub const KILL: Self = Self(9);
    /// Invalid memory reference.
    pub const SEGV: Self = Self(11);
    /// The polite request to end.
    pub const TERM: Self = Self(15);
    /// A child ended, stopped or continued.
    pub const CHLD: Self = Self(17);
    /// Continue if stopped.
    pub const CONT: Self = Self(18);
    /// The stop that no process can handle.
    pub const STOP: Self = Self(19);

    /// Returns the signal with this number; `None` outside 1 to 64.
    pub const fn from_number(number: i32) -> Option<Self> {
        let [low, rest @ ..] = number.to_le_bytes();
        match rest {
            [0, 0, 0] if low >= 1 && low <= RTMAX => Some(Self(low)),
            _ => None,
        }
    }

    /// Returns the signal's number.
    pub fn number(self) -> i32 {
        i32::from(self.0)
    }

    /// Returns the name without its prefix: `KILL`, `RTMIN+1`, or the number where there is none.
    pub fn name(self) -> String {
        match self.0 {
            number @ 1..=31 => NAMES[usize::from(number - 1)].to_owned(),
            RTMIN => "RTMIN".to_owned(),
            number @ RTMIN.. => format!("RTMIN+{}", number - RTMIN),
            number => number.to_string(),
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            32 | 33 => f.pad(&self.name()),
            _ => f.pad(&format!("SIG{}", self.name())),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text names no signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no signal called {0:?}: use a name such as TERM, or a number from 1 to 64")]
pub struct ParseSignalError(String);

impl FromStr for Signal {
    type Err = ParseSignalError;

    /// Reads a name in any case, with or without `SIG`, or a number.
    fn from_str(text: &str) -> Result<Self, ParseSignalError> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        by_number(text)
            .or_else(|| by_name(name))
            .or_else(|| real_time(name))
            .map(Self)
            .ok_or_else(|| ParseSignalError(text.to_owned()))
    }
}

fn by_number(text: &str) -> Option<u8> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| digits && (1..=RTMAX).contains(number))
}

fn by_name(name: &str) -> Option<u8> {
    let standard = NAMES
        .iter()
        .position(|it| *it == name)
        .and_then(|at| u8::try_from(at + 1).ok());
    standard.or_else(|| {
        ALIASES
            .iter()
            .find(|(alias, _)| *alias == name)
            .map(|(_, number)| *number)
    })
}

fn real_time(name: &str) -> Option<u8> {
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(""), _) => Some(RTMIN),
        (_, Some("")) => Some(RTMAX),
        (Some(rest), _) => RTMIN.checked_add(by_offset(rest.strip_prefix('+')?)?),
        (_, Some(rest)) => RTMAX.checked_sub(by_offset(rest.strip_prefix('-')?)?),
        (None, None) => None,
    };
    number.filter(|number| (RTMIN..=RTMAX).contains(number))
}

fn by_offset(digits: &str) -> Option<u8> {
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_reads_back_from_its_own_name_and_number() {
        for number in 1..=64 {
            let signal = Signal::from_number(number).unwrap();
            assert_eq!(signal.to_string().parse(), Ok(signal));
            assert_eq!(signal.name().parse(), Ok(signal));
            assert_eq!(number.to_string().parse(), Ok(signal));
        }
    }

    #[test]
    fn knows_the_names_people_type() {
        for (text, number) in [
            ("kill", 9),
            ("SigTerm", 15),
            ("CLD", 17),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("RTMAX", 64),
        ] {
            assert_eq!(text.parse::<Signal>().unwrap().number(), number, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_signal() {
        for text in [
            "",
            "0",
            "65",
            "-9",
            "+9",
            "SIG",
            "SIGSIGKILL",
            "NOPE",
            "RTMIN+31",
            "RTMIN-1",
        ] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
        assert_eq!(Signal::from_number(0), None);
        assert_eq!(Signal::from_number(-1), None);
        assert_eq!(Signal::from_number(265), None, "no wrap-around");
    }
}
