//! Patterns of rules: `*` is any text, `?` any byte.
//!
//! Our own, because in the globs of libraries `*` stops at slashes, which command lines are full
//! of, and the texts matched need not be UTF-8. The time is at most pattern times text.

/// Says whether `pattern` matches all of `text`.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut pos) = (0, 0);
    // Where to go on after the last star: its place, and how much of the text it takes.
    let mut star: Option<(usize, usize)> = None;
    while pos < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, pos));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[pos] => {
                at += 1;
                pos += 1;
            }
            _ => {
                let Some((place, taken)) = star else {
                    return false;
                };
                star = Some((place, taken + 1));
                at = place + 1;
                pos = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn matches_like_a_shell_without_slashes() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "/usr/bin/x", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("/usr/*/x", "/usr/lib/y/x", true),
            ("*java*-jar*", "/bin/java -Xmx -jar a.jar", true),
            ("*aab", "aaaab", true),
            ("a*b*c", "a-b-b-d", false),
            ("**", "x", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer() {
        let text = vec![b'a'; 4096];
        let pattern = "*a".repeat(40) + "b";
        assert!(!matches(pattern.as_bytes(), &text));
    }
}
