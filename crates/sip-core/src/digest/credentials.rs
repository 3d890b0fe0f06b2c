//! `Digest name=value, ...`: the syntax of challenges and credentials (RFC 3261 section 25.1).

use crate::syntax;

/// The parameters of a Digest challenge or of credentials. Values are without quotes.
pub(super) struct DigestParams(Vec<(String, String)>);

impl DigestParams {
    /// Parses a value; `None` for another scheme, or when it cannot be read.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let value = syntax::trim(value);
        let (scheme, rest) = value.split_at_checked(value.iter().position(u8::is_ascii_whitespace)?)?;
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return None;
        }
        let mut found = Vec::with_capacity(12);
        for element in syntax::elements(rest) {
            let (name, value) = syntax::split_once(element, b'=');
            let name = std::str::from_utf8(syntax::trim(name)).ok()?.to_owned();
            let value = syntax::trim(value?);
            let value = if value.first() == Some(&b'"') { syntax::unquote(value)? } else { value.to_vec() };
            found.push((name, String::from_utf8(value).ok()?));
        }
        Some(Self(found))
    }

    /// The value of `name`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}
