//! `a=` lines (RFC 8866 section 6; RFC 3605 for `rtcp`).

use std::net::IpAddr;

use super::address::parse_host;
use super::{Codec, Direction, Host, Line, Media};

/// The attributes among `lines`, as name and value.
pub(super) fn all(lines: &[Line]) -> impl Iterator<Item = (&str, Option<&str>)> {
    lines.iter().filter_map(Line::attribute)
}

pub(super) fn direction(name: &str) -> Option<Direction> {
    Some(match name {
        "sendrecv" => Direction::SendRecv,
        "sendonly" => Direction::SendOnly,
        "recvonly" => Direction::RecvOnly,
        "inactive" => Direction::Inactive,
        _ => return None,
    })
}

impl Line {
    /// Name and value of an `a=` line.
    pub fn attribute(&self) -> Option<(&str, Option<&str>)> {
        let text = self.text().filter(|_| self.kind == b'a')?;
        Some(text.split_once(':').map_or((text.trim(), None), |(name, value)| (name, Some(value.trim()))))
    }

    /// Payload type and the rest of an `a=rtpmap`, `a=fmtp` or `a=rtcp-fb` line.
    pub fn of_payload_type(&self) -> Option<(u8, &str)> {
        let (name, value) = self.attribute()?;
        if !matches!(name, "rtpmap" | "fmtp" | "rtcp-fb") {
            return None;
        }
        let (payload_type, rest) = value?.split_once(' ')?;
        Some((payload_type.parse().ok()?, rest.trim()))
    }
}

/// An `a=rtcp` line (RFC 3605).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtcpAttribute {
    /// Port for RTCP.
    pub port: u16,
    /// Its address, when it is another than that for RTP.
    pub address: Option<IpAddr>,
}

impl Media {
    /// The value of the first attribute `name`; an empty text for one without value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        all(&self.lines).find(|(n, _)| *n == name).map(|(_, value)| value.unwrap_or(""))
    }

    /// What `a=rtcp` says.
    pub fn rtcp(&self) -> Option<RtcpAttribute> {
        let mut words = self.attribute("rtcp")?.split_ascii_whitespace();
        let port = words.next()?.parse().ok().filter(|port| *port != 0)?;
        let address = match (words.next(), words.next(), words.next()) {
            (Some("IN"), Some(family), Some(host)) => match parse_host(family, host) {
                Some(Host::Address(address)) => Some(address),
                _ => None,
            },
            _ => None,
        };
        Some(RtcpAttribute { port, address })
    }

    /// RTP and RTCP may share a port (RFC 5761).
    pub fn rtcp_mux(&self) -> bool {
        self.attribute("rtcp-mux").is_some()
    }

    /// Milliseconds of media in a packet.
    pub fn ptime_ms(&self) -> Option<u32> {
        self.attribute("ptime")?.parse().ok()
    }

    /// Format parameters of a payload type.
    pub fn fmtp(&self, payload_type: u8) -> Option<&str> {
        self.of_type("fmtp", payload_type)
    }

    /// The codecs in preference order: each format with its `a=rtpmap`, else with what RFC 3551 assigns to it.
    /// Formats without either are left out.
    pub fn codecs(&self) -> Vec<Codec> {
        // One pass over the lines, each type once: a body may be full of both.
        let mut maps = [None; 128];
        for line in
            self.lines.iter().rev().filter(|line| line.attribute().is_some_and(|(n, _)| n == "rtpmap"))
        {
            if let Some((t, map)) = line.of_payload_type()
                && let Some(place) = maps.get_mut(usize::from(t))
            {
                *place = Some(map);
            }
        }
        let mut seen = 0_u128;
        let first = |t: &u8| {
            let bit = 1_u128.checked_shl(u32::from(*t)).unwrap_or(0);
            let first = bit != 0 && seen & bit == 0;
            seen |= bit;
            first
        };
        let types = self.line.formats.iter().filter_map(|format| format.parse().ok()).filter(first);
        let codec = |t: u8| match maps.get(usize::from(t)).copied().flatten() {
            Some(map) => Codec::parse(t, map),
            None => Codec::assigned(t),
        };
        types.filter_map(codec).collect()
    }

    fn of_type(&self, name: &str, payload_type: u8) -> Option<&str> {
        self.lines
            .iter()
            .filter(|line| line.attribute().is_some_and(|(n, _)| n == name))
            .filter_map(Line::of_payload_type)
            .find(|(t, _)| *t == payload_type)
            .map(|(_, rest)| rest)
    }
}
