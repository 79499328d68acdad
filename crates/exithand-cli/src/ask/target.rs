//! What `why` may be asked about: a pid, a token, a name, a unit or a container.

use exithand::{ParseTokenError, Pid, Token};
use exithand_recorder::{Filter, Pattern};

/// The kinds of units, as their names end; the first is that of a name without one.
pub const UNIT_KINDS: [&str; 11] = [
    "service",
    "scope",
    "slice",
    "socket",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "device",
];

/// The shortest beginning of a container's id that is taken for one.
const SHORTEST_ID: usize = 6;

/// Says whether a word ends like the name of a unit.
pub fn is_unit(word: &str) -> bool {
    word.rsplit_once('.')
        .is_some_and(|(name, kind)| !name.is_empty() && UNIT_KINDS.contains(&kind))
}

/// The word can be the name of nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTargetError {
    /// It is empty.
    #[error("the target is empty: name a pid, a token, a program, a unit or a container")]
    Empty,
    /// Pid 0.
    #[error("pid 0 is no process: pids start at 1")]
    Zero,
    /// A malformed token.
    #[error(transparent)]
    Token(#[from] ParseTokenError),
}

/// What a word may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The pid, where it is one.
    pub pid: Option<Pid>,
    /// What to ask for, the likeliest meaning first.
    pub readings: Vec<Filter>,
}

/// Reads what `why` is asked about.
///
/// # Errors
///
/// For what can be the name of nothing.
pub fn parse(word: &str) -> Result<Target, ParseTargetError> {
    let digits = !word.is_empty() && word.bytes().all(|it| it.is_ascii_digit());
    if word.is_empty() {
        return Err(ParseTargetError::Empty);
    }
    if let (true, Ok(number)) = (digits, word.parse::<i32>()) {
        let pid = Pid::from_raw(number).ok_or(ParseTargetError::Zero)?;
        let pids = vec![number.unsigned_abs()];
        return Ok(Target {
            pid: Some(pid),
            readings: vec![Filter {
                pids,
                ..Filter::default()
            }],
        });
    }
    if let Some(token) = token(word)? {
        return Ok(Target {
            pid: None,
            readings: vec![Filter {
                token: Some(token),
                ..Filter::default()
            }],
        });
    }
    let named = by_name(Pattern::new(word));
    let readings = if is_unit(word) {
        vec![by_unit(Pattern::new(word)), named]
    } else {
        let service = format!("{word}.{}", UNIT_KINDS[0]);
        let container = is_id(word).then(|| by_container(word));
        [Some(named), Some(by_unit(Pattern::new(service))), container]
            .into_iter()
            .flatten()
            .collect()
    };
    Ok(Target {
        pid: None,
        readings,
    })
}

/// Reads a token: two numbers and what is between them, where a name would hardly have it.
fn token(word: &str) -> Result<Option<Token>, ParseTokenError> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    match word.split_once([':', '~']) {
        Some((pid, _)) if number(pid) => word.parse().map(Some),
        _ => Ok(None),
    }
}

fn is_id(word: &str) -> bool {
    word.len() >= SHORTEST_ID && word.bytes().all(|it| it.is_ascii_hexdigit())
}

fn by_name(pattern: Pattern) -> Filter {
    Filter {
        names: vec![pattern],
        ..Filter::default()
    }
}

fn by_unit(pattern: Pattern) -> Filter {
    Filter {
        units: vec![pattern],
        ..Filter::default()
    }
}

fn by_container(word: &str) -> Filter {
    let id = word.to_ascii_lowercase();
    Filter {
        containers: vec![Pattern::new(format!("{id}*"))],
        ..Filter::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(word: &str) -> Vec<Filter> {
        parse(word).unwrap().readings
    }

    #[test]
    fn a_number_is_a_pid() {
        let target = parse("4242").unwrap();
        assert_eq!(target.pid, Pid::from_raw(4242));
        assert_eq!(target.readings[0].pids, [4242]);
        assert_eq!(parse("0"), Err(ParseTargetError::Zero));
    }

    #[test]
    fn a_token_is_nothing_else() {
        let token = "4242:918273".parse().unwrap();
        let asked = readings("4242:918273");
        assert_eq!(asked[0].token, Some(token));
        assert_eq!(asked.len(), 1);
        assert!(matches!(parse("4242:"), Err(ParseTargetError::Token(_))));
        // A name with a colon is still a name.
        assert_eq!(readings("kworker/0:1").len(), 2);
    }

    #[test]
    fn a_word_is_a_name_then_a_service_then_a_container() {
        let service = by_unit(Pattern::new("nginx.service"));
        assert_eq!(readings("nginx"), [by_name(Pattern::new("nginx")), service]);
        let asked = readings("0F3C1b2a4d5e");
        assert_eq!(asked[2], by_container("0f3c1b2a4d5e"));
        // No pid has so many digits.
        assert_eq!(readings("123456789012")[2], by_container("123456789012"));
        assert_eq!(readings("bad").len(), 2, "too short for a container");
    }

    #[test]
    fn a_unit_is_a_unit_first() {
        let asked = readings("nginx.service");
        assert_eq!(asked[0], by_unit(Pattern::new("nginx.service")));
        assert!(is_unit("session-4.scope") && !is_unit(".service") && !is_unit("a.out"));
    }

    #[test]
    fn nothing_is_no_target() {
        assert_eq!(parse(""), Err(ParseTargetError::Empty));
    }
}
