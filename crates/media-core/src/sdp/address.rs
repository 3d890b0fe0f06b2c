//! `o=` and `c=` lines (RFC 8866 sections 5.2 and 5.7).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An `o=` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// User name, `-` for none.
    pub username: &'a str,
    /// Session id: digits, of any length as phones write them.
    pub session_id: &'a str,
    /// Session version: digits.
    pub version: &'a str,
    /// Network and address type and address, as one text.
    pub address: &'a str,
}

impl<'a> Origin<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (username, rest) = text.trim().split_once(' ')?;
        let (session_id, rest) = rest.trim_start().split_once(' ')?;
        let (version, address) = rest.trim_start().split_once(' ')?;
        let address = address.trim_start();
        let mut words = address.split_ascii_whitespace();
        let known = words.next() == Some("IN") && matches!(words.next(), Some("IP4" | "IP6"));
        (known && words.next().is_some() && words.next().is_none()).then_some(())?;
        Some(Self { username, session_id, version, address })
    }
}

/// The host of a `c=` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name that somebody else would have to resolve.
    Name(String),
}

/// A `c=` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Where media goes.
    pub host: Host,
}

impl Connection {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let (network, family, host) = (words.next()?, words.next()?, words.next()?);
        if network != "IN" || words.next().is_some() {
            return None;
        }
        Some(Self { host: parse_host(family, host)? })
    }

    /// True for `0.0.0.0` and `::`: hold as RFC 2543 wrote it.
    pub fn is_unspecified(&self) -> bool {
        matches!(self.host, Host::Address(address) if address.is_unspecified())
    }
}

/// `address`, `address/ttl` or `address/ttl/count`; a name is left as it is.
pub(super) fn parse_host(family: &str, text: &str) -> Option<Host> {
    let host = text.split('/').next()?;
    let address = match family {
        "IP4" => host.parse::<Ipv4Addr>().map(IpAddr::from).ok(),
        "IP6" => host.parse::<Ipv6Addr>().map(IpAddr::from).ok(),
        _ => return None,
    };
    match address {
        Some(address) => Some(Host::Address(address.to_canonical())),
        None => is_name(host).then(|| Host::Name(host.to_owned())),
    }
}

/// A host name has a letter in its last label, so that a mistyped address is none.
fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or("");
    text.len() <= 253 && text.bytes().all(inner) && last.bytes().any(|b| b.is_ascii_alphabetic())
}

/// An address as `o=` and `c=` write it: `IN IP4 192.0.2.1`.
pub(crate) struct InAddress(pub(crate) IpAddr);

impl fmt::Display for InAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IN {} {}", if self.0.is_ipv4() { "IP4" } else { "IP6" }, self.0)
    }
}
