//! Tells what shares a media port, by first bytes only (RFC 7983 section 7, RFC 5761 section 4).

/// What a datagram seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// RTP or SRTP.
    Rtp,
    /// RTCP or SRTCP.
    Rtcp,
    /// STUN (RFC 8489).
    Stun,
    /// DTLS (RFC 5764).
    Dtls,
    /// Anything else, an empty datagram among it.
    Other,
}

/// Looks at two bytes and the length.
pub fn classify(datagram: &[u8]) -> Kind {
    match datagram {
        [0..=3, ..] => Kind::Stun,
        [20..=63, ..] => Kind::Dtls,
        [128..=191, 192..=223, ..] if datagram.len() >= 8 => Kind::Rtcp,
        [128..=191, 192..=223, ..] => Kind::Other,
        [128..=191, _, ..] if datagram.len() >= super::HEADER_BYTES => Kind::Rtp,
        _ => Kind::Other,
    }
}
