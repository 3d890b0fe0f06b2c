//! Durations as people type them: `500ms`, `5s`, `2m`.

use std::time::Duration;

/// A duration that was not understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a duration is a number and a unit: 500ms, 5s or 2m")]
pub(crate) struct InvalidDuration;

/// Reads `text` as a duration of at most a day.
pub(crate) fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or(InvalidDuration)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| InvalidDuration)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err(InvalidDuration),
    };
    let total = number.checked_mul(milliseconds).filter(|t| *t <= 86_400_000).ok_or(InvalidDuration)?;
    Ok(Duration::from_millis(total))
}

/// A duration that is no use for a call.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnusableDuration {
    /// It was not understood.
    #[error(transparent)]
    Invalid(#[from] InvalidDuration),
    /// Audio could not be judged.
    #[error("audio takes a moment to be heard: use 100ms or more")]
    TooShort,
}

/// Reads `text` as the duration of a call, 100 ms to a day.
pub(crate) fn parse_call(text: &str) -> Result<Duration, UnusableDuration> {
    let duration = parse(text)?;
    if duration < Duration::from_millis(100) { Err(UnusableDuration::TooShort) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse("2m"), Ok(Duration::from_mins(2)));
    }

    #[test]
    fn a_call_is_long_enough_to_be_heard() {
        assert_eq!(parse_call("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(parse_call("0s"), Err(UnusableDuration::TooShort));
        assert_eq!(parse_call("5"), Err(UnusableDuration::Invalid(InvalidDuration)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "5", "s", "-5s", "5 s", "5h", "1.5s", "99999999999999999999s", "1441m"] {
            assert_eq!(parse(text), Err(InvalidDuration), "{text:?}");
        }
    }
}
