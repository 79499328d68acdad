//! Command lines as `getopt(3)` reads them, abbreviations and messages included, since scripts
//! were written against it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// Whose `getopt` to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `getopt_long` of glibc: long options, and options after operands.
    Gnu,
    /// `getopt` of FreeBSD: one letter each, and all before the first operand.
    Bsd,
}

/// One option of a tool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag<K> {
    key: K,
    short: Option<u8>,
    long: &'static str,
    takes: Takes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
}

impl<K> Flag<K> {
    /// An option that stands alone. `long` is empty where there is only a letter.
    pub(super) const fn alone(key: K, short: Option<u8>, long: &'static str) -> Self {
        Self {
            key,
            short,
            long,
            takes: Takes::Nothing,
        }
    }

    /// An option that takes a value.
    pub(super) const fn value(key: K, short: Option<u8>, long: &'static str) -> Self {
        Self {
            key,
            short,
            long,
            takes: Takes::Value,
        }
    }
}

/// What is wrong with a command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misuse {
    UnknownShort(Dialect, char),
    ShortWithoutValue(Dialect, char),
    UnknownLong(String),
    Ambiguous(String, Vec<&'static str>),
    LongWithoutValue(&'static str),
    UnwantedValue(&'static str),
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownShort(Dialect::Gnu, letter) => write!(f, "invalid option -- '{letter}'"),
            Self::UnknownShort(Dialect::Bsd, letter) => write!(f, "illegal option -- {letter}"),
            Self::ShortWithoutValue(Dialect::Gnu, letter) => {
                write!(f, "option requires an argument -- '{letter}'")
            }
            Self::ShortWithoutValue(Dialect::Bsd, letter) => {
                write!(f, "option requires an argument -- {letter}")
            }
            Self::UnknownLong(text) => write!(f, "unrecognized option '--{text}'"),
            Self::Ambiguous(text, possible) => {
                write!(f, "option '--{text}' is ambiguous; possibilities:")?;
                possible
                    .iter()
                    .try_for_each(|long| write!(f, " '--{long}'"))
            }
            Self::LongWithoutValue(long) => write!(f, "option '--{long}' requires an argument"),
            Self::UnwantedValue(long) => write!(f, "option '--{long}' doesn't allow an argument"),
        }
    }
}

/// Goes through a command line, one option at a time, and keeps the operands.
#[derive(Debug)]
pub(super) struct Getopt<'a, K> {
    dialect: Dialect,
    flags: &'a [Flag<K>],
    args: &'a [OsString],
    /// Letters of the present argument that are still to be read.
    cluster: &'a [u8],
    operands: Vec<&'a OsStr>,
}

impl<'a, K: Copy + PartialEq> Getopt<'a, K> {
    pub(super) fn new(dialect: Dialect, flags: &'a [Flag<K>], args: &'a [OsString]) -> Self {
        Self {
            dialect,
            flags,
            args,
            cluster: &[],
            operands: Vec::new(),
        }
    }

    /// Returns the next option and its value, empty for one that takes none.
    pub(super) fn next(&mut self) -> Result<Option<(K, &'a OsStr)>, Misuse> {
        while self.cluster.is_empty() {
            let Some((arg, rest)) = self.args.split_first() else {
                return Ok(None);
            };
            self.args = rest;
            match (arg.as_bytes(), self.dialect) {
                (b"--", _) => self.stop(),
                ([b'-', b'-', long @ ..], Dialect::Gnu) => return self.long(long).map(Some),
                ([b'-', letters @ ..], _) if !letters.is_empty() => self.cluster = letters,
                (_, Dialect::Gnu) => self.operands.push(arg),
                (_, Dialect::Bsd) => {
                    self.operands.push(arg);
                    self.stop();
                }
            }
        }
        self.short().map(Some)
    }

    /// Returns what is no option, once [`next`](Self::next) has come to the end.
    pub(super) fn into_operands(self) -> Vec<&'a OsStr> {
        self.operands
    }

    /// Takes all that is left for operands.
    fn stop(&mut self) {
        self.operands
            .extend(self.args.iter().map(OsString::as_os_str));
        self.args = &[];
    }

    fn value(&mut self) -> Option<&'a OsStr> {
        let (value, rest) = self.args.split_first()?;
        self.args = rest;
        Some(value)
    }

    fn short(&mut self) -> Result<(K, &'a OsStr), Misuse> {
        let letter = self.cluster[0];
        self.cluster = &self.cluster[1..];
        let flag = self.flags.iter().find(|flag| flag.short == Some(letter));
        let flag = flag.ok_or(Misuse::UnknownShort(self.dialect, char::from(letter)))?;
        let value = match flag.takes {
            Takes::Nothing => return Ok((flag.key, OsStr::new(""))),
            Takes::Value if self.cluster.is_empty() => self.value(),
            Takes::Value => Some(OsStr::from_bytes(std::mem::take(&mut self.cluster))),
        };
        let missing = Misuse::ShortWithoutValue(self.dialect, char::from(letter));
        Ok((flag.key, value.ok_or(missing)?))
    }

    fn long(&mut self, text: &'a [u8]) -> Result<(K, &'a OsStr), Misuse> {
        let equals = text.iter().position(|byte| *byte == b'=');
        let (name, value) = match equals {
            Some(at) => (&text[..at], Some(OsStr::from_bytes(&text[at + 1..]))),
            None => (text, None),
        };
        let flag = find_long(self.flags, name, text)?;
        match (flag.takes, value) {
            (Takes::Nothing, None) => Ok((flag.key, OsStr::new(""))),
            (Takes::Nothing, Some(_)) => Err(Misuse::UnwantedValue(flag.long)),
            (Takes::Value, Some(value)) => Ok((flag.key, value)),
            (Takes::Value, None) => {
                let value = self.value().ok_or(Misuse::LongWithoutValue(flag.long))?;
                Ok((flag.key, value))
            }
        }
    }
}

