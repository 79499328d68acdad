//! Gaps in the history, in words.

use exithand_recorder::{Gap, LossCause};

use super::amount::counted;
use super::scene::Scene;

/// Says what may be missing, as a sentence.
pub fn sentence(gap: &Gap, scene: &Scene) -> String {
    format!("Records may be missing here: {}.", words(gap, scene))
}

/// Says what is missing: `14 records were lost between ... and ... (the kernel's buffer was full)`.
pub fn words(gap: &Gap, scene: &Scene) -> String {
    let (from, to) = (scene.local(gap.from), scene.local(gap.to));
    if gap.cause == LossCause::NotRunning {
        return format!("no recorder was running between {from} and {to}");
    }
    let lost = match gap.lost {
        Some(1) => "1 record was lost".to_owned(),
        Some(count) => format!("{} were lost", counted(count, "record")),
        None => "records were lost".to_owned(),
    };
    let cause = match gap.cause {
        LossCause::RingFull | LossCause::SocketFull => "the kernel's buffer was full",
        LossCause::StoreBehind => "the store could not take them",
        cause => cause.as_str(),
    };
    format!("{lost} between {from} and {to} ({cause})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::scene::tests::{at, scene};

    #[test]
    fn every_cause_has_words() {
        let gap = |lost, cause| Gap {
            from: at("2026-11-24T12:42:00Z"),
            to: at("2026-11-24T12:42:09Z"),
            lost,
            cause,
        };
        for (gap, text) in [
            (
                gap(Some(14), LossCause::RingFull),
                "14 records were lost between 2026-11-24 13:42:00 and 2026-11-24 13:42:09 \
                 (the kernel's buffer was full)",
            ),
            (
                gap(Some(1), LossCause::StoreBehind),
                "1 record was lost between 2026-11-24 13:42:00 and 2026-11-24 13:42:09 \
                 (the store could not take them)",
            ),
            (
                gap(None, LossCause::NotRunning),
                "no recorder was running between 2026-11-24 13:42:00 and 2026-11-24 13:42:09",
            ),
        ] {
            assert_eq!(words(&gap, &scene()), text);
        }
    }
}
