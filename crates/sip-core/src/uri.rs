//! URIs (RFC 3261 section 19.1, RFC 3966 for `tel`); schemes that are not ours are kept as they came.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::params::Params;

/// A text that is no URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a URI: {0}")]
pub struct UriError(&'static str);

/// The scheme of a URI.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip`
    Sip,
    /// `sips`
    Sips,
    /// `tel`
    Tel,
    /// Any other, as written.
    Other(Box<str>),
}

impl Scheme {
    /// As written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sip => "sip",
            Self::Sips => "sips",
            Self::Tel => "tel",
            Self::Other(text) => text,
        }
    }
}

/// The host of a URI or a Via.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name, as written; compared without case.
    Name(String),
    /// An address; IPv6 ones stand in brackets.
    Ip(IpAddr),
    /// The scheme has none (`tel`, unknown schemes).
    None,
}

impl Host {
    /// Parses a name, an IPv4 address, or an IPv6 address in brackets (without them too, as Via's `received` has it).
    pub fn parse(text: &str) -> Option<Self> {
        let literal = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        if let Some(inner) = literal {
            return inner.parse::<Ipv6Addr>().ok().map(|ip| Self::Ip(ip.into()));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Self::Ip(ip));
        }
        let named = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'_';
        (!text.is_empty() && text.bytes().all(named)).then(|| Self::Name(text.to_owned()))
    }

    /// The address, when it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name(_) | Self::None => None,
        }
    }

    /// Whether both mean the same: names without case.
    pub fn matches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a == b,
        }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        Self::Ip(ip)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::None => Ok(()),
        }
    }
}

/// A URI. Parts are kept as written (escapes included), so that it prints as it was read.
///
/// `==` compares the parts literally; [`Uri::matches`] compares as RFC 3261 section 19.1.4 does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    /// Scheme.
    pub scheme: Scheme,
    /// User part, still escaped. `tel`: the number. Unknown schemes: everything after the colon.
    pub user: Option<String>,
    /// Password, still escaped. Deprecated by the RFC, kept because it is part of the URI.
    pub password: Option<String>,
    /// Host; [`Host::None`] unless the scheme is `sip` or `sips`.
    pub host: Host,
    /// Port, if written.
    pub port: Option<u16>,
    /// Parameters.
    pub params: Params,
    /// What follows `?`, as written.
    pub headers: Option<String>,
}

impl Uri {
    /// `sip:user@host:port`. The user part is escaped where necessary; an empty one is left out.
    pub fn sip(user: &str, host: Host, port: Option<u16>) -> Self {
        let user = (!user.is_empty()).then(|| escape(user));
        let params = Params::default();
        Self { scheme: Scheme::Sip, user, password: None, host, port, params, headers: None }
    }

    /// Parses a whole URI.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let (scheme, rest) = text.split_once(':').ok_or(UriError("no scheme"))?;
        if rest.is_empty()
            || text.bytes().any(|b| b <= b' ' || b == b'<' || b == b'>' || b == b'"' || b == 0x7f)
        {
            return Err(UriError("white space, brackets or nothing in it"));
        }
        let scheme = scheme_of(scheme).ok_or(UriError("bad scheme"))?;
        match scheme {
            Scheme::Sip | Scheme::Sips => sip_uri(scheme, rest),
            Scheme::Tel => tel_uri(rest),
            Scheme::Other(_) => Ok(opaque(scheme, rest)),
        }
    }

    /// Whether the scheme is `sip` or `sips`.
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part with escapes resolved; for `tel` the number.
    pub fn username(&self) -> Option<String> {
        self.user.as_deref().map(unescape)
    }

    /// A URI parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name)
    }

    /// Equality of RFC 3261 section 19.1.4: schemes, users (escapes resolved, case kept), hosts, ports; `user`, `ttl`,
    /// `method`, `maddr` and `transport` must be in both or in neither, other parameters only agree when in both;
    /// headers must be the same in any order.
    pub fn matches(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.username() == other.username()
            && self.password.as_deref().map(unescape) == other.password.as_deref().map(unescape)
            && self.host.matches(&other.host)
            && self.port == other.port
            && params_match(&self.params, &other.params)
            && headers_of(self) == headers_of(other)
    }
}

