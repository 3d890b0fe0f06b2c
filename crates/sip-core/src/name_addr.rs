//! `"Name" <uri>;params`: From, To, Contact, Route and their like (RFC 3261 section 20.10).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::params::Params;
use crate::syntax;
use crate::uri::Uri;

/// A value that is no `name-addr` or `addr-spec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address: {0}")]
pub struct NameAddrError(&'static str);

/// An address with display name and header parameters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NameAddr {
    /// Display name without quotes and escapes; empty when there is none.
    pub display_name: String,
    /// The URI.
    pub uri: Uri,
    /// Parameters of the header field, not of the URI.
    pub params: Params,
}

impl NameAddr {
    /// `<uri>`.
    pub fn new(uri: Uri) -> Self {
        Self { display_name: String::new(), uri, params: Params::default() }
    }

    /// With this display name.
    pub fn named(mut self, display_name: impl Into<String>) -> Self {
        self.display_name = display_name.into();
        self
    }

    /// With this tag.
    pub fn tagged(mut self, tag: &str) -> Self {
        self.params.set("tag", Some(tag.to_owned()));
        self
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// Parses one element.
    pub fn parse(value: &[u8]) -> Result<Self, NameAddrError> {
        let value = syntax::trim(value);
        let Parts { display, uri, params } =
            parts(value).ok_or(NameAddrError("unbalanced quotes or brackets"))?;
        let uri = std::str::from_utf8(uri).map_err(|_| NameAddrError("URI is not UTF-8"))?;
        let uri = Uri::parse(uri).map_err(|_| NameAddrError("bad URI"))?;
        let params = Params::parse(params).ok_or(NameAddrError("bad parameters"))?;
        Ok(Self { display_name: display_name(display)?, uri, params })
    }
}

/// A name-addr cut into pieces, nothing decoded.
struct Parts<'a> {
    display: &'a [u8],
    uri: &'a [u8],
    params: &'a [u8],
}

fn parts(value: &[u8]) -> Option<Parts<'_>> {
    let Some(open) = opening(value).ok()? else {
        // An addr-spec without brackets: what follows `;` belongs to the header field (section 20).
        // One with `?` or `,` in it must have brackets.
        let (uri, params) = syntax::split_once(value, b';');
        if uri.contains(&b'?') || uri.contains(&b',') {
            return None;
        }
        return Some(Parts { display: b"", uri: syntax::trim(uri), params: params.unwrap_or_default() });
    };
    let after = value.get(open + 1..)?;
    let close = memchr::memchr(b'>', after)?;
    let rest = syntax::trim(after.get(close + 1..)?);
    let params = if rest.is_empty() { rest } else { rest.strip_prefix(b";")? };
    Some(Parts { display: value.get(..open)?, uri: after.get(..close)?, params })
}

struct Unbalanced;

/// Where `<` opens, outside a quoted display name.
fn opening(value: &[u8]) -> Result<Option<usize>, Unbalanced> {
    if value.first() != Some(&b'"') {
        return Ok(memchr::memchr(b'<', value));
    }
    let mut escaped = false;
    for (at, byte) in value.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => {
                let rest = value.get(at..).unwrap_or_default();
                return Ok(memchr::memchr(b'<', rest).map(|found| found + at));
            }
            _ => {}
        }
    }
    Err(Unbalanced)
}

fn display_name(raw: &[u8]) -> Result<String, NameAddrError> {
    let raw = syntax::trim(raw);
    let inner = if raw.first() == Some(&b'"') {
        syntax::unquote(raw).ok_or(NameAddrError("bad display name"))?
    } else if raw.contains(&b'"') {
        return Err(NameAddrError("bad display name"));
    } else {
        raw.to_vec()
    };
    Ok(String::from_utf8_lossy(&inner).into_owned())
}

/// The `tag` of a From or To value, without decoding the rest.
pub(crate) fn tag_of(value: &[u8]) -> Option<&str> {
    let mut rest = Some(parts(syntax::trim(value))?.params);
    while let Some(now) = rest {
        let (param, more) = syntax::split_once(now, b';');
        rest = more;
        if let (name, Some(tag)) = syntax::split_once(param, b'=')
            && syntax::trim(name).eq_ignore_ascii_case(b"tag")
        {
            return std::str::from_utf8(syntax::trim(tag)).ok().filter(|tag| !tag.is_empty());
        }
    }
    None
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.display_name.is_empty() {
            write!(f, "{} ", syntax::quote(&self.display_name))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

impl FromStr for NameAddr {
    type Err = NameAddrError;

    fn from_str(text: &str) -> Result<Self, NameAddrError> {
        Self::parse(text.as_bytes())
    }
}

impl Serialize for NameAddr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NameAddr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape() {
        let cases: [(&[u8], &str, &str, Option<&str>); 7] = [
            (b"<sip:a@b>", "", "sip:a@b", None),
            (b"sip:a@b;tag=1", "", "sip:a@b", Some("1")),
            (b"Bob Smith <sip:a@b;lr>;x;tag=2", "Bob Smith", "sip:a@b;lr", Some("2")),
            (br#""A \"<B>\" C, D"<sip:a@b> ; TAG = 3"#, r#"A "<B>" C, D"#, "sip:a@b", Some("3")),
            (b"\"\" <tel:+1>", "", "tel:+1", None),
            (b"caller<sip:a@[::1]:5>;tag=\t4", "caller", "sip:a@[::1]:5", Some("4")),
            (b"\"\xe4\" <sip:a@b>;tag=5", "\u{fffd}", "sip:a@b", Some("5")),
        ];
        for (value, display, uri, tag) in cases {
            let parsed = NameAddr::parse(value).unwrap();
            assert_eq!(parsed.display_name, display);
            assert_eq!(parsed.uri.to_string(), uri);
            assert_eq!(parsed.tag(), tag);
            assert_eq!(tag_of(value), tag);
            assert_eq!(NameAddr::parse(parsed.to_string().as_bytes()), Ok(parsed));
        }
    }

    #[test]
    fn broken_ones_are_refused() {
        let cases: [&[u8]; 9] = [
            b"",
            b"<sip:a@b",
            b"\"Mr <sip:a@b>",
            b"<sip:a@b> x",
            b"\"a\" b\" <sip:a@b>",
            b"*",
            b"<\xff>",
            b"sip:a@b?x=1",
            b"< sip:a@b >",
        ];
        for value in cases {
            assert!(NameAddr::parse(value).is_err(), "{value:?}");
        }
    }
}
