//! Users, numbers and addresses in logs: enough to tell two apart, never the whole.

use std::fmt;

/// Prints `***` and the last character of a value of four or more characters, `***` for a shorter one. For user
/// names, numbers and addresses in log fields at info and above.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Redacted<T>(pub T);

/// Values with fewer characters say too much by their last one.
const SHORTEST_WITH_A_TAIL: usize = 4;

impl<T: fmt::Display> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        f.write_str("***")?;
        match text.chars().last() {
            Some(last) if text.chars().count() >= SHORTEST_WITH_A_TAIL && last.is_ascii_alphanumeric() => {
                write!(f, "{last}")
            }
            _ => Ok(()),
        }
    }
}

impl<T: fmt::Display> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_only_its_last_digit() {
        assert_eq!(Redacted("+49301234567").to_string(), "***7");
        assert_eq!(format!("{:?}", Redacted("1001")), "***1");
    }

    #[test]
    fn short_values_and_control_characters_say_nothing() {
        for text in ["", "1", "112", "abcd\n", "1001é"] {
            assert_eq!(Redacted(text).to_string(), "***", "{text:?}");
        }
    }
}
