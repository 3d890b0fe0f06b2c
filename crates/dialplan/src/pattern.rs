//! The pattern language: `exact`, `prefix*`, `*suffix` and `*`.
//!
//! A star that is meant literally is written `\*`, a backslash `\\`. So `\*43` is the number *43, and `*43` is
//! every number that ends in 43.

/// Longest pattern, in characters.
pub const MAX_PATTERN_CHARS: usize = 64;

/// A parsed pattern. The order is the order of precedence: the more specific first, except that a longer prefix or
/// suffix goes before a shorter one (see [`Pattern::generality`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// The whole number.
    Exact(String),
    /// Numbers that begin so; the text itself is one of them.
    Prefix(String),
    /// Numbers that end so; the text itself is one of them.
    Suffix(String),
    /// Every number.
    Any,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing there.
    #[error("a pattern is never empty")]
    Empty,
    /// More than [`MAX_PATTERN_CHARS`].
    #[error("a pattern has at most {MAX_PATTERN_CHARS} characters")]
    TooLong,
    /// A star that is neither first nor last, or both.
    #[error("a star stands for the rest of a number only at one end of the pattern")]
    MisplacedStar,
    /// A backslash before something that needs none.
    #[error("a backslash stands only before a star or another backslash")]
    BadEscape,
    /// A blank or control character.
    #[error("a number holds no blanks or control characters")]
    BadCharacter,
}

impl PatternError {
    /// The smallest change that mends it.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Empty => "write * to match every number",
            Self::TooLong => "shorten it",
            Self::MisplacedStar => {
                "keep one star at the beginning or the end, and write a literal star as \\*"
            }
            Self::BadEscape => "write \\* for a literal star, \\\\ for a backslash",
            Self::BadCharacter => "remove them",
        }
    }
}

/// One character of a pattern after escapes are taken away.
#[derive(Clone, Copy, PartialEq)]
enum Symbol {
    Literal(char),
    Star,
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.chars().count() > MAX_PATTERN_CHARS {
            return Err(PatternError::TooLong);
        }
        let symbols = symbols(text)?;
        match symbols.as_slice() {
            [] => Err(PatternError::Empty),
            [Symbol::Star] => Ok(Self::Any),
            [Symbol::Star, rest @ ..] => literals(rest).map(Self::Suffix),
            [rest @ .., Symbol::Star] => literals(rest).map(Self::Prefix),
            all => literals(all).map(Self::Exact),
        }
    }

    /// Whether `number` matches. [`crate::Dialplan`] does not call this for each route; it is the meaning that the
    /// index must agree with.
    pub fn matches(&self, number: &str) -> bool {
        match self {
            Self::Exact(text) => number == text,
            Self::Prefix(text) => number.starts_with(text.as_str()),
            Self::Suffix(text) => number.ends_with(text.as_str()),
            Self::Any => true,
        }
    }

    /// 0 for an exact pattern, rising as more numbers match: what is more specific sorts first.
    pub fn generality(&self) -> usize {
        match self {
            Self::Exact(_) => 0,
            Self::Prefix(text) | Self::Suffix(text) => {
                1 + MAX_PATTERN_CHARS.saturating_sub(text.chars().count())
            }
            Self::Any => usize::MAX,
        }
    }
}

fn symbols(text: &str) -> Result<Vec<Symbol>, PatternError> {
    let mut symbols = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        symbols.push(match character {
            '\\' => match rest.next() {
                Some(escaped @ ('*' | '\\')) => Symbol::Literal(escaped),
                _ => return Err(PatternError::BadEscape),
            },
            '*' => Symbol::Star,
            _ if character.is_whitespace() || character.is_control() => {
                return Err(PatternError::BadCharacter);
            }
            _ => Symbol::Literal(character),
        });
    }
    Ok(symbols)
}

fn literals(symbols: &[Symbol]) -> Result<String, PatternError> {
    symbols
        .iter()
        .map(|symbol| match symbol {
            Symbol::Literal(character) => Ok(*character),
            Symbol::Star => Err(PatternError::MisplacedStar),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_kinds() {
        assert_eq!(Pattern::parse("1001"), Ok(Pattern::Exact("1001".into())));
        assert_eq!(Pattern::parse("1*"), Ok(Pattern::Prefix("1".into())));
        assert_eq!(Pattern::parse("*99"), Ok(Pattern::Suffix("99".into())));
        assert_eq!(Pattern::parse("*"), Ok(Pattern::Any));
    }

    #[test]
    fn escaped_stars_are_dialled() {
        assert_eq!(Pattern::parse(r"\*43"), Ok(Pattern::Exact("*43".into())));
        assert_eq!(Pattern::parse(r"\**"), Ok(Pattern::Prefix("*".into())));
        assert_eq!(Pattern::parse(r"*\*"), Ok(Pattern::Suffix("*".into())));
        assert_eq!(Pattern::parse(r"\*"), Ok(Pattern::Exact("*".into())));
        assert_eq!(Pattern::parse(r"1\*2"), Ok(Pattern::Exact("1*2".into())));
        assert_eq!(Pattern::parse(r"\\"), Ok(Pattern::Exact("\\".into())));
    }

    #[test]
    fn one_error_per_mistake() {
        let long = "1".repeat(MAX_PATTERN_CHARS + 1);
        for (text, error) in [
            ("", PatternError::Empty),
            (long.as_str(), PatternError::TooLong),
            ("1*2", PatternError::MisplacedStar),
            ("*1*", PatternError::MisplacedStar),
            ("**", PatternError::MisplacedStar),
            (r"\d+", PatternError::BadEscape),
            (r"1\", PatternError::BadEscape),
            ("1 2", PatternError::BadCharacter),
            ("1\n", PatternError::BadCharacter),
        ] {
            assert_eq!(Pattern::parse(text), Err(error), "{text:?}");
        }
    }
}
