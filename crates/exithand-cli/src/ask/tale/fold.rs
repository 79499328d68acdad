//! Lines that fit.

/// Breaks `text` between words, so that no line has more than `width` letters unless a single word
/// has.
pub(super) fn fold(text: &str, width: usize) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut column = 0;
    for word in text.split(' ') {
        let letters = word.chars().count();
        if column > 0 && column + 1 + letters > width {
            folded.push('\n');
            column = 0;
        } else if column > 0 {
            folded.push(' ');
            column += 1;
        }
        folded.push_str(word);
        column += letters;
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn breaks_between_words_only() {
        assert_eq!(fold("one two three", 7), "one two\nthree");
        assert_eq!(fold("one two three", 80), "one two three");
        assert_eq!(fold("a-very-long-word b", 5), "a-very-long-word\nb");
        assert_eq!(fold("", 5), "");
        assert_eq!(
            fold("\u{e9}\u{e9} \u{e9}\u{e9}", 5),
            "\u{e9}\u{e9} \u{e9}\u{e9}"
        );
    }
}
