//! Every key of the file, for suggestions and for the manual page.

/// One key of the file.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The table it is in; empty for the top.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What its value is, with the unit.
    pub value: &'static str,
    /// Its default: that of the preset `server`.
    pub default: &'static str,
}

const fn key(
    table: &'static str,
    name: &'static str,
    value: &'static str,
    default: &'static str,
) -> Key {
    Key {
        table,
        name,
        value,
        default,
    }
}

/// All of them, in the order of the manual page.
pub const KEYS: &[Key] = &[
    key("", "preset", "name", "server"),
    key("", "unit", "process, cgroup or auto", "auto"),
    key("levels", "warn", "amount", "12% or 3G"),
    key("levels", "soft", "amount", "8% or 2G"),
    key("levels", "hard", "amount", "4% or 1G"),
    key("levels", "floor", "amount", "1.5% or 256M"),
    key("levels", "target", "amount", "12% or 3G"),
    key("swap", "low", "amount of all swap", "10% or 1T"),
    key("psi", "some", "duration", "200ms"),
    key("psi", "full", "duration", "100ms"),
    key("psi", "window", "duration", "2s"),
    key("thrashing", "percent", "percent of the page cache", "100"),
    key("kill", "grace", "duration", "5s"),
    key("kill", "max-in-flight", "processes", "8"),
    key("kill", "max-per-minute", "processes", "20"),
    key("kill", "min-victim", "size", "1M"),
    key("kill", "base-deadline", "duration", "200ms"),
    key("kill", "rate", "size a second", "2G"),
    key("kill", "horizon", "duration", "2s"),
    key("restart-loop", "kills", "processes", "3"),
    key("restart-loop", "within", "duration", "2m"),
    key("restart-loop", "backoff", "duration", "10s"),
    key("victim", "bands", "list of oom_score_adj", "[500, 0]"),
    key("cgroup", "path", "path", ""),
    key("rule", "name", "pattern", ""),
    key("rule", "exe", "pattern", ""),
    key("rule", "command", "pattern", ""),
    key("rule", "user", "name or number", ""),
    key("rule", "unit", "pattern", ""),
    key("rule", "cgroup", "pattern", ""),
    key("rule", "container", "pattern", ""),
    key("rule", "action", "protect, avoid, prefer or as-unit", ""),
    key("hook", "warn", "list of words", "[]"),
    key("hook", "before", "list of words", "[]"),
    key("hook", "after", "list of words", "[]"),
    key("hook", "timeout", "duration", "5s"),
    key("notify", "desktop", "true or false", "false"),
    key("metrics", "file", "path", ""),
];

/// Returns the known word that is nearest to `word`, if one is near at all.
pub(super) fn near<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let nearest = known.min_by_key(|it| distance(word, it))?;
    let close_enough = 1 + nearest.len() / 3;
    (distance(word, nearest) <= close_enough).then_some(nearest)
}

/// Counts the letters to change, add or take away.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, letter) in from.chars().enumerate() {
        let mut corner = above;
        row[0] = above + 1;
        for (column, other) in to.iter().enumerate() {
            let change = corner + usize::from(letter != *other);
            corner = row[column + 1];
            row[column + 1] = change.min(corner + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_near_word() {
        let known = ["warn", "soft", "hard", "floor", "target", "max-per-minute"];
        for (word, found) in [
            ("flor", Some("floor")),
            ("Hard", Some("hard")),
            ("max_per_minute", Some("max-per-minute")),
            ("zzzzzzzz", None),
        ] {
            assert_eq!(near(word, known.into_iter()), found, "{word}");
        }
    }
}
