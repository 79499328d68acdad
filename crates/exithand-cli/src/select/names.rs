//! Users, groups and pids as people write them.

use rustix::process::Pid;

use super::{Gid, ProcPid, Uid};

/// The word names nothing of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// No user of that name is known here.
    #[error("no user is called {0:?}: see `getent passwd`, or give the number")]
    User(String),
    /// No group of that name is known here.
    #[error("no group is called {0:?}: see `getent group`, or give the number")]
    Group(String),
    /// Not a number from 0 on.
    #[error("{0:?} is no number of a process, group or session: write for example 4242")]
    Number(String),
    /// Not a pid.
    #[error("{0:?} is no pid: write a number such as 4242")]
    Pid(String),
}

/// Reads a user: a number, or a name known to the system's name service.
///
/// # Errors
///
/// [`NameError::User`].
pub fn user(word: &str) -> Result<Uid, NameError> {
    decimal(word)
        .or_else(|| uzers::get_user_by_name(word).map(|user| user.uid()))
        .ok_or_else(|| NameError::User(word.to_owned()))
}

/// Reads a group: a number, or a name known to the system's name service.
///
/// # Errors
///
/// [`NameError::Group`].
pub fn group(word: &str) -> Result<Gid, NameError> {
    decimal(word)
        .or_else(|| uzers::get_group_by_name(word).map(|group| group.gid()))
        .ok_or_else(|| NameError::Group(word.to_owned()))
}

/// Reads the number of a parent, process group or session; 0 is `None`.
///
/// # Errors
///
/// [`NameError::Number`].
pub fn number(word: &str) -> Result<ProcPid, NameError> {
    decimal(word)
        .and_then(|number| i32::try_from(number).ok())
        .map(Pid::from_raw)
        .ok_or_else(|| NameError::Number(word.to_owned()))
}

/// Reads a pid.
///
/// # Errors
///
/// [`NameError::Pid`].
pub fn pid(word: &str) -> Result<Pid, NameError> {
    number(word)
        .ok()
        .flatten()
        .ok_or_else(|| NameError::Pid(word.to_owned()))
}

/// Puts our own session or process group where a 0 was written.
pub fn own_when_zero(numbers: &[ProcPid], own: ProcPid) -> Vec<ProcPid> {
    numbers.iter().map(|number| number.or(own)).collect()
}

/// Reads digits and nothing else: no sign, no blanks.
fn decimal(word: &str) -> Option<u32> {
    word.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| word.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_users_and_groups_by_name_and_number() {
        assert_eq!(user("root"), Ok(0));
        assert_eq!(user("4294967294"), Ok(4_294_967_294));
        assert_eq!(group("root"), Ok(0));
        assert_eq!(group("7"), Ok(7));
        for word in [
            "",
            "-1",
            "+1",
            " 1",
            "4294967296",
            "no-such-name",
            "a\0b",
            "ro\u{f6}t",
        ] {
            assert_eq!(user(word), Err(NameError::User(word.to_owned())));
            assert_eq!(group(word), Err(NameError::Group(word.to_owned())));
        }
    }

    #[test]
    fn reads_numbers_of_processes() {
        assert_eq!(number("0"), Ok(None));
        assert_eq!(number("42"), Ok(Pid::from_raw(42)));
        assert_eq!(pid("42"), Ok(Pid::from_raw(42).unwrap()));
        for word in ["", "-1", "+1", "1 ", "0x1", "2147483648", "init"] {
            assert_eq!(number(word), Err(NameError::Number(word.to_owned())));
            assert_eq!(pid(word), Err(NameError::Pid(word.to_owned())));
        }
        assert_eq!(pid("0"), Err(NameError::Pid("0".to_owned())));
    }

    #[test]
    fn zero_is_our_own() {
        let [own, other] = [7, 8].map(Pid::from_raw);
        assert_eq!(own_when_zero(&[None, other], own), [own, other]);
        assert_eq!(
            own_when_zero(&[None], None),
            [None],
            "ours lies outside our pid namespace"
        );
    }
}
