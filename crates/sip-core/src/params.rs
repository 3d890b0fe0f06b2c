//! `;name=value` lists, in order, unknown ones kept.

use std::fmt;

use crate::syntax;

/// Parameters of a URI or a header field. Names ignore case; values are kept as written, quotes included.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// Parses what follows the first `;`, without it. `None` when a parameter has no name or is not UTF-8.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut found = Vec::new();
        let mut rest = Some(bytes);
        while let Some(now) = rest {
            let (param, more) = syntax::split_once(now, b';');
            rest = more;
            let param = syntax::trim(param);
            if param.is_empty() {
                continue;
            }
            let (name, value) = syntax::split_once(param, b'=');
            let name = std::str::from_utf8(syntax::trim(name)).ok().filter(|n| !n.is_empty())?;
            let value = match value {
                Some(value) => Some(std::str::from_utf8(syntax::trim(value)).ok()?.to_owned()),
                None => None,
            };
            found.push((name.to_owned(), value));
        }
        Some(Self(found))
    }

    /// The value of `name`: `Some("")` when it stands alone, `None` when it is not there.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.unwrap_or(""))
    }

    /// The value of `name` without quotes.
    pub fn text(&self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        match syntax::unquote(value.as_bytes()) {
            Some(inner) => Some(String::from_utf8_lossy(&inner).into_owned()),
            None => Some(value.to_owned()),
        }
    }

    /// Whether `name` is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Gives `name` this value (`None`: it stands alone), in its old place if it had one.
    pub fn set(&mut self, name: &str, value: Option<String>) {
        match self.0.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Removes every `name`.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// Keeps those that `keep` is true for.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|(name, _)| keep(name));
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            write!(f, ";{name}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_flags_and_quotes_survive() {
        let params = Params::parse(b"lr;x=\"a;b\" ; Tag = 1;;ob").unwrap();
        assert_eq!(params.to_string(), ";lr;x=\"a;b\";Tag=1;ob");
        assert_eq!(params.get("LR"), Some(""));
        assert_eq!(params.get("tag"), Some("1"));
        assert_eq!(params.text("x").as_deref(), Some("a;b"));
        assert!(!params.has("y"));
        assert_eq!(Params::parse(b"=1"), None);
        assert_eq!(Params::parse(b"a=\xff"), None);
    }

    #[test]
    fn setting_replaces_in_place() {
        let mut params = Params::parse(b"rport;branch=1").unwrap();
        params.set("RPORT", Some("5".into()));
        params.set("received", Some("::1".into()));
        params.remove("branch");
        assert_eq!(params.to_string(), ";rport=5;received=::1");
    }
}
