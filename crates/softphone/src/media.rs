//! The RTP side of a call: ports, a thread that sends and receives, and what came of it. Knows no SIP.

mod end;
mod inbound;
mod ports;
mod stream;

use std::net::SocketAddr;
use std::time::Duration;

use media_core::g711::Law;
use serde::Serialize;

pub use end::RtpEnd;
pub(crate) use stream::{Direction, Farewell, MediaStream, Plan, StreamOptions};

/// What a call's audio was like, as this end saw it. `lost`, `jitter_ms` and `mos` are of the received direction.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaReport {
    /// RTP packets sent.
    pub sent: u64,
    /// RTP packets received.
    pub received: u64,
    /// Packets that were sent to us and never came (RFC 3550 appendix A.3).
    pub lost: u64,
    /// Known payloads that came again.
    pub duplicates: u64,
    /// Interarrival jitter in milliseconds (RFC 3550 appendix A.8).
    pub jitter_ms: f64,
    /// Mean opinion score, 1 to 4.5 (ITU-T G.107); none when nothing was received.
    pub mos: Option<f64>,
    /// Payloads that are, bit for bit, what was expected.
    pub matched: u64,
    /// Payloads that are not.
    pub mismatched: u64,
    /// Whether everything that came is what was expected, and something came. None when nothing was expected.
    pub matches: Option<bool>,
    /// When the first packet came, milliseconds after the call began.
    pub first_packet_ms: Option<u64>,
    /// Longest time between two packets, milliseconds.
    pub longest_gap_ms: u64,
    /// Times the sender began a new sequence or SSRC.
    pub restarts: u64,
    /// Datagrams on the RTP port that are no RTP.
    pub refused: u64,
    /// What RTCP brought.
    pub rtcp: RtcpReport,
    /// Codec in use.
    pub codec: Option<&'static str>,
    /// Our RTP address.
    pub local: SocketAddr,
    /// Where we send.
    pub remote: Option<SocketAddr>,
}

/// What was said over RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RtcpReport {
    /// Compounds sent.
    pub sent: u64,
    /// Compounds received.
    pub received: u64,
    /// Packets of ours that the far side says it missed.
    pub far_lost: Option<u32>,
    /// Jitter of our packets at the far side, in timestamp units.
    pub far_jitter: Option<u32>,
    /// Round trip by the far side's report (RFC 3550 section 6.4.1), microseconds.
    pub round_trip_us: Option<u32>,
}

/// A received RTP datagram, kept for a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// Since the call began.
    pub at: Duration,
    /// Whence.
    pub from: SocketAddr,
    /// The datagram.
    pub bytes: Vec<u8>,
}

/// The law of a static payload type.
pub(crate) fn law_of(payload_type: u8) -> Option<Law> {
    [Law::Ulaw, Law::Alaw].into_iter().find(|law| law.payload_type() == payload_type)
}
