//! Counts over time as columns of letters.

/// Which letters a terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// Blocks of eight heights.
    Blocks,
    /// Signs that get darker.
    Ascii,
}

const BLOCKS: [char; 8] = [
    '\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}', '\u{2588}',
];
const SIGNS: [char; 8] = ['.', ':', '-', '=', '+', '*', '#', '@'];

impl Letters {
    /// Chooses by the locale's variables, of which the first that is set and not empty decides.
    pub fn of_locale(mut variable: impl FnMut(&str) -> Option<String>) -> Self {
        let names = ["LC_ALL", "LC_CTYPE", "LANG"];
        let set = names
            .into_iter()
            .filter_map(&mut variable)
            .find(|it| !it.is_empty());
        let utf8 = set.is_some_and(|it| {
            let it = it.to_ascii_lowercase();
            it.ends_with("utf-8") || it.ends_with("utf8")
        });
        if utf8 { Self::Blocks } else { Self::Ascii }
    }
}

/// Draws one letter a count, as high as the count is beside `highest`; what is not 0 is seen.
pub fn plot(counts: &[u64], highest: u64, letters: Letters) -> String {
    let heights = match letters {
        Letters::Blocks => BLOCKS,
        Letters::Ascii => SIGNS,
    };
    let letter = |count: &u64| {
        if *count == 0 {
            return ' ';
        }
        // Rounded up, so that 1 of many is seen.
        let height = u128::from(*count) * 8;
        let height = height.div_ceil(u128::from(highest.max(1))).clamp(1, 8);
        usize::try_from(height - 1).map_or(' ', |at| heights[at.min(7)])
    };
    counts.iter().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_is_seen() {
        let counts = [0, 1, 500, 999, 1000];
        assert_eq!(
            plot(&counts, 1000, Letters::Blocks),
            " \u{2581}\u{2584}\u{2588}\u{2588}"
        );
        assert_eq!(plot(&counts, 1000, Letters::Ascii), " .=@@");
        assert_eq!(plot(&[0, 0], 0, Letters::Ascii), "  ");
        assert_eq!(plot(&[u64::MAX], u64::MAX, Letters::Ascii), "@");
        assert_eq!(plot(&[], 5, Letters::Ascii), "");
    }

    #[test]
    fn the_locale_decides_on_the_letters() {
        let of = |all: &str, lang: &str| {
            Letters::of_locale(|name| match name {
                "LC_ALL" => Some(all.to_owned()),
                "LANG" => Some(lang.to_owned()),
                _ => None,
            })
        };
        assert_eq!(of("", "en_GB.UTF-8"), Letters::Blocks);
        assert_eq!(of("C.utf8", ""), Letters::Blocks);
        assert_eq!(of("C", "en_GB.UTF-8"), Letters::Ascii);
        assert_eq!(of("", ""), Letters::Ascii);
    }
}
