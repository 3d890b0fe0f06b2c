//! What comes in: counted, measured, compared with what was expected, and kept if a test wants it.

use std::net::SocketAddr;
use std::time::Duration;

use media_core::g711::CLOCK_RATE;
use media_core::quality;
use media_core::rtp::Packet;
use media_core::statistics::Reception;

use super::{Captured, law_of};
use crate::audio::KnownAudio;

/// Positions remembered to tell duplicates.
const WINDOW: usize = 64;

/// Everything about the received direction.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) reception: Reception,
    expect: Option<KnownAudio>,
    pub(crate) matched: u64,
    pub(crate) mismatched: u64,
    pub(crate) duplicates: u64,
    pub(crate) refused: u64,
    pub(crate) first: Option<Duration>,
    last: Option<Duration>,
    pub(crate) longest_gap: Duration,
    recent: [Option<u32>; WINDOW],
    capture: usize,
    pub(crate) captured: Vec<Captured>,
}

impl Inbound {
    /// Expects `expect` and keeps up to `capture` datagrams.
    pub(crate) fn new(expect: Option<KnownAudio>, capture: usize) -> Self {
        Self {
            reception: Reception::new(CLOCK_RATE),
            expect,
            matched: 0,
            mismatched: 0,
            duplicates: 0,
            refused: 0,
            first: None,
            last: None,
            longest_gap: Duration::ZERO,
            recent: [None; WINDOW],
            capture,
            captured: Vec::new(),
        }
    }

    /// A datagram came on the RTP port. Returns its packet when it is RTP.
    pub(crate) fn datagram<'a>(
        &mut self,
        at: Duration,
        from: SocketAddr,
        bytes: &'a [u8],
    ) -> Option<Packet<'a>> {
        if self.captured.len() < self.capture {
            self.captured.push(Captured { at, from, bytes: bytes.to_vec() });
        }
        let Ok(packet) = Packet::parse(bytes) else {
            self.refused += 1;
            return None;
        };
        self.reception.update(at, &packet.header, bytes.len());
        self.first.get_or_insert(at);
        if let Some(last) = self.last.replace(at) {
            self.longest_gap = self.longest_gap.max(at.saturating_sub(last));
        }
        self.compare(&packet);
        Some(packet)
    }

    /// Silence from here on is meant (hold): it is no gap.
    pub(crate) fn pause(&mut self) {
        self.last = None;
    }

    fn compare(&mut self, packet: &Packet<'_>) {
        // Telephone events and comfort noise are no audio to compare.
        let (Some(expect), Some(law)) = (self.expect, law_of(packet.header.payload_type)) else { return };
        let Some(position) = expect.position_of(law, packet.payload) else {
            self.mismatched += 1;
            return;
        };
        self.matched += 1;
        if let Some(slot) = self.recent.get_mut(position as usize % WINDOW)
            && slot.replace(position) == Some(position)
        {
            self.duplicates += 1;
        }
    }

    /// Whether all is as expected; none when nothing was.
    pub(crate) fn matches(&self) -> Option<bool> {
        self.expect.map(|_| self.matched > 0 && self.mismatched == 0)
    }

    /// Score of what was received.
    pub(crate) fn mos(&self) -> Option<f64> {
        let jitter_ms = f64::from(self.reception.jitter_us()) / 1000.0;
        let score = || quality::mos_of_stream(0.0, jitter_ms, self.reception.loss_ratio(), quality::G711);
        (self.reception.packets() > 0).then(score)
    }
}

#[cfg(test)]
mod tests {
    use media_core::g711::Law;
    use media_core::rtp::Header;

    use super::*;

    const AUDIO: u64 = 9;

    fn packet(sequence: u16, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        let timestamp = u32::from(sequence) * 160;
        let header = Header { marker: false, payload_type, sequence, timestamp, ssrc: 1 };
        let mut out = vec![0; 12 + payload.len()];
        header.write(payload, &mut out).unwrap();
        out
    }

    fn feed(inbound: &mut Inbound, bytes: &[u8]) {
        let at = Duration::from_millis(20);
        inbound.datagram(at, "127.0.0.1:9".parse().unwrap(), bytes);
    }

    fn known(position: u16) -> Vec<u8> {
        packet(position, 0, &KnownAudio::new(AUDIO).payload(Law::Ulaw, u32::from(position)))
    }

    #[test]
    fn known_payloads_match_in_any_order_and_duplicates_are_counted() {
        let mut inbound = Inbound::new(Some(KnownAudio::new(AUDIO)), 0);
        assert_eq!(inbound.matches(), Some(false), "silence is not what was expected");
        for position in [0, 2, 1, 1, 5] {
            feed(&mut inbound, &known(position));
        }
        assert_eq!((inbound.matched, inbound.mismatched, inbound.duplicates), (5, 0, 1));
        assert_eq!(inbound.matches(), Some(true));
        feed(&mut inbound, &packet(6, 101, &[1, 2, 3, 4]));
        assert_eq!(inbound.matches(), Some(true), "a telephone event is no audio");
        feed(&mut inbound, &packet(7, 0, &[0xff; 160]));
        assert_eq!(inbound.matches(), Some(false));
    }

    #[test]
    fn what_is_no_rtp_is_counted_and_what_is_not_expected_is_not_judged() {
        let mut inbound = Inbound::new(None, 1);
        feed(&mut inbound, b"noise");
        feed(&mut inbound, &known(0));
        assert_eq!((inbound.refused, inbound.reception.packets(), inbound.matches()), (1, 1, None));
        assert_eq!(inbound.captured.len(), 1, "no more than asked for");
    }
}
