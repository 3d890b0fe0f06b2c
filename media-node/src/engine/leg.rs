//! One leg as its relay thread holds it: two sockets, where its audio goes, what plays to it, what was counted.
//!
//! It must not know the other legs; the relay passes packets between them.

use std::net::UdpSocket;
use std::time::Duration;

use media_core::latch::LatchPolicy;
use media_core::prompt::{OutgoingStream, PACKET_BYTES, Player, Step};
use media_core::rtcp::{self, RtcpPacket};
use media_core::rtp::Packet;
use media_core::statistics::{self, Reception};
use voip_contract::media::LegStatistics;
use voip_contract::{CallId, LegId};

use super::port::{Port, Sent, Style};
use super::slab::Slot;

/// A prompt's packets come this far apart.
pub(super) const FRAME: Duration = Duration::from_millis(20);
/// A prompt that is later than this (the process was stopped) goes on from now: the listener gets a gap, no burst.
const LONGEST_LAG: Duration = Duration::from_millis(200);
const SAMPLES_PER_SECOND: u128 = 8_000;
const DEFAULT_CLOCK_RATE: u32 = 8_000;

/// Where a leg's RTP goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// Nowhere; it is counted.
    Nowhere,
    /// To the leg in this slot of the same thread.
    To(Slot),
    /// Back to where it came from.
    Back,
}

/// A prompt that plays, and when its next packet is due.
#[derive(Debug)]
pub(super) struct Playing {
    player: Player,
    play: u32,
    pub(super) due: Duration,
}

/// What became of a prompt's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// A packet is in the buffer; the next turn is then.
    Packet(Duration),
    /// The prompt of this number has come to its end.
    Finished(u32),
    /// Nothing plays, or not now.
    None,
}

/// The last sender report of the peer, for our reports.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerReport {
    /// Middle 32 bits of its NTP time.
    pub(super) middle: u32,
    pub(super) came: Duration,
}

#[derive(Debug)]
pub(super) struct Leg {
    pub(super) session: CallId,
    pub(super) id: LegId,
    pub(super) rtp: Port,
    pub(super) rtcp: Port,
    pub(super) output: Output,
    /// False while the peer holds: no RTP is sent to it.
    pub(super) receives: bool,
    pub(super) playing: Option<Playing>,
    pub(super) stream: OutgoingStream,
    /// The instant that `stream.timestamp` stands for.
    stream_at: Duration,
    pub(super) reception: Reception,
    pub(super) sent: statistics::Sent,
    /// Of these, the packets of our own stream.
    pub(super) sent_ours: statistics::Sent,
    pub(super) refused: u64,
    /// When RTP came last, or the remote end was set.
    pub(super) heard: Duration,
    pub(super) peer_report: Option<PeerReport>,
    pub(super) report_due: Duration,
    /// Our own packets when the last report was sent: more since then means that we are a sender.
    pub(super) reported_ours: u64,
}

impl Leg {
    pub(super) fn new(
        now: Duration,
        session: CallId,
        id: LegId,
        (rtp, rtcp): (UdpSocket, UdpSocket),
        stream: OutgoingStream,
    ) -> Self {
        Self {
            session,
            id,
            rtp: Port::new(rtp, Style::Connected),
            rtcp: Port::new(rtcp, Style::Unconnected),
            output: Output::Nowhere,
            receives: true,
            playing: None,
            stream,
            stream_at: now,
            reception: Reception::new(DEFAULT_CLOCK_RATE),
            sent: statistics::Sent::default(),
            sent_ours: statistics::Sent::default(),
            refused: 0,
            heard: now,
            peer_report: None,
            report_due: now + super::reports::first_interval(stream.ssrc),
            reported_ours: 0,
        }
    }

    pub(super) fn set_remote(
        &mut self,
        now: Duration,
        latches: (LatchPolicy, LatchPolicy),
        receives: bool,
        clock_rate: u32,
    ) {
        self.rtp.set_policy(now, latches.0);
        self.rtcp.set_policy(now, latches.1);
        self.receives = receives;
        self.reception.set_clock_rate(clock_rate);
        self.heard = now;
    }

