//! Writes the body for one leg from the body of the other.

use std::net::IpAddr;

use super::direction::name;
use super::layout::refused;
use super::{Body, Layout, Section};
use crate::sdp::address::InAddress;
use crate::sdp::{Codec, Description, Direction, Line, Media, MediaLine};

/// Where a leg's peer is told to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Our address.
    pub address: IpAddr,
    /// Our RTP port.
    pub port: u16,
}

/// Attributes of plain audio that would bind the receiver to the sender's own transport, keys or bundling; and those
/// that are written anew.
const REMOVED: [&str; 41] = [
    "acap",
    "acfg",
    "alt",
    "bundle-only",
    "candidate",
    "connection",
    "crypto",
    "end-of-candidates",
    "fingerprint",
    "group",
    "ice-lite",
    "ice-mismatch",
    "ice-options",
    "ice-pacing",
    "ice-pwd",
    "ice-ufrag",
    "identity",
    "inactive",
    "key-mgmt",
    "mid",
    "msid",
    "msid-semantic",
    "pcfg",
    "recvonly",
    "remote-candidates",
    "rid",
    "rtcp",
    "rtcp-fb",
    "rtcp-mux",
    "rtcp-mux-only",
    "rtcp-rsize",
    "sendonly",
    "sendrecv",
    "setup",
    "simulcast",
    "source-filter",
    "ssrc",
    "ssrc-group",
    "tcap",
    "tls-id",
    "zrtp-hash",
];

/// The body for a leg with `layout` at `place`: lines, codecs and order of `body`, our address, `direction` written
/// out. With `only`, speech codecs other than these are left out. The `o=` line is still to be stamped.
pub fn relay(
    body: &Body,
    layout: &Layout,
    place: Place,
    direction: Direction,
    only: Option<&[Codec]>,
) -> Description {
    let keeps = |codec: &Codec| {
        only.is_none_or(|only| !codec.is_speech() || only.iter().any(|c| c.is_same_coding(codec)))
    };
    let dropped: Vec<u8> = body.codecs().iter().filter(|c| !keeps(c)).map(|c| c.payload_type).collect();
    let has_session_connection = body.description.session.iter().any(|line| line.kind() == b'c');
    let session = body.description.session.iter().filter_map(|line| rewritten(line, place)).collect();
    let section = |section: &Section| match (section, body.audio()) {
        (Section::Audio { protocol }, Some(audio)) => {
            audio_section(audio, protocol, place, direction, &dropped, has_session_connection)
        }
        (other, _) => refused_section(other),
    };
    Description { session, media: layout.sections().iter().map(section).collect() }
}

fn audio_section(
    audio: &Media,
    protocol: &str,
    place: Place,
    direction: Direction,
    dropped: &[u8],
    has_session_connection: bool,
) -> Media {
    let is_dropped = |format: &str| format.parse().is_ok_and(|t: u8| dropped.contains(&t));
    let formats = audio.line.formats.iter().filter(|f| !is_dropped(f)).cloned().collect();
    let line = MediaLine {
        kind: audio.line.kind.clone(),
        port: place.port,
        count: None,
        protocol: protocol.to_owned(),
        formats,
    };
    let stays = |line: &&Line| line.of_payload_type().is_none_or(|(t, _)| !dropped.contains(&t));
    let mut lines: Vec<Line> =
        audio.lines.iter().filter(stays).filter_map(|line| rewritten(line, place)).collect();
    if !has_session_connection && !lines.iter().any(|line| line.kind() == b'c') {
        lines.insert(0, Line::own(b'c', InAddress(place.address)));
    }
    lines.push(Line::own(b'a', name(direction)));
    Media { line, lines }
}

fn refused_section(section: &Section) -> Media {
    let line = match section {
        Section::Refused { kind, protocol, format } => refused(kind, protocol, format),
        Section::Audio { protocol } => refused("audio", protocol, "0"),
    };
    Media { line, lines: Vec::new() }
}

/// `c=` with our address, `k=` (keys in the clear) and what [`REMOVED`] names not at all, the rest as it is.
fn rewritten(line: &Line, place: Place) -> Option<Line> {
    match line.kind() {
        b'c' => Some(Line::own(b'c', InAddress(place.address))),
        b'k' => None,
        b'a' => {
            let removed = line.attribute().is_some_and(|(name, _)| REMOVED.binary_search(&name).is_ok());
            (!removed).then(|| line.clone())
        }
        _ => Some(line.clone()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn removed_attributes_are_sorted_as_the_search_needs_them() {
        assert!(super::REMOVED.is_sorted());
    }
}