/// The name of a scheme, when it is well formed.
fn scheme_of(text: &str) -> Option<Scheme> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "sip" => return Some(Scheme::Sip),
        "sips" => return Some(Scheme::Sips),
        "tel" => return Some(Scheme::Tel),
        _ => {}
    }
    let starts = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    (starts && rest).then(|| Scheme::Other(text.into()))
}

fn opaque(scheme: Scheme, rest: &str) -> Uri {
    let user = Some(rest.to_owned());
    Uri {
        scheme,
        user,
        password: None,
        host: Host::None,
        port: None,
        params: Params::default(),
        headers: None,
    }
}

fn tel_uri(rest: &str) -> Result<Uri, UriError> {
    let (number, params) = rest.split_once(';').unwrap_or((rest, ""));
    if number.is_empty() {
        return Err(UriError("no number"));
    }
    let params = Params::parse(params.as_bytes()).ok_or(UriError("bad parameters"))?;
    Ok(Uri { params, ..opaque(Scheme::Tel, number) })
}

fn sip_uri(scheme: Scheme, rest: &str) -> Result<Uri, UriError> {
    // The user part may hold `;`, `?` and `/`, so `@` is looked for first; it may not hold `@` itself.
    let (userinfo, rest) = match rest.split_once('@') {
        Some((userinfo, rest)) => (Some(userinfo), rest),
        None => (None, rest),
    };
    let (rest, headers) = match rest.split_once('?') {
        Some((rest, headers)) => (rest, Some(headers.to_owned())),
        None => (rest, None),
    };
    let (hostport, params) = rest.split_once(';').unwrap_or((rest, ""));
    let (host, port) = host_port(hostport).ok_or(UriError("bad host or port"))?;
    let params = Params::parse(params.as_bytes()).ok_or(UriError("bad parameters"))?;
    let (user, password) = match userinfo {
        None => (None, None),
        Some(info) => match info.split_once(':') {
            Some((user, password)) => (Some(user.to_owned()), Some(password.to_owned())),
            None => (Some(info.to_owned()), None),
        },
    };
    if user.as_deref() == Some("") {
        return Err(UriError("empty user part"));
    }
    Ok(Uri { scheme, user, password, host, port, params, headers })
}

/// Host and port of `text`, as in a URI or a Via.
pub(crate) fn host_port(text: &str) -> Option<(Host, Option<u16>)> {
    let colon = match text.find(']') {
        Some(end) => text.get(end..)?.find(':').map(|at| at + end),
        None => text.find(':'),
    };
    let Some(colon) = colon else { return Some((Host::parse(text.trim())?, None)) };
    let port = text.get(colon + 1..)?.trim();
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((Host::parse(text.get(..colon)?.trim())?, Some(port.parse().ok()?)))
}

fn params_match(a: &Params, b: &Params) -> bool {
    const BOTH_OR_NEITHER: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
    let strict = BOTH_OR_NEITHER.iter().all(|name| a.has(name) == b.has(name));
    strict
        && a.iter().all(|(name, value)| match b.get(name) {
            Some(theirs) => value.unwrap_or("").eq_ignore_ascii_case(theirs),
            None => true,
        })
}

fn headers_of(uri: &Uri) -> Vec<String> {
    let mut found: Vec<String> =
        uri.headers.as_deref().unwrap_or("").split('&').map(|h| unescape(h).to_ascii_lowercase()).collect();
    found.sort_unstable();
    found
}

/// `%xx` resolved; a broken escape stays as it is, bytes that are not UTF-8 become replacement characters.
pub(crate) fn unescape(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let decoded =
            (*byte == b'%').then(|| after.split_at_checked(2)).flatten().and_then(|(digits, after)| {
                let digits =
                    std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
                Some((u8::from_str_radix(digits, 16).ok()?, after))
            });
        let (byte, after) = decoded.unwrap_or((*byte, after));
        out.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// `text` as a user part: what may not stand there is written `%xx`.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to memory does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme.as_str())?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            if self.host != Host::None {
                f.write_str("@")?;
            }
        }
        write!(f, "{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)?;
        match &self.headers {
            Some(headers) => write!(f, "?{headers}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

impl Serialize for Uri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Uri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
