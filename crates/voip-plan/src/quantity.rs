//! Quantities of Kubernetes, as far as a spec may use them: `500m`, `2`, `1.5Gi`.
//!
//! The API server stores each in one form. What is rendered must be in that form, or it would differ from what is stored
//! for ever.

/// An amount. Kubernetes rounds resources up to thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quantity {
    /// Thousandths.
    pub(crate) milli: u128,
    /// Written with a suffix that is a power of 1024.
    binary: bool,
}

/// Suffixes of decimal quantities from a thousandth on; each is a thousand of the one before.
const DECIMAL: [&str; 8] = ["m", "", "k", "M", "G", "T", "P", "E"];
/// Suffixes of binary ones from one on; each is 1024 of the one before.
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// The largest that Kubernetes can hold.
const LARGEST: u128 = i64::MAX as u128;

impl Quantity {
    /// Reads one. None: it is none, or more than Kubernetes can hold.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(at);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let (unit, binary) = unit(suffix)?;
        let tenths = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let digits = whole.parse::<u128>().ok()?.checked_mul(tenths)?.checked_add(fraction.parse().ok()?)?;
        let milli = digits.checked_mul(unit)?.div_ceil(tenths);
        (milli <= LARGEST.saturating_mul(1000)).then_some(Self { milli, binary })
    }

    /// As the API server stores it.
    pub(crate) fn canonical(self) -> String {
        let whole = self.milli / 1000;
        if self.binary && whole >= 1024 && self.milli.is_multiple_of(1000) {
            shortest(whole, 1024, &BINARY)
        } else {
            shortest(self.milli, 1000, &DECIMAL)
        }
    }
}

/// Thousandths in one of the unit, and whether that is a power of 1024.
fn unit(suffix: &str) -> Option<(u128, bool)> {
    match suffix {
        "m" => Some((1, false)),
        "" => Some((1000, false)),
        "k" => Some((1_000_000, false)),
        "M" => Some((1_000_000_000, false)),
        "G" => Some((1_000_000_000_000, false)),
        "T" => Some((1_000_000_000_000_000, false)),
        "Ki" => Some((1000 << 10, true)),
        "Mi" => Some((1000 << 20, true)),
        "Gi" => Some((1000 << 30, true)),
        "Ti" => Some((1000 << 40, true)),
        _ => None,
    }
}

/// The largest suffix with which the number stays whole.
fn shortest(mut number: u128, base: u128, suffixes: &[&str]) -> String {
    let mut suffixes = suffixes.iter().peekable();
    let mut suffix = suffixes.next().copied().unwrap_or_default();
    if number == 0 {
        return "0".to_owned();
    }
    while number.is_multiple_of(base) {
        let Some(next) = suffixes.next() else { break };
        (number, suffix) = (number / base, next);
    }
    format!("{number}{suffix}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> Option<String> {
        Quantity::parse(text).map(Quantity::canonical)
    }

    #[test]
    fn quantities_are_written_as_the_api_server_stores_them() {
        for (written, stored) in [
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("2", "2"),
            ("2.0", "2"),
            ("007", "7"),
            ("0", "0"),
            ("0Gi", "0"),
            ("0.0001", "1m"),
            ("1000k", "1M"),
            ("1000000T", "1E"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Ki", "512"),
            ("1023", "1023"),
            ("1024", "1024"),
            ("0.001Ki", "1024m"),
            ("1048576Ti", "1Ei"),
        ] {
            assert_eq!(canonical(written).as_deref(), Some(stored), "{written}");
        }
    }

    #[test]
    fn what_is_none_or_too_much_is_refused() {
        let long = "9".repeat(40);
        for wrong in [
            "",
            "m",
            ".5",
            "1.",
            "1..2",
            "-1",
            "+1",
            "1e3",
            "1 Gi",
            "1KiB",
            "1n",
            "9007199254740993Ti",
            &long,
        ] {
            assert_eq!(Quantity::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn the_stored_form_is_the_same_amount_and_stays(whole in 0..100_000_u32, fraction in 0..1000_u32, suffix in "|m|k|M|G|Ki|Mi|Gi") {
            let written = format!("{whole}.{fraction:03}{suffix}");
            let stored = canonical(&written).unwrap();
            if !stored.ends_with(['P', 'E']) {
                let again = Quantity::parse(&stored).unwrap();
                prop_assert_eq!(again.milli, Quantity::parse(&written).unwrap().milli);
                prop_assert_eq!(again.canonical(), stored);
            }
        }
    }
}
