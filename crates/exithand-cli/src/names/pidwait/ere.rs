//! Turns POSIX extended regular expressions, as glibc reads them, into those of the regex crate.
//!
//! Both look alike, but an unmatched `)`, an `&&` in brackets or a `+?` mean other things to each.

use std::iter::Peekable;
use std::str::Chars;

type Refused = &'static str;

// The words of `regerror(3)`.
const NOTHING_TO_REPEAT: Refused = "Invalid preceding regular expression";
const TRAILING_BACKSLASH: Refused = "Trailing backslash";
const UNMATCHED_GROUP: Refused = r"Unmatched ( or \(";
const UNMATCHED_BRACKET: Refused = "Unmatched [, [^, [:, [., or [=";
const UNMATCHED_BRACE: Refused = r"Unmatched \{";
const BAD_INTERVAL: Refused = r"Invalid content of \{\}";
const BAD_CLASS: Refused = "Invalid character class name";
const BAD_COLLATION: Refused = "Invalid collation character";
const BAD_RANGE: Refused = "Invalid range end";
const TOO_BIG: Refused = "Regular expression too big";
// Ours.
const NO_BACK_REFERENCES: Refused = "back-references are not supported";

const REPEAT_MAX: u32 = 32_767;

const CLASSES: [&str; 12] = [
    "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "xdigit",
];

/// Translates an expression; the error says what glibc would say.
pub(super) fn to_regex(expression: &str) -> Result<String, Refused> {
    let mut translator = Translator {
        rest: expression.chars().peekable(),
        out: String::new(),
        groups: Vec::new(),
        last: Last::Nothing,
    };
    translator.run()?;
    Ok(translator.out)
}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    /// Where the open groups start in `out`.
    groups: Vec<usize>,
    last: Last,
}