/// Finds an option by its name or by a beginning that only it has.
fn find_long<K>(flags: &[Flag<K>], name: &[u8], text: &[u8]) -> Result<Flag<K>, Misuse>
where
    K: Copy + PartialEq,
{
    let fits = |flag: &&Flag<K>| !flag.long.is_empty() && flag.long.as_bytes().starts_with(name);
    let fitting: Vec<&Flag<K>> = flags.iter().filter(fits).collect();
    let exact = fitting.iter().find(|flag| flag.long.as_bytes() == name);
    let text = || String::from_utf8_lossy(text).into_owned();
    match (exact, fitting.as_slice()) {
        (Some(flag), _) => Ok(**flag),
        (None, []) => Err(Misuse::UnknownLong(text())),
        (None, [first, rest @ ..]) if rest.iter().all(|flag| flag.key == first.key) => Ok(**first),
        (None, several) => {
            let possible = several.iter().map(|flag| flag.long).collect();
            Err(Misuse::Ambiguous(text(), possible))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag<char>] = &[
        Flag::alone('v', Some(b'v'), "verbose"),
        Flag::alone('V', Some(b'V'), "version"),
        Flag::value('t', Some(b't'), "timeout"),
        Flag::value('n', None, "ns"),
        Flag::value('l', None, "nslist"),
        Flag::alone('q', Some(b'q'), ""),
    ];

    /// Reads a command line; returns `v t=5 | operand operand`, or the complaint.
    fn read(dialect: Dialect, line: &str) -> String {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let mut getopt = Getopt::new(dialect, FLAGS, &args);
        let mut seen: Vec<String> = Vec::new();
        loop {
            match getopt.next() {
                Ok(Some((key, value))) if value.is_empty() => seen.push(key.to_string()),
                Ok(Some((key, value))) => seen.push(format!("{key}={}", value.display())),
                Ok(None) => break,
                Err(misuse) => return misuse.to_string(),
            }
        }
        let operands = getopt.into_operands();
        seen.extend(
            operands
                .iter()
                .map(|operand| format!("| {}", operand.display())),
        );
        seen.join(" ")
    }

    #[test]
    fn reads_as_glibc_does() {
        for (line, read_as) in [
            ("-v 1 2", "v | 1 | 2"),
            ("1 -v 2 -t 5", "v t=5 | 1 | 2"),
            ("-vt5 1", "v t=5 | 1"),
            ("-vt 5 1", "v t=5 | 1"),
            ("--timeout=5 1", "t=5 | 1"),
            ("--timeout 5 1", "t=5 | 1"),
            ("--time 5 1", "t=5 | 1"),
            ("--ns 4 1", "n=4 | 1"),
            ("--nsl=pid 1", "l=pid | 1"),
            ("-v -- -t 1", "v | -t | 1"),
            ("1 - 2", "| 1 | - | 2"),
            ("-t -- 1", "t=-- | 1"),
            ("-x 1", "invalid option -- 'x'"),
            ("-vx 1", "invalid option -- 'x'"),
            ("1 -t", "option requires an argument -- 't'"),
            ("--nope=3 1", "unrecognized option '--nope=3'"),
            ("--timeout", "option '--timeout' requires an argument"),
            ("--verb=1", "option '--verbose' doesn't allow an argument"),
            (
                "--ver",
                "option '--ver' is ambiguous; possibilities: '--verbose' '--version'",
            ),
        ] {
            assert_eq!(read(Dialect::Gnu, line), read_as, "{line:?}");
        }
    }

    #[test]
    fn reads_as_freebsd_does() {
        for (line, read_as) in [
            ("-vt5 1 -v", "v t=5 | 1 | -v"),
            ("-- -v", "| -v"),
            ("-x 1", "illegal option -- x"),
            ("--verbose", "illegal option -- -"),
            ("-t", "option requires an argument -- t"),
        ] {
            assert_eq!(read(Dialect::Bsd, line), read_as, "{line:?}");
        }
    }
}
