//! What was received and sent in one direction (RFC 3550 appendix A.1, A.3, A.8). Nothing here allocates.

use std::time::Duration;

use crate::rtcp::ReportBlock;
use crate::rtp::Header;

#[cfg(test)]
mod tests;

/// Sequence numbers may jump ahead this far and still belong (A.1 `MAX_DROPOUT`).
const MAX_DROPOUT: u16 = 3_000;
/// They may be this late (A.1 `MAX_MISORDER`).
const MAX_MISORDER: u16 = 100;
const SEQUENCES: u64 = 1 << 16;

/// What was received from one sender, over all SSRCs that it used one after the other.
#[derive(Debug, Clone, Default)]
pub struct Reception {
    clock_rate: u32,
    source: Option<Source>,
    packets: u64,
    bytes: u64,
    lost_before: u64,
    restarts: u64,
}

/// One SSRC, or one life of it.
#[derive(Debug, Clone)]
struct Source {
    ssrc: u32,
    first: u64,
    highest: u64,
    received: u64,
    /// The number that would confirm a jump seen in the packet before.
    suspect: Option<u16>,
    transit: u32,
    timestamp: u32,
    /// Sixteen times the jitter in timestamp units.
    jitter: u32,
    expected_prior: u64,
    received_prior: u64,
}

/// What a sequence number says (A.1).
enum Order {
    Belongs,
    /// Far from what was expected: only a second one in a row is believed.
    Suspect,
    Restart,
}

impl Reception {
    /// Nothing received yet. `clock_rate` is that of the codec, in Hz.
    pub fn new(clock_rate: u32) -> Self {
        Self { clock_rate, ..Self::default() }
    }

    /// From here on timestamps run at `clock_rate`.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        if clock_rate != self.clock_rate {
            self.clock_rate = clock_rate;
            self.retire();
        }
    }

    /// Counts a packet of `bytes` (header and payload) that came at `now`.
    pub fn update(&mut self, now: Duration, header: &Header, bytes: usize) {
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let transit = to_timestamp(now, self.clock_rate).wrapping_sub(header.timestamp);
        let Some(source) = self.source.as_mut().filter(|source| source.ssrc == header.ssrc) else {
            return self.begin(header, transit);
        };
        match source.advance(header.sequence) {
            Order::Belongs => source.measure(transit, header.timestamp),
            Order::Suspect => {}
            Order::Restart => self.begin(header, transit),
        }
    }

    /// Packets received.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Bytes received, headers included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Packets that were sent and never came; duplicates do not make it negative.
    pub fn lost(&self) -> u64 {
        self.lost_before.saturating_add(self.source.as_ref().map_or(0, Source::lost))
    }

    /// Times that the sender began a new sequence or SSRC.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Interarrival jitter in microseconds.
    pub fn jitter_us(&self) -> u32 {
        let units = self.source.as_ref().map_or(0, |s| s.jitter >> 4);
        let us = u64::from(units).saturating_mul(1_000_000).checked_div(u64::from(self.clock_rate));
        us.and_then(|us| u32::try_from(us).ok()).unwrap_or(0)
    }

    /// Share of the packets sent that never came, 0 to 1.
    pub fn loss_ratio(&self) -> f64 {
        let lost = self.lost();
        match lost.saturating_add(self.packets) {
            0 => 0.0,
            expected => lost as f64 / expected as f64,
        }
    }

    /// The report block on the present source (A.3); the interval of its fraction begins anew. None before the
    /// first packet. What the last sender report said is for the caller to fill in.
    pub fn report(&mut self) -> Option<ReportBlock> {
        self.source.as_mut().map(Source::report)
    }

    fn begin(&mut self, header: &Header, transit: u32) {
        if self.source.is_some() {
            self.restarts = self.restarts.saturating_add(1);
        }
        self.retire();
        self.source = Some(Source::new(header, transit));
    }

    fn retire(&mut self) {
        self.lost_before = self.lost();
        self.source = None;
    }
}

impl Source {
    fn new(header: &Header, transit: u32) -> Self {
        // One cycle ahead, so that a packet from before the first does not go below zero.
        let first = SEQUENCES + u64::from(header.sequence);
        Self {
            ssrc: header.ssrc,
            first,
            highest: first,
            received: 1,
            suspect: None,
            transit,
            timestamp: header.timestamp,
            jitter: 0,
            expected_prior: 0,
            received_prior: 0,
        }
    }

    /// Extended sequence number (A.1).
    fn advance(&mut self, sequence: u16) -> Order {
        let [.., high, low] = self.highest.to_be_bytes();
        let ahead = sequence.wrapping_sub(u16::from_be_bytes([high, low]));
        if ahead < MAX_DROPOUT {
            self.highest = self.highest.saturating_add(u64::from(ahead));
        } else if ahead <= u16::MAX - MAX_MISORDER {
            let confirmed = self.suspect == Some(sequence);
            self.suspect = Some(sequence.wrapping_add(1));
            return if confirmed { Order::Restart } else { Order::Suspect };
        }
        self.suspect = None;
        self.received = self.received.saturating_add(1);
        Order::Belongs
    }

    /// Interarrival jitter (A.8). Packets with one timestamp (a telephone event, RFC 4733) are no measure.
    fn measure(&mut self, transit: u32, timestamp: u32) {
        if timestamp == self.timestamp {
            return;
        }
        self.timestamp = timestamp;
        let difference = transit.wrapping_sub(self.transit).cast_signed().unsigned_abs();
        self.transit = transit;
        let smoothed = self.jitter.saturating_sub((self.jitter.saturating_add(8)) >> 4);
        self.jitter = smoothed.saturating_add(difference);
    }

    fn expected(&self) -> u64 {
        self.highest.saturating_sub(self.first).saturating_add(1)
    }

    fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    fn report(&mut self) -> ReportBlock {
        let expected = self.expected().saturating_sub(self.expected_prior);
        let received = self.received.saturating_sub(self.received_prior);
        self.expected_prior = self.expected();
        self.received_prior = self.received;
        let lost = expected.saturating_sub(received);
        let fraction = lost.saturating_mul(256).checked_div(expected).unwrap_or(0).min(255);
        // The cycle that `new` put ahead is no part of the number on the wire.
        let [.., h0, h1, h2, h3] = self.highest.saturating_sub(SEQUENCES).to_be_bytes();
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative_lost: u32::try_from(self.lost()).unwrap_or(u32::MAX).min(ReportBlock::MAX_LOST),
            highest_sequence: u32::from_be_bytes([h0, h1, h2, h3]),
            jitter: self.jitter >> 4,
            last_sender_report: 0,
            delay_since_last: 0,
        }
    }
}

/// `now` in timestamp units, wrapped as timestamps are.
fn to_timestamp(now: Duration, clock_rate: u32) -> u32 {
    let rate = u64::from(clock_rate);
    let whole = now.as_secs().wrapping_mul(rate);
    let part = u64::from(now.subsec_nanos()).wrapping_mul(rate) / 1_000_000_000;
    let [.., a, b, c, d] = whole.wrapping_add(part).to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// What was sent in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Packets.
    pub packets: u64,
    /// Bytes, RTP headers included.
    pub bytes: u64,
}

impl Sent {
    /// Counts a packet of `bytes` (header and payload).
    pub fn add(&mut self, bytes: usize) {
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}
