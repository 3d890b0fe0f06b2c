//! RTP packets (RFC 3550 section 5.1): read without copying, written without allocating.

use thiserror::Error;

pub mod classify;

#[cfg(test)]
mod tests;

pub use classify::{Kind, classify};

/// Bytes of a header without CSRCs and extension.
pub const HEADER_BYTES: usize = 12;

/// A datagram that is no RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RtpError {
    /// It ends inside the header, the CSRC list or the extension.
    #[error("RTP packet of {bytes} bytes ends inside its {part}")]
    Truncated {
        /// Its length.
        bytes: usize,
        /// What is cut off.
        part: &'static str,
    },
    /// Another version than 2.
    #[error("RTP version {0}, expected 2")]
    Version(u8),
    /// The padding count is zero or larger than what follows the header.
    #[error("RTP padding of {0} bytes does not fit the packet")]
    Padding(u8),
}

/// The fields of the fixed header that change from packet to packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// First packet of a talk spurt.
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in units of the codec's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl Header {
    /// The header of a packet without padding, CSRCs and extension.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.to_be_bytes();
        let second = (u8::from(self.marker) << 7) | (self.payload_type & 0x7f);
        [0x80, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]
    }

    /// Writes the header and `payload` to `out`. Returns the packet's length; none when it does not fit.
    pub fn write(self, payload: &[u8], out: &mut [u8]) -> Option<usize> {
        let length = HEADER_BYTES.checked_add(payload.len())?;
        let (head, rest) = out.get_mut(..length)?.split_at_mut_checked(HEADER_BYTES)?;
        head.copy_from_slice(&self.to_bytes());
        rest.copy_from_slice(payload);
        Some(length)
    }
}

/// A header extension (RFC 3550 section 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    /// The 16 bits that the profile defines; `0xbede` is RFC 8285's one-byte form.
    pub profile: u16,
    /// The data, whole 32-bit words.
    pub data: &'a [u8],
}

/// A packet that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed header.
    pub header: Header,
    /// The CSRC list, four bytes each.
    pub csrcs: &'a [u8],
    /// The header extension.
    pub extension: Option<Extension<'a>>,
    /// The payload without padding.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Checks and splits a datagram.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, RtpError> {
        let truncated = |part| RtpError::Truncated { bytes: datagram.len(), part };
        let (fixed, rest) = datagram.split_first_chunk::<HEADER_BYTES>().ok_or(truncated("header"))?;
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        if first >> 6 != 2 {
            return Err(RtpError::Version(first >> 6));
        }
        let header = Header {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        };
        let csrc_bytes = usize::from(first & 0x0f) * 4;
        let (csrcs, rest) = rest.split_at_checked(csrc_bytes).ok_or(truncated("CSRC list"))?;
        let (extension, rest) = match first & 0x10 {
            0 => (None, rest),
            _ => read_extension(rest).map(|(e, rest)| (Some(e), rest)).ok_or(truncated("extension"))?,
        };
        let payload = if first & 0x20 == 0 { rest } else { strip_padding(rest)? };
        Ok(Self { header, csrcs, extension, payload })
    }
}

fn read_extension(bytes: &[u8]) -> Option<(Extension<'_>, &[u8])> {
    let (&[p0, p1, l0, l1], rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::from(u16::from_be_bytes([l0, l1])) * 4;
    let (data, rest) = rest.split_at_checked(length)?;
    Some((Extension { profile: u16::from_be_bytes([p0, p1]), data }, rest))
}

fn strip_padding(bytes: &[u8]) -> Result<&[u8], RtpError> {
    let count = bytes.last().copied().unwrap_or(0);
    let kept = bytes.len().checked_sub(usize::from(count)).filter(|_| count != 0);
    kept.and_then(|kept| bytes.get(..kept)).ok_or(RtpError::Padding(count))
}
