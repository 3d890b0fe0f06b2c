//! The Via header field (RFC 3261 section 20.42, RFC 3581).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::params::Params;
use crate::syntax;
use crate::uri::{Host, host_port};

/// What every branch of an RFC 3261 element begins with (section 8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// A value that is no Via.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a Via: {0}")]
pub struct ViaError(&'static str);

/// One hop of a message's way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Via {
    /// Transport token as written: `UDP`, `TCP`, or a stranger.
    pub transport: String,
    /// Host of sent-by.
    pub host: Host,
    /// Port of sent-by, if written.
    pub port: Option<u16>,
    /// Parameters.
    pub params: Params,
}

impl Via {
    /// A Via with a branch and an empty `rport` (RFC 3581 section 3).
    pub fn new(transport: &str, host: Host, port: Option<u16>, branch: &str) -> Self {
        let mut params = Params::default();
        params.set("rport", None);
        params.set("branch", Some(branch.to_owned()));
        Self { transport: transport.to_owned(), host, port, params }
    }

    /// Parses one element.
    pub fn parse(value: &[u8]) -> Result<Self, ViaError> {
        let raw = RawVia::parse(value).ok_or(ViaError("expected SIP/VERSION/TRANSPORT host"))?;
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| ViaError("not UTF-8"));
        let (host, port) = host_port(text(raw.sent_by)?).ok_or(ViaError("bad sent-by"))?;
        let params = Params::parse(raw.params).ok_or(ViaError("bad parameters"))?;
        Ok(Self { transport: text(raw.transport)?.to_owned(), host, port, params })
    }

    /// The `branch` parameter.
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }

    /// The `received` parameter: where the next hop saw the request come from.
    pub fn received(&self) -> Option<IpAddr> {
        self.params.get("received").and_then(Host::parse)?.ip()
    }

    /// The `rport` parameter, once the next hop has filled it in.
    pub fn rport(&self) -> Option<u16> {
        self.params.get("rport")?.parse().ok()
    }

    /// Whether `rport` is there, filled in or asked for.
    pub fn has_rport(&self) -> bool {
        self.params.has("rport")
    }

    /// Notes where the request came from: `rport` when it was asked for, `received` then and when sent-by is another
    /// address (RFC 3261 section 18.2.1, RFC 3581 section 4).
    pub fn note_source(&mut self, source: SocketAddr) {
        let asked = self.has_rport();
        if asked {
            self.params.set("rport", Some(source.port().to_string()));
        }
        if asked || self.host.ip() != Some(source.ip()) {
            self.params.set("received", Some(source.ip().to_string()));
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

/// A Via cut into pieces, nothing decoded: enough for a transaction key.
pub(crate) struct RawVia<'a> {
    pub(crate) transport: &'a [u8],
    pub(crate) sent_by: &'a [u8],
    pub(crate) params: &'a [u8],
}

impl<'a> RawVia<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Option<Self> {
        let mut slashes = value.splitn(3, |b| *b == b'/');
        let name = syntax::trim(slashes.next()?);
        let version = syntax::trim(slashes.next()?);
        // Another version is the start line's fault, which must be answered (RFC 4475 section 3.1.2.16).
        if !name.eq_ignore_ascii_case(b"SIP") || !syntax::is_token(version) {
            return None;
        }
        let rest = slashes.next()?.trim_ascii_start();
        let space = rest.iter().position(u8::is_ascii_whitespace)?;
        let (transport, rest) = rest.split_at_checked(space)?;
        let (sent_by, params) = syntax::split_once(rest, b';');
        let sent_by = syntax::trim(sent_by);
        if !syntax::is_token(transport) || sent_by.is_empty() {
            return None;
        }
        Some(Self { transport, sent_by, params: params.unwrap_or_default() })
    }

    /// The `branch` parameter; empty when there is none.
    pub(crate) fn branch(&self) -> &'a [u8] {
        let mut rest = Some(self.params);
        while let Some(now) = rest {
            let (param, more) = syntax::split_once(now, b';');
            rest = more;
            if let (name, Some(value)) = syntax::split_once(param, b'=')
                && syntax::trim(name).eq_ignore_ascii_case(b"branch")
            {
                return syntax::trim(value);
            }
        }
        b""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape() {
        let plain = Via::parse(b"SIP/2.0/UDP pc.example:5066;branch=z9hG4bKa;rport").unwrap();
        assert_eq!(
            (plain.transport.as_str(), plain.port, plain.branch()),
            ("UDP", Some(5066), Some("z9hG4bKa"))
        );
        assert_eq!((plain.rport(), plain.has_rport()), (None, true));
        let spaced =
            Via::parse(b"SIP  / 2.0\t/ TLS   [2001:db8::9]:5061 ; branch = z9hG4bKb ;received=192.0.2.1")
                .unwrap();
        assert_eq!(spaced.host.to_string(), "[2001:db8::9]");
        assert_eq!((spaced.port, spaced.branch(), spaced.rport()), (Some(5061), Some("z9hG4bKb"), None));
        assert_eq!(spaced.received(), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(Via::parse(spaced.to_string().as_bytes()), Ok(spaced));
        for bad in [
            &b""[..],
            b"SIP/2.0/UDP",
            b"SIP//UDP a",
            b"HTTP/2.0/UDP a",
            b"SIP/2.0/UDP a:b",
            b"SIP/2.0/UDP ;x",
        ] {
            assert!(Via::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_source_is_noted_where_it_differs_or_is_asked_for() {
        let source = "192.0.2.7:9999".parse().unwrap();
        let noted = |value: &[u8]| {
            let mut via = Via::parse(value).unwrap();
            via.note_source(source);
            via.to_string()
        };
        assert_eq!(noted(b"SIP/2.0/UDP 192.0.2.7;branch=a"), "SIP/2.0/UDP 192.0.2.7;branch=a");
        assert_eq!(
            noted(b"SIP/2.0/UDP 10.0.0.1;branch=a"),
            "SIP/2.0/UDP 10.0.0.1;branch=a;received=192.0.2.7"
        );
        assert_eq!(
            noted(b"SIP/2.0/UDP 192.0.2.7;rport;branch=a"),
            "SIP/2.0/UDP 192.0.2.7;rport=9999;branch=a;received=192.0.2.7"
        );
    }
}