    /// Counts a datagram that came on the RTP socket. False: it is no RTP.
    #[inline]
    pub(super) fn count_received(&mut self, now: Duration, datagram: &[u8]) -> bool {
        match Packet::parse(datagram) {
            // Payload types 64 to 95 are RTCP on the RTP port (RFC 5761), which we never agree to.
            Ok(packet) if !(64..96).contains(&packet.header.payload_type) => {
                self.reception.update(now, &packet.header, datagram.len());
                self.heard = now;
                true
            }
            _ => {
                self.refused += 1;
                false
            }
        }
    }

    /// Sends a packet of somebody else's stream. None: the leg is not to hear it now.
    #[inline]
    pub(super) fn relay(&mut self, packet: &[u8]) -> Option<Sent> {
        if !self.receives || self.playing.is_some() {
            return None;
        }
        Some(self.send_counted(packet))
    }

    #[inline]
    fn send_counted(&mut self, packet: &[u8]) -> Sent {
        let sent = self.rtp.send(packet);
        if sent == Sent::Yes {
            self.sent.add(packet.len());
        }
        sent
    }

    /// Begins a prompt in place of the one that plays. Its first packet is due at once.
    pub(super) fn play(&mut self, now: Duration, play: u32, make: impl FnOnce(OutgoingStream) -> Player) {
        self.stop_playing();
        let idle = now.saturating_sub(self.stream_at).as_micros() * SAMPLES_PER_SECOND / 1_000_000;
        self.stream.skip_samples(u32::try_from(idle).unwrap_or(u32::MAX));
        self.stream_at = now;
        self.playing = Some(Playing { player: make(self.stream), play, due: now });
    }

    pub(super) fn stop_playing(&mut self) {
        if let Some(playing) = self.playing.take() {
            self.stream = playing.player.stream();
            self.stream_at = playing.due;
        }
    }

    /// Takes the turn that was due at `due`, if it still is. Turns are counted from the first one, not from when
    /// the thread came to them, so that no delay adds up.
    pub(super) fn turn(&mut self, now: Duration, due: Duration, packet: &mut [u8; PACKET_BYTES]) -> Turn {
        let Some(playing) = self.playing.as_mut().filter(|playing| playing.due == due) else {
            return Turn::None;
        };
        match playing.player.step(packet) {
            Step::Packet => {
                let on_time = now.saturating_sub(due) <= LONGEST_LAG;
                playing.due = (if on_time { due } else { now }) + FRAME;
                self.stream_at = playing.due;
                Turn::Packet(playing.due)
            }
            Step::Finished => {
                let play = playing.play;
                self.stop_playing();
                Turn::Finished(play)
            }
        }
    }

    /// Sends a packet of our own stream.
    pub(super) fn send_own(&mut self, packet: &[u8]) -> Option<Sent> {
        if !self.receives {
            return None;
        }
        let sent = self.send_counted(packet);
        if sent == Sent::Yes {
            self.sent_ours.add(packet.len());
        }
        Some(sent)
    }

    /// Our stream as of the last packet sent.
    pub(super) fn own_stream(&self) -> (OutgoingStream, Duration) {
        let stream = self.playing.as_ref().map_or(self.stream, |playing| playing.player.stream());
        (stream, self.stream_at)
    }

    /// Remembers the peer's sender report, if that is what came.
    pub(super) fn note_report(&mut self, now: Duration, datagram: &[u8]) {
        if let Some(Ok(RtcpPacket::Sender { info, .. })) = rtcp::parse(datagram).next() {
            let [_, _, a, b, c, d, _, _] = info.ntp.to_be_bytes();
            self.peer_report = Some(PeerReport { middle: u32::from_be_bytes([a, b, c, d]), came: now });
        }
    }

    pub(super) fn statistics(&self) -> LegStatistics {
        LegStatistics {
            leg: self.id.0,
            packets_received: self.reception.packets(),
            bytes_received: self.reception.bytes(),
            packets_sent: self.sent.packets,
            packets_lost: self.reception.lost(),
            jitter_us: self.reception.jitter_us(),
            packets_refused: self.refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the 6 KB that a relayed call may take, its two legs here have a quarter.
    #[test]
    fn a_leg_stays_small() {
        assert!(size_of::<Leg>() <= 768, "{} bytes", size_of::<Leg>());
    }
}