/// What an operator at this point would repeat, by its start in `out`.
#[derive(Clone, Copy)]
enum Last {
    Nothing,
    Atom(usize),
    Repeated(usize),
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), Refused> {
        while let Some(letter) = self.rest.next() {
            match letter {
                '\\' => self.escape()?,
                '[' => {
                    let start = self.out.len();
                    self.bracket()?;
                    self.last = Last::Atom(start);
                }
                '(' => {
                    self.groups.push(self.out.len());
                    self.operator("(");
                }
                ')' => match self.groups.pop() {
                    Some(start) => {
                        self.out.push(')');
                        self.last = Last::Atom(start);
                    }
                    None => self.literal(')'),
                },
                '|' => self.operator("|"),
                '^' => self.operator("^"),
                '$' => self.operator("$"),
                '*' => self.repeat("*")?,
                '+' => self.repeat("+")?,
                '?' => self.repeat("?")?,
                '{' => self.interval()?,
                '.' => self.atom("."),
                letter => self.literal(letter),
            }
        }
        if self.groups.is_empty() {
            Ok(())
        } else {
            Err(UNMATCHED_GROUP)
        }
    }

    /// Writes what cannot be repeated.
    fn operator(&mut self, text: &str) {
        self.out.push_str(text);
        self.last = Last::Nothing;
    }

    fn atom(&mut self, text: &str) {
        self.last = Last::Atom(self.out.len());
        self.out.push_str(text);
    }

    fn literal(&mut self, letter: char) {
        self.atom(&regex::escape(letter.encode_utf8(&mut [0; 4])));
    }

    fn repeat(&mut self, operator: &str) -> Result<(), Refused> {
        let start = match self.last {
            Last::Nothing => return Err(NOTHING_TO_REPEAT),
            Last::Atom(start) => start,
            Last::Repeated(start) => {
                // `a+?` is `(a+)?` here, and a lazy `a+` there.
                self.out.insert_str(start, "(?:");
                self.out.push(')');
                start
            }
        };
        self.out.push_str(operator);
        self.last = Last::Repeated(start);
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Refused> {
        match self.rest.next().ok_or(TRAILING_BACKSLASH)? {
            letter @ ('w' | 'W' | 's' | 'S') => self.atom(&format!(r"\{letter}")),
            letter @ ('b' | 'B' | '<' | '>') => self.operator(&format!(r"\{letter}")),
            '`' => self.operator(r"\A"),
            '\'' => self.operator(r"\z"),
            '1'..='9' => return Err(NO_BACK_REFERENCES),
            letter => self.literal(letter),
        }
        Ok(())
    }

    /// Reads `m}`, `m,}`, `,n}` or `m,n}`.
    fn interval(&mut self) -> Result<(), Refused> {
        if matches!(self.last, Last::Nothing) {
            return Err(NOTHING_TO_REPEAT);
        }
        let (least, stop) = self.bound()?;
        let most = match (stop, least) {
            (_, Bound::Bad) | ('}', Bound::Absent) => return Err(BAD_INTERVAL),
            ('}', least) => least,
            _ => match self.bound()? {
                (Bound::Bad, _) | (_, ',') => return Err(BAD_INTERVAL),
                (most, _) => most,
            },
        };
        let least = least.number().unwrap_or(0);
        let most = most.number();
        if most.is_some_and(|most| least > most) {
            return Err(BAD_INTERVAL);
        }
        if most.unwrap_or(least) > REPEAT_MAX {
            return Err(TOO_BIG);
        }
        let most = most.map_or_else(String::new, |most| most.to_string());
        self.repeat(&format!("{{{least},{most}}}"))
    }

    /// Reads up to a comma or the closing brace.
    fn bound(&mut self) -> Result<(Bound, char), Refused> {
        let mut bound = Bound::Absent;
        loop {
            let letter = self.rest.next().ok_or(UNMATCHED_BRACE)?;
            bound = match (letter, letter.to_digit(10), bound) {
                (',' | '}', _, bound) => return Ok((bound, letter)),
                (_, Some(digit), Bound::Absent) => Bound::Number(digit),
                (_, Some(digit), Bound::Number(number)) => {
                    Bound::Number((number * 10 + digit).min(REPEAT_MAX + 1))
                }
                _ => Bound::Bad,
            };
        }
    }

    /// Reads a bracket expression, in which a backslash is nothing special.
    fn bracket(&mut self) -> Result<(), Refused> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            match self.rest.next().ok_or(UNMATCHED_BRACKET)? {
                ']' if !first => break,
                '[' if self.rest.next_if_eq(&':').is_some() => self.class()?,
                letter => {
                    let start = self.element(letter)?;
                    self.range_or_letter(start)?;
                }
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    fn class(&mut self) -> Result<(), Refused> {
        let name = self.named(':')?;
        if !CLASSES.contains(&name.as_str()) {
            return Err(BAD_CLASS);
        }
        self.out.extend(["[:", &name, ":]"]);
        Ok(())
    }

    /// Reads the rest of a letter in brackets: `[.x.]` and `[=x=]` are `x`.
    fn element(&mut self, letter: char) -> Result<char, Refused> {
        let kind = match letter {
            '[' => self.rest.next_if(|letter| matches!(letter, '.' | '=')),
            _ => None,
        };
        let Some(kind) = kind else { return Ok(letter) };
        let name = self.named(kind)?;
        let mut letters = name.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) => Ok(letter),
            _ => Err(BAD_COLLATION),
        }
    }

    /// Reads up to `:]`, `.]` or `=]`.
    fn named(&mut self, kind: char) -> Result<String, Refused> {
        let mut name = String::new();
        loop {
            let letter = self.rest.next().ok_or(UNMATCHED_BRACKET)?;
            if letter == kind && self.rest.next_if_eq(&']').is_some() {
                return Ok(name);
            }
            name.push(letter);
        }
    }

    fn range_or_letter(&mut self, start: char) -> Result<(), Refused> {
        let mut ahead = self.rest.clone();
        let is_range = ahead.next() == Some('-') && !matches!(ahead.next(), None | Some(']'));
        self.class_letter(start);
        if is_range {
            self.rest.next();
            let letter = self.rest.next().ok_or(UNMATCHED_BRACKET)?;
            let end = self.element(letter)?;
            if end < start {
                return Err(BAD_RANGE);
            }
            self.out.push('-');
            self.class_letter(end);
        }
        Ok(())
    }

    fn class_letter(&mut self, letter: char) {
        self.out
            .push_str(&regex::escape(letter.encode_utf8(&mut [0; 4])));
    }
}

/// One side of an interval.
#[derive(Clone, Copy)]
enum Bound {
    Absent,
    Number(u32),
    Bad,
}

impl Bound {
    fn number(self) -> Option<u32> {
        match self {
            Self::Number(number) => Some(number),
            Self::Absent | Self::Bad => None,
        }
    }
}

#[cfg(test)]
#[path = "ere_tests.rs"]
mod tests;
