//! RTCP compound packets (RFC 3550 section 6): read within limits, written for the streams that we send.

use thiserror::Error;

mod build;
#[cfg(test)]
mod tests;

pub use build::{ReceiverReport, SenderReport, write_bye};

/// Packets of a compound that are looked at.
pub const MAX_PACKETS: usize = 16;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;

/// A datagram that is no RTCP compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RtcpError {
    /// A packet ends before its header or its length says so.
    #[error("RTCP packet {0} of the compound is truncated")]
    Truncated(usize),
    /// Another version than 2.
    #[error("RTCP version {0}, expected 2")]
    Version(u8),
    /// Its body is shorter than its counts say.
    #[error("RTCP packet {0} of the compound is shorter than its counts say")]
    Counts(usize),
    /// Padding in another packet than the last, or of a wrong size.
    #[error("RTCP packet {0} of the compound has wrong padding")]
    Padding(usize),
    /// More than [`MAX_PACKETS`].
    #[error("more than {MAX_PACKETS} RTCP packets in one compound")]
    TooMany,
}

/// What a receiver says of one source (section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Share lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost so far; what is negative on the wire (duplicates) reads as 0.
    pub cumulative_lost: u32,
    /// Extended highest sequence number.
    pub highest_sequence: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report; 0: none came.
    pub last_sender_report: u32,
    /// Delay since then in 1/65536 s.
    pub delay_since_last: u32,
}

impl ReportBlock {
    /// Largest count of lost packets that 24 signed bits hold.
    pub const MAX_LOST: u32 = 0x7f_ffff;
    /// Bytes on the wire.
    pub const BYTES: usize = 24;

    fn parse(bytes: &[u8; Self::BYTES]) -> Self {
        let word = |n: usize| word_at(bytes, n);
        let loss = word(1);
        let lost = loss & 0xff_ffff;
        let [fraction_lost, ..] = loss.to_be_bytes();
        Self {
            ssrc: word(0),
            fraction_lost,
            cumulative_lost: if lost > Self::MAX_LOST { 0 } else { lost },
            highest_sequence: word(2),
            jitter: word(3),
            last_sender_report: word(4),
            delay_since_last: word(5),
        }
    }
}

/// What a sender says of itself (section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderInfo {
    /// NTP time, seconds in the upper half.
    pub ntp: u64,
    /// The same instant as RTP timestamp.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub bytes: u32,
}

/// One packet of a compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtcpPacket<'a> {
    /// SR.
    Sender {
        /// Who reports.
        ssrc: u32,
        /// On itself.
        info: SenderInfo,
        /// On others.
        blocks: Blocks<'a>,
    },
    /// RR.
    Receiver {
        /// Who reports.
        ssrc: u32,
        /// On others.
        blocks: Blocks<'a>,
    },
    /// SDES, chunks unparsed.
    Description(&'a [u8]),
    /// BYE.
    Bye {
        /// Who leaves, four bytes each.
        ssrcs: &'a [u8],
    },
    /// APP, feedback, extended reports and what comes later.
    Other {
        /// Its packet type.
        packet_type: u8,
        /// What follows the common header.
        body: &'a [u8],
    },
}

/// The report blocks of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks<'a>(&'a [[u8; ReportBlock::BYTES]]);

impl Blocks<'_> {
    /// The blocks in order.
    pub fn iter(&self) -> impl Iterator<Item = ReportBlock> + '_ {
        self.0.iter().map(ReportBlock::parse)
    }
}

/// Reads a compound packet by packet; ends after the first error.
pub fn parse(datagram: &[u8]) -> impl Iterator<Item = Result<RtcpPacket<'_>, RtcpError>> {
    let mut rest = datagram;
    let mut index = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() && index > 0 {
            return None;
        }
        let read = if index == MAX_PACKETS { Err(RtcpError::TooMany) } else { read_one(rest, index) };
        index += 1;
        rest = read.as_ref().map_or(&[], |(_, rest)| *rest);
        Some(read.map(|(packet, _)| packet))
    })
}

fn read_one(bytes: &[u8], index: usize) -> Result<(RtcpPacket<'_>, &[u8]), RtcpError> {
    let truncated = RtcpError::Truncated(index);
    let (&[first, packet_type, l0, l1], rest) = bytes.split_first_chunk::<4>().ok_or(truncated)?;
    if first >> 6 != 2 {
        return Err(RtcpError::Version(first >> 6));
    }
    let length = usize::from(u16::from_be_bytes([l0, l1])) * 4;
    let (body, rest) = rest.split_at_checked(length).ok_or(truncated)?;
    let body = match first & 0x20 {
        0 => body,
        _ if rest.is_empty() => unpad(body).ok_or(RtcpError::Padding(index))?,
        _ => return Err(RtcpError::Padding(index)),
    };
    let count = usize::from(first & 0x1f);
    let packet = read_body(packet_type, count, body).ok_or(RtcpError::Counts(index))?;
    Ok((packet, rest))
}

fn read_body(packet_type: u8, count: usize, body: &[u8]) -> Option<RtcpPacket<'_>> {
    Some(match packet_type {
        SENDER_REPORT => {
            let (head, rest) = body.split_first_chunk::<24>()?;
            let ntp = (u64::from(word_at(head, 1)) << 32) | u64::from(word_at(head, 2));
            let info = SenderInfo {
                ntp,
                timestamp: word_at(head, 3),
                packets: word_at(head, 4),
                bytes: word_at(head, 5),
            };
            RtcpPacket::Sender { ssrc: word_at(head, 0), info, blocks: read_blocks(rest, count)? }
        }
        RECEIVER_REPORT => {
            let (head, rest) = body.split_first_chunk::<4>()?;
            RtcpPacket::Receiver { ssrc: word_at(head, 0), blocks: read_blocks(rest, count)? }
        }
        DESCRIPTION => RtcpPacket::Description(body),
        BYE => RtcpPacket::Bye { ssrcs: body.get(..count * 4)? },
        _ => RtcpPacket::Other { packet_type, body },
    })
}

fn read_blocks(bytes: &[u8], count: usize) -> Option<Blocks<'_>> {
    bytes.as_chunks::<{ ReportBlock::BYTES }>().0.get(..count).map(Blocks)
}

fn unpad(body: &[u8]) -> Option<&[u8]> {
    let count = usize::from(*body.last()?);
    let kept = body.len().checked_sub(count).filter(|_| count != 0 && count.is_multiple_of(4))?;
    body.get(..kept)
}

/// The `n`th 32-bit word; 0 behind the end.
fn word_at(bytes: &[u8], n: usize) -> u32 {
    bytes.as_chunks::<4>().0.get(n).copied().map_or(0, u32::from_be_bytes)
}
