//! Reads what the conformance suite prints.

use crate::test::skips::Skip;
use crate::test::tally::Tally;

/// Counts the checks of `suite` in `tally`, and returns those that were skipped or left out.
///
/// What was left out counts as skipped, for reasons that begin with `absent: `.
pub(super) fn read(suite: &str, said: &str, tally: &mut Tally) -> Vec<Skip> {
    let mut skips = Vec::new();
    for line in said.lines() {
        let Some((word, rest)) = line.split_once(' ') else {
            continue;
        };
        let (name, why) = rest.split_once(": ").unwrap_or((rest, ""));
        let test = format!("{suite}::{name}");
        let mut skip = |reason: String| {
            let test = test.clone();
            skips.push(Skip { test, reason });
        };
        match word {
            "ok" => {}
            "FAIL" => tally.failed += 1,
            "skip" => skip(why.to_owned()),
            "absent" => skip(format!("absent: {why}")),
            _ => continue,
        }
        // Like the test programs, which count what is skipped as passed.
        if word != "FAIL" {
            tally.passed += 1;
        }
        tally.names.insert(test);
    }
    skips
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::test::tally::Tally;

    #[test]
    fn tells_what_passed_from_what_was_skipped() {
        let mut tally = Tally::default();
        let said = "ok a\nFAIL b: why: more\nskip c: no root\nabsent d: no token\n\
                    1 passed, 1 failed, 1 skipped, 1 absent\n";
        let skips = read("conformance", said, &mut tally);
        let skips: Vec<_> = skips
            .iter()
            .map(|it| (it.test.as_str(), it.reason.as_str()))
            .collect();
        assert_eq!(
            skips,
            [
                ("conformance::c", "no root"),
                ("conformance::d", "absent: no token")
            ]
        );
        assert_eq!((tally.passed, tally.failed, tally.names.len()), (3, 1, 4));
    }
}
